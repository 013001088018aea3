"""PhotoCalib: from counts to nanojansky."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .chebyshev_field import ChebyshevBoundedField
from .geometry import Box2I
from .masked_image import MaskedImage

__all__ = ["PhotoCalib"]

AB_ZERO_POINT_NJY: Final = 1e32 * 10 ** (-48.6 / 2.5)
"""Flux of magnitude 0 (AB) in nJy."""


@dataclass(frozen=True, slots=True)
class PhotoCalib:
    """A photometric calibration.

    Parameters
    ----------
    calibrationMean
        Flux in nJy of one count; finite and positive.
    calibrationErr
        Its error, nJy per count.
    field
        Flux in nJy of one count at each position, if it varies; the mean is that over the image then.

    Raises
    ------
    ValueError
        Raised for a calibration that is not finite and positive.
    """

    calibrationMean: float = 1.0
    calibrationErr: float = 0.0
    field: ChebyshevBoundedField | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.calibrationMean) and self.calibrationMean > 0):
            raise ValueError(f"calibrationMean must be finite and positive, not {self.calibrationMean}")

    @classmethod
    def from_magnitude_zero_point(cls, zero_point: float, error: float = 0.0) -> PhotoCalib:
        """Make the calibration whose one count has AB magnitude ``zero_point`` (error in mag)."""
        mean = AB_ZERO_POINT_NJY * 10 ** (-0.4 * zero_point)
        return cls(mean, mean * error * 0.4 * math.log(10))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhotoCalib:
        """Make a calibration of what `to_dict` returned.

        Raises
        ------
        ValueError
            Raised if that is something else.
        """
        try:
            bounds: Any = values.get("bbox")
            coefficients = values.get("coefficients")
            field = None
            if bounds is not None or coefficients is not None:
                x0, y0, x1, y1 = map(operator.index, bounds)
                table = np.asarray(coefficients, dtype=np.float64)
                field = ChebyshevBoundedField(Box2I.from_corners((x0, y0), (x1, y1)), table)
            return cls(float(values["calibrationMean"]), float(values.get("calibrationErr", 0.0)), field)
        except (KeyError, TypeError, ValueError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{dict(values)!s:.60} is no photometric calibration: {what}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return its numbers by name; of a field also the inclusive corners and the coefficients."""
        values: dict[str, Any] = {
            "calibrationMean": self.calibrationMean,
            "calibrationErr": self.calibrationErr,
        }
        if self.field is not None:
            box = self.field.bbox
            values["bbox"] = [box.minX, box.minY, box.maxX, box.maxY]
            values["coefficients"] = self.field.coefficients.tolist()
        return values

    @property
    def magnitude_zero_point(self) -> float:
        """AB magnitude of one count."""
        return -2.5 * math.log10(self.calibrationMean / AB_ZERO_POINT_NJY)

    @property
    def isConstant(self) -> bool:
        """Whether it is the same everywhere."""
        return self.field is None

    def calibrate_in_place(self, masked_image: MaskedImage) -> None:
        """Turn counts into nJy; the variance follows with the square, the calibration's error is left out."""
        factor: Any = self.calibrationMean
        if self.field is not None:
            factor = self.field.on_grid(masked_image.bbox).astype(masked_image.image.array.dtype)
        masked_image.image.array *= factor
        masked_image.variance.array *= factor**2
        masked_image.image.unit = "nJy"
        masked_image.variance.unit = "nJy**2"
