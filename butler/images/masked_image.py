"""MaskedImage: image, mask and variance of one box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .geometry import Box2I, Extent2I, Point2I
from .image import Image
from .mask import DEFAULT_MASK_PLANES, Mask

__all__ = ["MaskedImage"]


@dataclass(slots=True, eq=False)
class MaskedImage:
    """Three planes over the same box.

    Parameters
    ----------
    image, mask, variance
        The planes; held, not copied. The variance has the square of the image's unit.

    Raises
    ------
    ValueError
        Raised if the planes cover different boxes.
    """

    image: Image
    mask: Mask
    variance: Image

    def __post_init__(self) -> None:
        boxes = {self.image.bbox, self.mask.bbox, self.variance.bbox}
        if len(boxes) > 1:
            raise ValueError(
                f"image {self.image.bbox}, mask {self.mask.bbox} and variance {self.variance.bbox} "
                "must cover the same box"
            )

    @classmethod
    def from_bbox(cls, bbox: Box2I, planes: Mapping[str, int] = DEFAULT_MASK_PLANES) -> MaskedImage:
        """Make a masked image of zeros that covers ``bbox``."""
        return cls(Image.from_bbox(bbox), Mask.from_bbox(bbox, planes), Image.from_bbox(bbox))

    @classmethod
    def without_data(cls, bbox: Box2I, planes: Mapping[str, int] = DEFAULT_MASK_PLANES) -> MaskedImage:
        """Make a masked image without any data: NaN, NO_DATA and infinite variance."""
        mask = Mask.from_bbox(bbox, planes)
        mask.array[:] = mask.getPlaneBitMask("NO_DATA")
        return cls(Image.from_bbox(bbox, fill=np.nan), mask, Image.from_bbox(bbox, fill=np.inf))

    @property
    def bbox(self) -> Box2I:
        """Box covered, in parent coordinates."""
        return self.image.bbox

    @property
    def dimensions(self) -> Extent2I:
        """Width and height in pixels."""
        return self.bbox.dimensions

    @property
    def xy0(self) -> Point2I:
        """Parent coordinates ``(x, y)`` of the first pixel."""
        return self.bbox.minimum

    def getBBox(self) -> Box2I:
        """Return the box covered, in parent coordinates."""
        return self.bbox

    def __getitem__(self, bbox: Box2I) -> MaskedImage:
        """Return the part in ``bbox`` (parent coordinates); shares pixels with this one."""
        return MaskedImage(self.image[bbox], self.mask[bbox], self.variance[bbox])
