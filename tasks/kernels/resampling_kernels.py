"""ResamplingKernel: the taps with which an image is interpolated, tabulated over sub-pixel phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RESAMPLING_KERNELS", "ResamplingKernel", "lanczos_taps", "resampling_kernel"]

Float64Array = NDArray[np.float64]

RESAMPLING_KERNELS: Final = ("bilinear", "lanczos2", "lanczos3", "lanczos4", "lanczos5")
"""Names of the kernels."""

_PHASES: Final = 2048  # the taps bend by less than 4 per square phase: linear in between is good to 1e-7
_STAR_SIGMA: Final = 3.5 / math.sqrt(8.0 * math.log(2.0))
_STIFFNESS: Final = 1e-3
_LEAST_BEAT: Final = 0.015
"""Least distance of a sampling frequency from 1, in cycles per pixel, for which anything has to be done."""
_FASTEST_BEAT: Final = 0.35
"""Beats that are faster meet nothing: stars have no power there, in cycles per pixel."""
_MAX_HARMONICS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class ResamplingKernel:
    """A separable kernel; made by `resampling_kernel`.

    Parameters
    ----------
    name
        One of `RESAMPLING_KERNELS`.
    stretch
        Factor by which it is wider than the kernel of that name, at least 1.
    taps
        Taps at the pixels ``-half + 1`` to ``half`` from the one at or below a position, for the phases
        0, 1 / n, ..., 1 of the position in that pixel; shape ``(n + 1, 2 half)``, read-only. Each row has
        sum 1. Between phases they are linear.
    """

    name: str
    stretch: float
    taps: NDArray[np.float32]

    @property
    def half(self) -> int:
        """Half length: pixels of the source on each side that a value is made of."""
        return int(self.taps.shape[1]) // 2

    @property
    def variance_factor(self) -> float:
        """Variance of a pixel over that of the source, for white noise and pixels of the same area.

        The mean over all phases in x and y; single pixels scatter about it.
        """
        return float(np.square(self.taps[:-1], dtype=np.float64).sum(axis=1).mean()) ** 2


@lru_cache(maxsize=64)
def resampling_kernel(
    name: str, *, corrected: bool = True, stretch: float = 1.0, sampling: float = 1.0
) -> ResamplingKernel:
    """Return a kernel.

    Parameters
    ----------
    name
        One of `RESAMPLING_KERNELS`.
    corrected
        Whether the taps of a Lanczos kernel are fitted to images of stars. A plain Lanczos kernel, even
        with taps that sum to 1, moves stars by up to 0.015 px and, on pixels a few per cent smaller or
        larger than those of the source, changes their flux by up to 0.5 % in each axis. Corrected taps w
        minimise the mean square error in the image of a star of FWHM 3.5 px, wherever it lies, plus 1e-3
        times ``|w - w_lanczos|**2``, among all that reproduce constants and gradients.
    stretch
        Factor by which the kernel is widened, at least 1: the output pixels' side in source pixels, if
        they are larger. A stretched kernel is a low-pass filter and is not corrected.
    sampling
        Output pixels per source pixel along the axes of the source. The response of a kernel to that
        frequency beats with the pixels, and what is left of it is an error of fluxes: corrected taps have
        none to it and its multiples. 1 if it is not known, or output pixels do not lie along these axes.

    Raises
    ------
    ValueError
        Raised for an unknown name, a stretch below 1 or above 100, or a sampling that is not positive.
    """
    if name not in RESAMPLING_KERNELS:
        raise ValueError(f"unknown resampling kernel {name!r}; allowed are {', '.join(RESAMPLING_KERNELS)}")
    if not 1.0 <= stretch <= 100.0:
        raise ValueError(f"a kernel is stretched by a factor from 1 to 100, not {stretch}")
    if not 0.0 < sampling < math.inf:
        raise ValueError(f"output pixels per source pixel are a positive number, not {sampling}")
    order = 1 if name == "bilinear" else int(name.removeprefix("lanczos"))
    phases = np.arange(_PHASES + 1) / _PHASES
    taps = _stretched_taps(order, phases, stretch)
    if stretch == 1.0:
        if corrected and order > 1:
            taps = _corrected(taps, phases)
            if frequencies := _beating(sampling):
                taps = _without_response(taps, phases, frequencies)
        # On a pixel there is nothing to interpolate, not even by the last bit.
        taps[0], taps[-1] = 0.0, 0.0
        taps[0, order - 1] = taps[-1, order] = 1.0
    table = taps.astype(np.float32)
    table.flags.writeable = False
    return ResamplingKernel(name, stretch, table)


def lanczos_taps(order: int, fraction: ArrayLike, *, normalized: bool = True) -> Float64Array:
    """Return the taps of a Lanczos kernel, L(u) = sinc(u) sinc(u / order) with u = offset - fraction.

    Parameters
    ----------
    order
        Order m of the kernel, at least 1.
    fraction
        Sub-pixel part of the position, in [0, 1); any shape.
    normalized
        Whether to divide by the sum of the taps, so that a constant stays constant.

    Returns
    -------
    taps
        Taps at the offsets ``-m + 1`` to ``m``, shape ``(*fraction.shape, 2 m)``. For fraction 0 they are
        exactly 0 but for the one at offset 0.

    Raises
    ------
    ValueError
        Raised if the order is below 1 or a fraction lies outside [0, 1).
    """
    f = np.asarray(fraction, dtype=np.float64)
    if order < 1:
        raise ValueError(f"the order of a Lanczos kernel is at least 1, not {order}")
    if not np.all((f >= 0.0) & (f < 1.0)):
        raise ValueError(f"fractions lie in [0, 1); split whole pixels off {fraction!r}")
    u = np.arange(1 - order, order + 1) - f[..., np.newaxis]
    taps = np.where(u == np.rint(u), u == 0.0, np.sinc(u) * np.sinc(u / order))
    if normalized:
        taps /= taps.sum(axis=-1, keepdims=True)
    return taps


def _stretched_taps(order: int, phases: Float64Array, stretch: float) -> Float64Array:
    """Return normalised taps of a kernel that is ``stretch`` times as wide; order 1 is a triangle."""
    half = math.ceil(order * stretch)
    u = (np.arange(1 - half, half + 1) - phases[:, np.newaxis]) / stretch
    shape = 1.0 - np.abs(u) if order == 1 else np.sinc(u) * np.sinc(u / order)
    taps = np.where(np.abs(u) < order, shape, 0.0)
    normalised: Float64Array = taps / taps.sum(axis=1, keepdims=True)
    return normalised


def _corrected(taps: Float64Array, phases: Float64Array) -> Float64Array:
    """Return taps fitted to images of stars, as `resampling_kernel` says; shape ``(n, 2 half)``.

    Over all places of a Gaussian star, the mean of the product of two of its pixels at a distance d is
    exp(-(d / 2 sigma)^2), so that the fit is ordinary kriging with this covariance, drawn to the given taps.
    """
    half = taps.shape[1] // 2
    u = np.arange(1.0 - half, half + 1.0) - phases[:, np.newaxis]
    matrix = _cost(half)
    free = np.linalg.solve(matrix, (_covariance(u) + _STIFFNESS * taps).T).T
    moments = np.stack([np.ones_like(u), u], axis=1)
    lifted = np.linalg.solve(matrix, moments.swapaxes(1, 2)).swapaxes(1, 2)
    missing = np.array([1.0, 0.0]) - np.einsum("pmk,pk->pm", moments, free)
    multipliers = np.linalg.solve(moments @ lifted.swapaxes(1, 2), missing[..., np.newaxis])[..., 0]
    corrected: Float64Array = free + np.einsum("pm,pmk->pk", multipliers, lifted)
    return corrected


def _covariance(distance: Float64Array) -> Float64Array:
    """Return the mean product of two pixels of a star at a distance, over all its places."""
    return np.exp(-((distance / (2.0 * _STAR_SIGMA)) ** 2))


def _cost(half: int) -> Float64Array:
    """Return the matrix that makes of a change of taps what it costs in images of stars."""
    offsets = np.arange(1.0 - half, half + 1.0)
    return _covariance(offsets[:, np.newaxis] - offsets) + _STIFFNESS * np.eye(2 * half)


def _beating(sampling: float) -> list[float]:
    """Return the multiples of a frequency that beat with the pixels slowly enough to meet stars."""
    beat = abs(sampling - 1.0)
    if beat < _LEAST_BEAT:
        return []
    n = min(max(1, int(_FASTEST_BEAT / beat)), _MAX_HARMONICS)
    return [harmonic * sampling for harmonic in range(1, n + 1)]


def _without_response(taps: Float64Array, phases: Float64Array, frequencies: list[float]) -> Float64Array:
    """Return taps nearest to given ones that have no response to frequencies, shape ``(n, 2 half)``.

    The response of a kernel is the mean over its phases of ``sum(w cos(2 pi f u))``. Taps change where that
    costs least in images of stars, keep their sums and first moments, and stay what they are on a pixel.
    """
    half = taps.shape[1] // 2
    u = np.arange(1.0 - half, half + 1.0) - phases[:, np.newaxis]
    share = np.full(len(phases), 1.0 / (len(phases) - 1))
    share[[0, -1]] /= 2.0
    inverse = np.linalg.inv(_cost(half))
    waves = np.cos(2.0 * np.pi * u[:, np.newaxis] * np.array(frequencies)[:, np.newaxis])
    moments = np.stack([np.ones_like(u), u], axis=1)
    lifted = moments @ inverse
    inside = np.linalg.solve(lifted @ moments.swapaxes(1, 2), lifted @ waves.swapaxes(1, 2))
    allowed = waves @ inverse - inside.swapaxes(1, 2) @ lifted
    allowed *= np.sin(np.pi * phases)[:, np.newaxis, np.newaxis] ** 2
    response = np.einsum("p,pmk,pk->m", share, waves, taps)
    effect = np.einsum("p,pmk,pnk->mn", share, waves, allowed, optimize=True)
    changed: Float64Array = taps - np.einsum("m,pmk->pk", np.linalg.solve(effect, response), allowed)
    return changed
