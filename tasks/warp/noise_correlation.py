"""Noise correlation: how much noisier an aperture is than the variances of its pixels say."""

from __future__ import annotations

from typing import Final

import numpy as np

from butler.images import Box2I, SkyWcs

from ..kernels import ResamplingKernel

__all__ = ["aperture_noise_factor"]

_POINTS_PER_SIDE: Final = 61


def aperture_noise_factor(
    kernel: ResamplingKernel, wcs: SkyWcs, target_wcs: SkyWcs, target_bbox: Box2I
) -> float:
    """Return the variance of a large aperture's sum over the sum of its pixels' variances.

    Resampling gives one source pixel to several output pixels, whose noise is then correlated, and the
    variance plane holds the variances alone. A kernel conserves sums, so the noise of a large aperture
    is that of the source pixels it covers: for white noise, with A the area factor and f the phases in x
    and y, the factor is ``sum A / sum A^2 s(f_x) s(f_y)``, s being the sum of the squared taps. It is
    that of apertures much larger than the kernel; for smaller ones it lies between 1 and this.

    Parameters
    ----------
    kernel
        Kernel of the image.
    wcs, target_wcs, target_bbox
        WCS of source and target, and the part of the target that is looked at, on a grid of points.

    Returns
    -------
    factor
        1 if pixels are copied; NaN if no point of the box has a place in the source.
    """
    x, y = np.meshgrid(
        np.linspace(target_bbox.minX, target_bbox.maxX, _POINTS_PER_SIDE).round(),
        np.linspace(target_bbox.minY, target_bbox.maxY, _POINTS_PER_SIDE).round(),
    )
    # Of each point, and of those half a pixel beside it.
    steps_x, steps_y = np.array([[0.0, 0.5, -0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5, -0.5]])
    sky = target_wcs.pixelToSky(x.ravel()[:, np.newaxis] + steps_x, y.ravel()[:, np.newaxis] + steps_y)
    source_x, source_y = wcs.skyToPixel(*sky)
    known = np.isfinite(source_x).all(axis=1) & np.isfinite(source_y).all(axis=1)
    if not known.any():
        return float("nan")
    source_x, source_y = source_x[known], source_y[known]
    by_x, by_y = (np.stack([p[:, 1] - p[:, 2], p[:, 3] - p[:, 4]]) for p in (source_x, source_y))
    area = np.abs(by_x[0] * by_y[1] - by_x[1] * by_y[0])
    squares = np.square(kernel.taps, dtype=np.float64).sum(axis=1)
    phases = np.linspace(0.0, 1.0, len(squares))
    in_x, in_y = (np.interp(p[:, 0] - np.floor(p[:, 0]), phases, squares) for p in (source_x, source_y))
    return float(area.sum() / (area**2 * in_x * in_y).sum())
