"""Warper: from the pixels of one image to those of another."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from pydantic import Field

from butler.images import Box2I, Image, Mask, MaskedImage, SkyWcs

from ..config import Config
from ..kernels import map_nodes, resample

__all__ = ["Warper", "WarperConfig"]

_REACH: Final = {"bilinear": 1, "lanczos2": 2, "lanczos3": 3, "lanczos4": 4, "lanczos5": 5}


class WarperConfig(Config):
    """How pixels are resampled."""

    warpingKernelName: Literal["bilinear", "lanczos2", "lanczos3", "lanczos4", "lanczos5"] = Field(
        default="lanczos3", description="kernel for image and variance"
    )
    maskWarpingKernelName: Literal["bilinear", ""] = Field(
        default="bilinear", description="kernel for the mask; empty for the reach of the image's"
    )
    interpLength: int = Field(
        default=64,
        ge=1,
        description="distance in pixels of the nodes at which the coordinate map is computed",
    )
    growFullMask: tuple[str, ...] = Field(
        default=("EDGE",), description="mask planes that reach as far as the image's kernel"
    )


class Warper:
    """Resamples masked images with the area factor that conserves flux.

    Parameters
    ----------
    config
        Kernels and accuracy.
    """

    def __init__(self, config: WarperConfig) -> None:
        self._config = config

    @property
    def reach(self) -> int:
        """Pixels of the source on each side that a pixel is made of."""
        return _REACH[self._config.warpingKernelName]

    def warp(self, source: MaskedImage, wcs: SkyWcs, target_wcs: SkyWcs, target_bbox: Box2I) -> MaskedImage:
        """Resample an image onto a box of another frame.

        Parameters
        ----------
        source, wcs
            Pixels to resample and their WCS; not changed.
        target_wcs, target_bbox
            Frame and box of the result.

        Returns
        -------
        warped
            Image of ``target_bbox`` with the mask planes of the source, in the units of the source per
            target pixel. Where the source has nothing to say it is NaN, NO_DATA and infinite variance.
        """
        step = self._config.interpLength
        x, y = np.meshgrid(
            target_bbox.minX + map_nodes(target_bbox.width, step),
            target_bbox.minY + map_nodes(target_bbox.height, step),
        )
        source_x, source_y = wcs.skyToPixel(*target_wcs.pixelToSky(x, y))
        mask = Mask(source.mask.array, source.mask.xy0, source.mask.planes)
        mask.addMaskPlane("NO_DATA")
        planes = resample(
            source.image.array,
            source.variance.array,
            mask.array,
            source_x - source.bbox.minX,
            source_y - source.bbox.minY,
            step=step,
            out_shape=target_bbox.shape,
            no_data_bit=mask.getPlaneBitMask("NO_DATA"),
            grow_full_mask=mask.known_bit_mask(self._config.growFullMask),
            kernel=self._config.warpingKernelName,
            mask_kernel=self._config.maskWarpingKernelName,
        )
        return MaskedImage(
            Image(planes.image, target_bbox.minimum, source.image.unit),
            Mask(planes.mask, target_bbox.minimum, mask.planes),
            Image(planes.variance, target_bbox.minimum, source.variance.unit),
        )
