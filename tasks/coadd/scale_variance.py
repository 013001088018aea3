"""ScaleVarianceTask: make a variance plane agree with the noise that is seen."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import Mask, MaskedImage

from ..config import Config
from ..errors import TaskError
from ..task import Task

__all__ = ["ScaleVarianceConfig", "ScaleVarianceTask"]

_IQR_TO_SIGMA: Final = 0.741301109252802
_MAX_SAMPLES: Final = 2_000_000
"""Pixels that are looked at; of larger images every second, third ... row and column."""


class ScaleVarianceConfig(Config):
    """What is looked at."""

    maskPlanes: list[str] = Field(
        default=["DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP"],
        description="planes whose pixels do not count",
    )
    limit: float = Field(default=10.0, gt=0, description="largest factor that is believed")
    binSize: int = Field(
        default=128,
        gt=0,
        description="side in pixels of the squares from which a background is taken; in small ones "
        "correlated noise would be taken for background",
    )


class ScaleVarianceTask(Task):
    """Multiplies a variance plane by one factor, so that it is that of the scatter of the pixels.

    The variance of resampled and convolved pixels leaves out their covariance, and what was convolved again
    is noisier than it says.
    """

    ConfigClass: ClassVar[type[Config]] = ScaleVarianceConfig
    _DefaultName: ClassVar[str] = "scaleVariance"

    def run(self, maskedImage: MaskedImage) -> float:
        """Scale the variance plane, in place.

        Returns
        -------
        factor
            What it was multiplied by; 1 if there are fewer than two good pixels.

        Raises
        ------
        TaskError
            Raised for a factor above the limit; nothing is changed then.
        """
        factor = self.computeScaleFactor(maskedImage)
        maskedImage.variance.array *= np.float32(factor)
        return factor

    def computeScaleFactor(self, maskedImage: MaskedImage) -> float:
        """Return the ratio of the scatter of the pixels to the variance plane.

        Both widths come from quartiles. If the ratio of each pixel to its own variance gives a factor above
        the limit, that of all pixels to the median variance is tried.

        Raises
        ------
        TaskError
            Raised if both are above the limit.
        """
        step = max(1, math.ceil(math.sqrt(maskedImage.bbox.area / _MAX_SAMPLES)))
        image, variance = (
            plane.array[::step, ::step].astype(np.float64)
            for plane in (maskedImage.image, maskedImage.variance)
        )
        mask = Mask(maskedImage.mask.array[::step, ::step], planes=maskedImage.mask.planes)
        bad = mask.any_of(mask.known_bit_mask(self.config.maskPlanes))
        good = ~bad & np.isfinite(image) & np.isfinite(variance) & (variance > 0)
        if np.count_nonzero(good) < 2:
            return 1.0
        image[~good] = np.nan
        _subtract_background(image, max(self.config.binSize // step, 1))
        values, variances = image[good], variance[good]
        factor = _width(values / np.sqrt(variances)) ** 2
        if factor > self.config.limit:
            factor = float(_width(values) ** 2 / np.median(variances))
        if not 0 < factor <= self.config.limit:
            raise TaskError(
                f"the pixels scatter {factor:.3g} times as much as their variance says, beyond the limit "
                f"{self.config.limit:g}"
            )
        return factor


def _width(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of a normal distribution with the quartiles of some values."""
    q25, q75 = np.percentile(values, [25, 75])
    return float(_IQR_TO_SIGMA * (q75 - q25))


def _subtract_background(image: NDArray[np.float64], size: int) -> None:
    """Subtract the median of each square, in place; NaN pixels do not count."""
    for y in range(0, image.shape[0], size):
        for x in range(0, image.shape[1], size):
            square = image[y : y + size, x : x + size]
            known = square[np.isfinite(square)]
            if known.size:
                square -= np.median(known)
