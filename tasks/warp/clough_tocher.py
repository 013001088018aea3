"""CloughTocher2DInterpolateTask: fills bad pixels before an image is warped."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import MaskedImage

from ..config import Config
from ..task import Task

__all__ = ["CloughTocher2DInterpolateConfig", "CloughTocher2DInterpolateTask"]

_TOUCHING: Final = np.ones((3, 3), dtype=bool)


class CloughTocher2DInterpolateConfig(Config):
    """What is filled, and from how far."""

    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "CR", "NO_DATA"), description="planes of the pixels that are filled"
    )
    fillValue: float = Field(
        default=0.0, description="value of pixels that have no good ones around them, nJy"
    )
    interpLength: int = Field(default=4, ge=1, description="pixels around a bad one that it is filled from")


class CloughTocher2DInterpolateTask(Task):
    """Replaces bad pixels by a smooth surface through the good ones around them.

    So a bad pixel does not ring through all that the kernel mixes it into. The surface is that of Clough and
    Tocher, piecewise cubic with a continuous slope. Masks are kept, with INTRP added; a variance that is not
    finite and positive becomes the median of the good ones.
    """

    ConfigClass: ClassVar[type[Config]] = CloughTocher2DInterpolateConfig
    _DefaultName: ClassVar[str] = "cloughTocher2DInterpolate"

    def run(self, maskedImage: MaskedImage) -> None:
        """Fill bad pixels, in place."""
        from scipy import ndimage

        image, variance, mask = maskedImage.image.array, maskedImage.variance.array, maskedImage.mask
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes)) | ~np.isfinite(image)
        known = np.isfinite(variance) & (variance > 0)
        if bad.any() and not bad.all():
            mask.addMaskPlane("INTRP")
            mask.set_where("INTRP", bad)
            near = ndimage.binary_dilation(bad, _TOUCHING, iterations=self.config.interpLength)
            # One region at a time: the triangles between far regions would be many, and for nothing.
            labels, n_regions = ndimage.label(near, _TOUCHING)
            for i, cut in enumerate(ndimage.find_objects(labels, n_regions), start=1):
                region = labels[cut] == i
                self._fill(image[cut], bad[cut] & region, region & ~bad[cut])
        if known.any():
            variance[~known] = np.median(variance[known])

    def _fill(self, image: NDArray[np.floating], bad: NDArray[np.bool_], good: NDArray[np.bool_]) -> None:
        """Fill the bad pixels of one region from its good ones, in place."""
        from scipy.interpolate import CloughTocher2DInterpolator
        from scipy.spatial import QhullError

        try:
            surface = CloughTocher2DInterpolator(
                np.argwhere(good), image[good], fill_value=self.config.fillValue
            )
        except (QhullError, ValueError):
            # Fewer than three points, or all in a line.
            image[bad] = self.config.fillValue
            return
        image[bad] = surface(np.argwhere(bad))
