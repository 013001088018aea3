"""RepairTask: fill bad pixels, so that resampling does not spread them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from butler.images import MaskedImage

from ..config import Config
from ..kernels import filled_defects
from ..task import Task

__all__ = ["RepairConfig", "RepairTask"]


class RepairConfig(Config):
    """What is filled."""

    planes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "CR"), description="mask planes of the pixels to fill"
    )


class RepairTask(Task):
    """Interpolates over bad pixels by kriging, along their row or column, where a defect is narrower.

    The planes that said why a pixel is bad stay, and INTRP joins them.
    """

    ConfigClass: ClassVar[type[Config]] = RepairConfig
    _DefaultName: ClassVar[str] = "repair"

    def run(self, maskedImage: MaskedImage) -> int:
        """Fill bad pixels of image and variance, in place.

        Parameters
        ----------
        maskedImage
            Pixels; all planes are changed. Pixels that are not finite and not in one of the planes stay so.

        Returns
        -------
        n_filled
            Number of pixels filled.
        """
        mask = maskedImage.mask
        wanted = mask.any_of(mask.known_bit_mask(self.config.planes))
        unknown = ~(np.isfinite(maskedImage.image.array) & np.isfinite(maskedImage.variance.array))
        if not wanted.any() or (wanted | unknown).all():
            return 0
        for plane in (maskedImage.image.array, maskedImage.variance.array):
            filled = filled_defects(plane, wanted | unknown)
            plane[wanted] = filled[wanted]
        mask.addMaskPlane("INTRP")
        mask.set_where("INTRP", wanted)
        return int(wanted.sum())
