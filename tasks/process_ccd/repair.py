"""RepairTask: fill bad pixels, so that resampling does not spread them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from butler.images import MaskedImage

from ..config import Config
from ..kernels import interpolate_rows, label_components
from ..task import Task

__all__ = ["RepairConfig", "RepairTask"]


class RepairConfig(Config):
    """What is filled."""

    planes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "CR"), description="mask planes of the pixels to fill"
    )


class RepairTask(Task):
    """Interpolates over bad pixels by kriging along rows, or along columns where a defect is wider than high.

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
            filled = _filled(plane, wanted | unknown)
            plane[wanted] = filled[wanted]
        mask.addMaskPlane("INTRP")
        mask.set_where("INTRP", wanted)
        return int(wanted.sum())


def _filled(plane: NDArray[np.float32], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a copy with all bad pixels filled, each connected group along its shorter side."""
    labels, _ = label_components(bad)
    is_wide = [False]
    for rows, columns in ndimage.find_objects(labels):
        is_wide.append(columns.stop - columns.start > rows.stop - rows.start)
    wide = np.array(is_wide)[labels]
    filled = np.array(plane, dtype=np.float32)
    fallback = float(np.median(filled[~bad]))
    # A pixel that waits for the second pass must not serve as a good neighbour in the first.
    filled[bad] = np.nan
    interpolate_rows(filled, None, bad & ~wide, fallback)
    interpolate_rows(filled, None, bad & wide, fallback, transpose=True)
    return filled
