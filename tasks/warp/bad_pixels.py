"""Bad pixels, as an image: what the masked fraction of a warp is the resampled version of."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from butler.images import Image, MaskedImage

__all__ = ["bad_pixels"]


def bad_pixels(pixels: MaskedImage, planes: Collection[str]) -> Image:
    """Return an image that is 1 where a pixel is bad, else 0.

    Parameters
    ----------
    pixels
        Detector image.
    planes
        Mask planes of bad pixels; those that the image lacks are left out. A pixel whose value or variance
        is not finite, or whose variance is negative, is bad as well.
    """
    variance = pixels.variance.array
    bad = pixels.mask.any_of(pixels.mask.known_bit_mask(planes))
    bad |= ~(np.isfinite(pixels.image.array) & np.isfinite(variance) & (variance >= 0))
    return Image(bad.astype(np.float32), pixels.bbox.minimum)
