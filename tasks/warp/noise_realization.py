"""Noise realisation: pure noise of the variance of a detector image, to be warped like it."""

from __future__ import annotations

import numpy as np

from butler.images import Box2I, Image, MaskedImage

__all__ = ["noise_realization"]


def noise_realization(
    pixels: MaskedImage, detector_bbox: Box2I, seed: tuple[int, ...], *, use_median_variance: bool
) -> MaskedImage:
    """Make noise of the variance of an image.

    Parameters
    ----------
    pixels
        Part of a detector image, in nJy.
    detector_bbox
        Box of the whole detector image: a pixel has the same noise whichever part is asked for.
    seed
        Numbers that tell this realisation from others, none of them negative.
    use_median_variance
        Whether all pixels have the median of the finite variances, masked pixels included, or each its own.

    Returns
    -------
    noise
        Normal deviates of mean 0, with the mask and variance of ``pixels``; NaN where the variance has no
        root.
    """
    variance = pixels.variance.array
    if use_median_variance:
        finite = variance[np.isfinite(variance)]
        variance = np.full_like(variance, np.median(finite) if finite.size else np.nan)
    deviates = np.random.default_rng(seed).standard_normal(detector_bbox.shape, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        noise = deviates[pixels.bbox.slices_in(detector_bbox)] * np.sqrt(variance)
    return MaskedImage(
        Image(noise, pixels.bbox.minimum, pixels.image.unit),
        pixels.mask,
        Image(variance, pixels.bbox.minimum, pixels.variance.unit),
    )
