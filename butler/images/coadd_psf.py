"""CoaddPsf: the PSF of a warp or coadd, from those of its inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .coadd_inputs import CcdInput
from .psf import InvalidPsfError, Psf
from .sky_wcs import SkyWcs

__all__ = ["CoaddPsf"]


@dataclass(frozen=True, slots=True)
class CoaddPsf(Psf):
    """The weighted mean of the inputs' PSFs, each carried to the coadd's pixels.

    At a position p, ``PSF(p) = sum_i w_i K_i / sum_i w_i`` over the detector images that contain p
    (inside their box and valid polygon), where K_i is the input's PSF image warped with the local
    affine map and normalised to 1.

    Parameters
    ----------
    ccds
        The inputs.
    wcs
        WCS of the coadd.
    """

    ccds: tuple[CcdInput, ...]
    wcs: SkyWcs

    def contributors(self, *, x: float, y: float) -> list[CcdInput]:
        """Return the inputs that contain a coadd position."""
        ra, dec = self.wcs.pixelToSky(x, y)
        return [ccd for ccd in self.ccds if ccd.contains_sky(float(ra), float(dec))]

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return the PSF at a position in coadd pixels.

        Raises
        ------
        InvalidPsfError
            Raised if no input covers the position.
        """
        x, y = float(math.floor(x + 0.5)), float(math.floor(y + 0.5))
        chosen = self.contributors(x=x, y=y)
        if not chosen:
            raise InvalidPsfError(f"no input image covers the position ({x:g}, {y:g})")
        kernels = [_warped_kernel(ccd, self.wcs, x, y) for ccd in chosen]
        half = max(kernel.shape[0] // 2 for kernel in kernels)
        total = np.zeros((2 * half + 1, 2 * half + 1))
        weights = [ccd.weight for ccd in chosen]
        for kernel, weight in zip(kernels, weights, strict=True):
            pad = half - kernel.shape[0] // 2
            total += np.pad(kernel, pad) * (weight / kernel.sum())
        normalised: NDArray[np.float64] = total / math.fsum(weights)
        return normalised

    def getAveragePosition(self) -> tuple[float, float]:
        """Return the mean position ``(x, y)`` of the inputs, weighted with weight times good pixels.

        If no input contains that position, the inputs of lowest weight are left out one by one.

        Raises
        ------
        InvalidPsfError
            Raised if there are no inputs.
        """
        ordered = sorted(self.ccds, key=lambda ccd: ccd.weight * max(ccd.goodpix, 1), reverse=True)
        while ordered:
            weights = [ccd.weight * max(ccd.goodpix, 1) for ccd in ordered]
            centres = [
                self.wcs.skyToPixel(*ccd.require_wcs().pixelToSky(*(np.float64(v) for v in ccd.bbox.center)))
                for ccd in ordered
            ]
            x = float(np.average([float(c[0]) for c in centres], weights=weights))
            y = float(np.average([float(c[1]) for c in centres], weights=weights))
            if self.contributors(x=x, y=y):
                return x, y
            ordered.pop()
        raise InvalidPsfError("a CoaddPsf without inputs has no average position")


def _warped_kernel(ccd: CcdInput, wcs: SkyWcs, x: float, y: float) -> NDArray[np.float64]:
    """Return one input's PSF on the coadd's pixels around ``(x, y)``, in a square odd array."""
    from scipy.ndimage import map_coordinates

    ra, dec = wcs.pixelToSky([x, x + 0.5, x - 0.5, x, x], [y, y, y, y + 0.5, y - 0.5])
    sx, sy = ccd.require_wcs().skyToPixel(ra, dec)
    jacobian = np.array([[sx[1] - sx[2], sx[3] - sx[4]], [sy[1] - sy[2], sy[3] - sy[4]]])
    source = ccd.require_psf().computeKernelImage(x=float(sx[0]), y=float(sy[0]))
    inverse = np.linalg.inv(jacobian)
    corners = np.array([[sx_, sy_] for sx_ in (-1, 1) for sy_ in (-1, 1)]) * (
        np.array(source.shape[::-1]) / 2
    )
    half = math.ceil(np.abs(corners @ inverse.T).max())
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    px = jacobian[0, 0] * u + jacobian[0, 1] * v + source.shape[1] // 2
    py = jacobian[1, 0] * u + jacobian[1, 1] * v + source.shape[0] // 2
    # A spline of fifth degree, closer to the PSF than the Lanczos kernel of the warps: its error adds to
    # theirs, which depends on where in a pixel a star lies.
    sampled: NDArray[np.float64] = map_coordinates(source, [py, px], order=5, mode="grid-constant")
    return sampled
