"""ScaleZeroPointTask: bring warps to one photometric zero point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from butler.images import Image, MaskedImage, PhotoCalib

from ..config import Config
from ..errors import WarpUnitError
from ..task import Task
from .warp_pixels import describe_data_id

__all__ = ["ImageScaler", "ScaleZeroPointConfig", "ScaleZeroPointTask"]


class ScaleZeroPointConfig(Config):
    """The zero point that warps are brought to."""

    zeroPoint: float = Field(default=27.0, description="AB magnitude of one count of the scaled warps")


@dataclass(frozen=True, slots=True)
class ImageScaler:
    """The factor that brings one warp to the common zero point."""

    scale: float = 1.0
    """Factor of the image; the variance takes its square."""

    def scaled(self, maskedImage: MaskedImage) -> MaskedImage:
        """Return a scaled copy, in counts; the mask is shared. The factor is float32, as in LSST."""
        factor = np.float32(self.scale)
        image, variance = maskedImage.image, maskedImage.variance
        return MaskedImage(
            Image(image.array * factor, image.xy0),
            maskedImage.mask,
            Image(variance.array * (factor * factor), variance.xy0),
        )


class ScaleZeroPointTask(Task):
    """Finds the factors that bring warps to one zero point."""

    ConfigClass: ClassVar[type[Config]] = ScaleZeroPointConfig
    _DefaultName: ClassVar[str] = "scaleZeroPoint"

    def getPhotoCalib(self) -> PhotoCalib:
        """Return the calibration of everything that was scaled."""
        return PhotoCalib.from_magnitude_zero_point(self.config.zeroPoint)

    def computeImageScaler(self, handle: Any) -> ImageScaler:
        """Return the scaler of a warp, from the warp's own calibration.

        Raises
        ------
        WarpUnitError
            Raised if the warp has no calibration.
        """
        calib: PhotoCalib | None = handle.get(component="photoCalib")
        if calib is None:
            raise WarpUnitError(
                f"warp {describe_data_id(handle.dataId)} has no photometric calibration to scale it by"
            )
        return ImageScaler(calib.calibrationMean / self.getPhotoCalib().calibrationMean)
