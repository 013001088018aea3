"""MaskDefectsTask: pixels that the detector spoils."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from butler.images import Image, Mask, MaskedImage

from ..config import Config
from ..task import Task

__all__ = ["MaskDefectsConfig", "MaskDefectsTask"]


class MaskDefectsConfig(Config):
    """How far defects reach."""

    growSaturated: int = Field(
        default=1, ge=0, description="radius in pixels by which saturated regions are grown"
    )


class MaskDefectsTask(Task):
    """Sets NO_DATA, SAT and BAD."""

    ConfigClass: ClassVar[type[Config]] = MaskDefectsConfig
    _DefaultName: ClassVar[str] = "maskDefects"

    def run(
        self,
        maskedImage: MaskedImage,
        saturation: float,
        defects: Image | None = None,
        quality: Mask | None = None,
    ) -> None:
        """Mask pixels, in place: NO_DATA where not finite, SAT where saturated, BAD where defective.

        Parameters
        ----------
        maskedImage
            Pixels as the detector gave them; the mask is changed.
        saturation
            Value from which a pixel is saturated, in the image's unit.
        defects
            Image of the same box, not 0 where the detector is bad.
        quality
            Mask of the same box, the planes of which are set as well.
        """
        image, mask = maskedImage.image.array, maskedImage.mask
        for plane in ("NO_DATA", "SAT", "BAD"):
            mask.addMaskPlane(plane)
        finite = np.isfinite(image)
        mask.set_where("NO_DATA", ~finite)
        saturated = finite & (np.where(finite, image, 0) >= saturation)
        mask.set_where("SAT", _grown(saturated, self.config.growSaturated))
        if defects is not None:
            mask.set_where("BAD", defects.array != 0)
        if quality is not None:
            for plane in quality.planes:
                mask.addMaskPlane(plane)
                mask.set_where(plane, quality.isSet(plane))
        self.metadata["NSAT"] = int(saturated.sum())


def _grown(binary: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return all pixels within a radius of those that are set."""
    if radius == 0 or not binary.any():
        return binary
    offsets = np.arange(-radius, radius + 1)
    disc = offsets[:, np.newaxis] ** 2 + offsets**2 <= radius**2
    grown: NDArray[np.bool_] = ndimage.binary_dilation(binary, disc)
    return grown
