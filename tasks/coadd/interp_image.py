"""InterpImageTask: fill the pixels of a mask plane from their neighbours in the row."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from butler.images import MaskedImage

from ..config import Config
from ..kernels import fallback_value, interpolate_rows
from ..task import Task
from ..timer import timeMethod

__all__ = ["InterpImageConfig", "InterpImageTask"]


class InterpImageConfig(Config):
    """What takes the place of pixels that have no good neighbours."""

    useFallbackValueAtEdge: bool = Field(
        default=True,
        description="let runs of pixels at an edge end in the value below, 6 pixels away from good ones; if "
        "not, they end in the mean of the two nearest good pixels",
    )
    fallbackValueType: Literal["MEAN", "MEDIAN", "MEANCLIP", "USER"] = Field(
        default="MEDIAN",
        description="value far from good pixels at an edge: a statistic of the image, or fallbackUserValue",
    )
    fallbackUserValue: float = Field(default=0.0, description="that value for fallbackValueType USER")
    negativeFallbackAllowed: bool = Field(
        default=False,
        description="whether the value may be negative; if not, 0 takes the place of such a statistic",
    )
    transpose: bool = Field(default=False, description="run along columns instead of rows")

    @field_validator("fallbackValueType", "fallbackUserValue", "negativeFallbackAllowed")
    @classmethod
    def _check_user_value(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a user's value that may not be."""
        known = {**info.data, str(info.field_name): value}
        number = known.get("fallbackUserValue", 0.0)
        # A field that comes later is not known while a config is made, and asks again.
        is_forbidden = not known.get("negativeFallbackAllowed", True)
        if known.get("fallbackValueType") == "USER" and is_forbidden and number < 0:
            raise ValueError(
                f"fallbackUserValue={number:g} is negative; set negativeFallbackAllowed=True before it"
            )
        return value


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
            fallback_at_edge=self.config.useFallbackValueAtEdge,
            transpose=self.config.transpose,
        )
        maskedImage.mask.addMaskPlane("INTRP")
        maskedImage.mask.set_where("INTRP", bad)
        return n_filled

    def _fallback(self, maskedImage: MaskedImage) -> float:
        if self.config.fallbackValueType == "USER":
            return float(self.config.fallbackUserValue)
        return fallback_value(
            maskedImage.image.array,
            statistic=self.config.fallbackValueType,
            negative_fallback_allowed=self.config.negativeFallbackAllowed,
        )
