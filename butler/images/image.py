"""Image: a pixel array that knows where it lies in its parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .geometry import ORIGIN, Box2I, Extent2I, Point2I

__all__ = ["Image"]


@dataclass(slots=True, eq=False)
class Image:
    """A two-dimensional array with an origin in parent coordinates.

    Parameters
    ----------
    array
        Pixels ``(n_y, n_x)``; held, not copied.
    xy0
        Parent coordinates ``(x, y)`` of the first pixel.
    unit
        Unit of the pixels as FITS writes it, for example ``"nJy"``; empty if unknown.

    Raises
    ------
    ValueError
        Raised if the array is not two-dimensional.
    """

    array: NDArray[Any]
    xy0: Point2I = ORIGIN
    unit: str = ""

    def __post_init__(self) -> None:
        if self.array.ndim != 2:
            raise ValueError(f"an image has two axes, this array has shape {self.array.shape}")
        self.xy0 = Point2I(*self.xy0)

    @classmethod
    def from_bbox(cls, bbox: Box2I, *, fill: float = 0, dtype: DTypeLike = np.float32) -> Image:
        """Make an image of one value that covers ``bbox``."""
        # Zeros need not be written: the operating system has them.
        made = np.zeros(bbox.shape, dtype) if fill == 0 else np.full(bbox.shape, fill, dtype)
        return cls(made, bbox.minimum)

    @property
    def bbox(self) -> Box2I:
        """Box covered, in parent coordinates."""
        height, width = self.array.shape
        return Box2I(self.xy0, Extent2I(width, height))

    @property
    def dimensions(self) -> Extent2I:
        """Width and height in pixels."""
        return self.bbox.dimensions

    def getBBox(self) -> Box2I:
        """Return the box covered, in parent coordinates."""
        return self.bbox

    def __getitem__(self, bbox: Box2I) -> Image:
        """Return the part in ``bbox`` (parent coordinates); shares pixels with this image."""
        return Image(self.array[bbox.slices_in(self.bbox)], bbox.minimum, self.unit)
