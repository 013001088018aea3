"""InterpImageTask: fill the pixels of a mask plane from their neighbours in the row."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from butler.images import MaskedImage

from ..config import Config
from ..kernels import fallback_value, interpolate_rows
from ..task import Task
from ..timer import timeMethod

__all__ = ["InterpImageConfig", "InterpImageTask"]


class InterpImageConfig(Config):
    """What takes the place of pixels that have no good neighbours."""

    fallbackValueType: Literal["MEAN", "MEDIAN", "MEANCLIP", "USER"] = Field(
        default="MEDIAN",
        description="value far from good pixels at an edge: a statistic of the image, or fallbackUserValue",
    )
    fallbackUserValue: float = Field(default=0.0, description="that value for fallbackValueType USER")
    negativeFallbackAllowed: bool = Field(
        default=False, description="whether the value may be negative; if not, 0 takes its place"
    )
    transpose: bool = Field(default=False, description="run along columns instead of rows")


class InterpImageTask(Task):
    """Interpolates over the pixels of a mask plane, row by row, by ordinary kriging."""

    ConfigClass: ClassVar[type[Config]] = InterpImageConfig
    _DefaultName: ClassVar[str] = "interpImage"

    @timeMethod
    def run(self, maskedImage: MaskedImage, planeName: str = "NO_DATA") -> int:
        """Interpolate, in place; INTRP is set on what was filled, and the plane stays.

        Parameters
        ----------
        maskedImage
            Image and variance to fill; the variance is treated like the image.
        planeName
            Mask plane of the pixels to fill.

        Returns
        -------
        n_filled
            Number of pixels filled. An image without any finite pixel is left as it is: 0.

        Raises
        ------
        KeyError
            Raised if the mask has no such plane.
        """
        bad = maskedImage.mask.isSet(planeName)
        n_filled = int(bad.sum())
        if not n_filled:
            return 0
        fallback = self._fallback(maskedImage)
        if math.isnan(fallback):
            return 0
        interpolate_rows(
            maskedImage.image.array,
            maskedImage.variance.array,
            bad,
            fallback,
            transpose=self.config.transpose,
        )
        maskedImage.mask.addMaskPlane("INTRP")
        maskedImage.mask.set_where("INTRP", bad)
        return n_filled

    def _fallback(self, maskedImage: MaskedImage) -> float:
        if self.config.fallbackValueType == "USER":
            value = float(self.config.fallbackUserValue)
            return value if self.config.negativeFallbackAllowed else max(value, 0.0)
        return fallback_value(
            maskedImage.image.array,
            statistic=self.config.fallbackValueType,
            negative_fallback_allowed=self.config.negativeFallbackAllowed,
        )
