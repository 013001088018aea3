"""Defects of a warp, filled so that a convolution does not spread them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from butler.images import Image, MaskedImage
from butler.images.mask import bit_mask_value

from ..kernels import filled_defects, narrow_defects

__all__ = ["without_defects"]

_NOT_COMPARED: Final = ("NO_DATA", "BAD")
"""Planes that say of a pixel that it cannot be compared; once filled, it can."""


def without_defects(
    pixels: MaskedImage, foreign: NDArray[np.bool_], planes: Collection[str], width: float
) -> MaskedImage:
    """Return pixels whose narrow defects are filled, with a mask that is changed in place.

    What is wider cannot be told from its neighbours, and what lies at the border has none. Pixels that were
    filled before, as INTRP says, keep their values.

    Parameters
    ----------
    pixels
        Part of a warp; image and variance are not changed. INTRP joins the mask where pixels are filled; of
        the planes NO_DATA and BAD are cleared there.
    foreign
        Pixels of other detectors, ``(n_y, n_x)``.
    planes
        Planes of defects; with NO_DATA also those whose value or variance is not finite.
    width
        Largest width of what is filled, pixels.
    """
    mask = pixels.mask
    finite = np.isfinite(pixels.image.array) & np.isfinite(pixels.variance.array)
    bad = mask.any_of(mask.known_bit_mask(planes))
    unknown = mask.any_of(mask.known_bit_mask(["NO_DATA"])) | ~finite
    if "NO_DATA" in planes:
        bad |= unknown
    narrow = narrow_defects(bad | unknown, width) & bad & ~foreign
    if not narrow.any():
        return pixels
    wanted = narrow & ~(mask.any_of(mask.known_bit_mask(["INTRP"])) & finite)
    cleared = mask.known_bit_mask(name for name in _NOT_COMPARED if name in planes)
    mask.array[narrow] &= ~bit_mask_value(cleared)
    mask.array[narrow] |= bit_mask_value(mask.known_bit_mask(["INTRP"]))
    fill = wanted | ~finite
    image, variance = (
        Image(np.where(wanted, filled_defects(plane.array, fill), plane.array), plane.xy0, plane.unit)
        for plane in (pixels.image, pixels.variance)
    )
    return MaskedImage(image, mask, variance)
