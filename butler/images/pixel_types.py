"""Pixels of one type as those of another, by LSST's rules of what may become what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StorageClassError
from .exposure import Exposure
from .image import Image
from .mask import Mask
from .masked_image import MaskedImage

__all__ = ["converted_pixels", "with_pixel_type"]


def with_pixel_type(obj: Any, pixel_type: str) -> Any:
    """Return an image, mask, masked image or exposure whose pixels are of a type.

    Parameters
    ----------
    obj
        The object; itself if its pixels are of the type, and never changed. The variance of a masked image
        is always float32.
    pixel_type
        numpy type, for example ``"f4"``.

    Raises
    ------
    StorageClassError
        Raised if the pixels might change their value, as in `converted_pixels`.
    """
    if isinstance(obj, Exposure):
        planes = with_pixel_type(obj.maskedImage, pixel_type)
        return obj if planes is obj.maskedImage else replace(obj, maskedImage=planes)
    if isinstance(obj, MaskedImage):
        image, variance = with_pixel_type(obj.image, pixel_type), with_pixel_type(obj.variance, "f4")
        if image is obj.image and variance is obj.variance:
            return obj
        return MaskedImage(image, obj.mask, variance)
    if isinstance(obj, Image | Mask):
        pixels = converted_pixels(obj.array, pixel_type)
        return obj if pixels is obj.array else replace(obj, array=pixels)
    return obj


def converted_pixels(array: NDArray[Any], pixel_type: str) -> NDArray[Any]:
    """Return pixels as a type: the same array if they are of it already.

    Floats are made of anything; integers only of integers whose every value the type can hold.

    Raises
    ------
    StorageClassError
        Raised if the pixels might change their value otherwise than by the precision of floats.
    """
    target = np.dtype(pixel_type)
    if array.dtype == target:
        return array
    # numpy calls a cast safe that keeps all values; from 64-bit integers to floats it asks for less.
    if array.dtype.kind not in "iuf" or (target.kind != "f" and not np.can_cast(array.dtype, target, "safe")):
        raise StorageClassError(f"pixels of type {array.dtype} cannot be stored as {target}")
    return array.astype(target)
