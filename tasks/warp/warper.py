"""Warper: from the pixels of one image to those of another."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import Box2I, Image, Mask, MaskedImage, SkyWcs

from ..config import Config
from ..kernels import ResamplingKernel, map_nodes, resample, resample_image, resampling_kernel

__all__ = ["Warper", "WarperConfig"]


_ALIGNED: Final = 0.3
"""Frequency across an axis of the source, in cycles per pixel, from which stars have no power."""
_SAMPLING_STEPS: Final = 200


class WarperConfig(Config):
    """How pixels are resampled."""

    warpingKernelName: Literal["bilinear", "lanczos2", "lanczos3", "lanczos4", "lanczos5"] = Field(
        default="lanczos3", description="kernel for image and variance"
    )
    doCorrectKernel: bool = Field(
        default=True,
        description="fit the taps of Lanczos kernels to images of stars, whose fluxes and places they keep "
        "then several times better; False for the plain taps that other programs use",
    )
    stretchAbove: float | None = Field(
        default=4 / 3,
        ge=1,
        description="output pixels larger than those of the source by more than this factor are made with a "
        "kernel wider by their ratio, which keeps noise from being aliased; None to never widen it",
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

    def kernel_for(self, wcs: SkyWcs, target_wcs: SkyWcs, target_bbox: Box2I) -> ResamplingKernel:
        """Return the kernel for image and variance.

        Parameters
        ----------
        wcs, target_wcs, target_bbox
            As in `warp`. The pixels of both are compared in the middle of the box.
        """
        x, y = target_bbox.center
        ra, dec = target_wcs.pixelToSky([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5])
        before_x, after_x, before_y, after_y = np.transpose(wcs.skyToPixel(ra, dec))
        steps = np.stack([after_x - before_x, after_y - before_y], axis=1)
        area = abs(float(np.linalg.det(steps)))
        ratio, limit = math.sqrt(area), self._config.stretchAbove
        # In steps, so that the kernels of a visit are the same. A ratio that is not known is NaN.
        stretch = round(32 * ratio) / 32 if limit is not None and ratio > limit else 1.0
        return resampling_kernel(
            self._config.warpingKernelName,
            corrected=self._config.doCorrectKernel,
            stretch=stretch,
            sampling=_sampling_of(steps) if stretch == 1.0 and area > 0.0 else 1.0,
        )

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
        mask = Mask(source.mask.array, source.mask.xy0, source.mask.planes)
        mask.addMaskPlane("NO_DATA")
        planes = resample(
            source.image.array,
            source.variance.array,
            mask.array,
            *self._map(source.bbox, wcs, target_wcs, target_bbox),
            step=self._config.interpLength,
            out_shape=target_bbox.shape,
            kernel=self.kernel_for(wcs, target_wcs, target_bbox),
            no_data_bit=mask.getPlaneBitMask("NO_DATA"),
            grow_full_mask=mask.known_bit_mask(self._config.growFullMask),
            mask_kernel=self._config.maskWarpingKernelName,
        )
        return MaskedImage(
            Image(planes.image, target_bbox.minimum, source.image.unit),
            Mask(planes.mask, target_bbox.minimum, mask.planes),
            Image(planes.variance, target_bbox.minimum, source.variance.unit),
        )

    def warp_level(self, source: Image, wcs: SkyWcs, target_wcs: SkyWcs, target_bbox: Box2I) -> Image:
        """Resample an image of levels, such as fractions, which do not depend on the size of pixels.

        Parameters
        ----------
        source, wcs, target_wcs, target_bbox
            As in `warp`.

        Returns
        -------
        warped
            Image of ``target_bbox``; the source counts as 0 outside its box.
        """
        levels = resample_image(
            source.array,
            *self._map(source.bbox, wcs, target_wcs, target_bbox),
            step=self._config.interpLength,
            out_shape=target_bbox.shape,
            kernel=self.kernel_for(wcs, target_wcs, target_bbox),
            scale_by_area=False,
        )
        return Image(levels, target_bbox.minimum, source.unit)

    def _map(
        self, bbox: Box2I, wcs: SkyWcs, target_wcs: SkyWcs, target_bbox: Box2I
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return source columns and rows, counted from the box of the source, at the nodes of a target."""
        step = self._config.interpLength
        x, y = np.meshgrid(
            target_bbox.minX + map_nodes(target_bbox.width, step),
            target_bbox.minY + map_nodes(target_bbox.height, step),
        )
        source_x, source_y = wcs.skyToPixel(*target_wcs.pixelToSky(x, y))
        return source_x - bbox.minX, source_y - bbox.minY


def _sampling_of(steps: NDArray[np.float64]) -> float:
    """Return how many output pixels there are to one of the source, along the axes of that.

    Parameters
    ----------
    steps
        From one output pixel to the next in x and in y, source pixels, as columns.

    Returns
    -------
    sampling
        1 if neither rows nor diagonals of output pixels lie near those axes.
    """
    # The frequencies of a lattice are those of the vectors reciprocal to its own, and of their sums.
    rows = np.linalg.inv(steps)
    for frequencies in (rows, np.array([[1.0, 1.0], [1.0, -1.0]]) @ rows):
        across, along = np.sort(np.abs(frequencies), axis=1).mean(axis=0)
        if across < _ALIGNED:
            return round(_SAMPLING_STEPS * float(along)) / _SAMPLING_STEPS
    return 1.0
