"""The matching kernel of LSST's defaults, for one cell: three Gaussians times polynomials, 21 pixels wide.

Written from its description in the literature (Alard & Lupton 1998; Alard 2000), with the choices that
make it differ from ours: the fit sees only pixels where the convolution is complete, has no penalty, and the
sum of the kernel is put right afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve

SIZE, SIGMAS, DEGREES = 21, (1.0, 2.0, 4.5), (4, 2, 2)


def basis() -> NDArray[np.float64]:
    """Return the 27 basis functions; the first has sum 1, the others sum 0 and norm 1."""
    u = np.linspace(-1.0, 1.0, SIZE)
    pixels = np.arange(SIZE) - SIZE // 2
    functions = []
    for sigma, degree in zip(SIGMAS, DEGREES, strict=True):
        profile = np.exp(-0.5 * (pixels / sigma) ** 2)
        gaussian = np.outer(profile, profile) / profile.sum() ** 2
        for j in range(degree + 1):
            for k in range(degree + 1 - j):
                functions.append(gaussian * np.outer(u**j, u**k))
    first = functions[0]
    made = [first]
    for function in functions[1:]:
        total = function.sum()
        shape = function / total - first if abs(total) > 1.2e-7 else function
        made.append(shape / np.linalg.norm(shape))
    return np.array(made)


def alard_lupton_kernel(psf: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel for a PSF and a target on one stamp, both of sum 1 there."""
    functions = basis()
    design = np.array([convolve(psf, function, mode="valid").ravel() for function in functions])
    margin = SIZE // 2
    seen = target[margin:-margin, margin:-margin].ravel()
    coefficients = np.linalg.solve(design @ design.T, design @ seen)
    coefficients[0] = 1.0
    kernel: NDArray[np.float64] = np.tensordot(coefficients, functions, axes=1)
    return kernel
