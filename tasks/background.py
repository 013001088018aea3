"""SubtractBackgroundTask: the smooth light behind the sources."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from butler.images import MaskedImage

from .config import Config
from .errors import TooManyMaskedPixelsError
from .kernels.smooth import kernel_width, smooth_gaussian
from .struct import Struct
from .task import Task

__all__ = ["SubtractBackgroundConfig", "SubtractBackgroundTask"]


class SubtractBackgroundConfig(Config):
    """How the background is measured."""

    binSize: int = Field(default=128, ge=8, description="side of the boxes that give one level each, pixels")
    superPixelFilterSize: int = Field(
        default=3, ge=1, description="width of the median filter over the boxes; 1 for none"
    )
    iterations: int = Field(default=2, ge=0, description="how often sources are masked and the level redone")
    sourceThreshold: float = Field(
        default=3.0, gt=0, description="signal-to-noise ratio of smoothed pixels that belong to sources"
    )
    smoothing: float = Field(default=1.5, gt=0, description="sigma of that smoothing, pixels")
    sourceMargin: int = Field(default=2, ge=0, description="growth of the sources, pixels")
    maxMaskedFraction: float = Field(
        default=0.4,
        gt=0,
        le=0.5,
        description="in crowded fields only the brightest pixels are masked, up to this part of the image",
    )
    ignoredPixelMask: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA"), description="planes of pixels without sky"
    )


class SubtractBackgroundTask(Task):
    """Subtracts a background that sep (Source Extractor's method; Bertin & Arnouts 1996) measures.

    In a crowded field most pixels hold light of some star. If all of them were masked, no box would be left
    to measure; hence the limit on the masked part of the image, and a background that holds the light of
    the faintest stars.
    """

    ConfigClass: ClassVar[type[Config]] = SubtractBackgroundConfig
    _DefaultName: ClassVar[str] = "subtractBackground"

    def run(self, maskedImage: MaskedImage) -> Struct:
        """Subtract the background, in place.

        Parameters
        ----------
        maskedImage
            Pixels with variance; the image is changed.

        Returns
        -------
        result
            As from `fitBackground`.

        Raises
        ------
        TooManyMaskedPixelsError
            Raised as by `fitBackground`; nothing is changed then.
        """
        found = self.fitBackground(maskedImage)
        maskedImage.image.array -= found.background
        return found

    def fitBackground(self, maskedImage: MaskedImage) -> Struct:
        """Measure the background.

        Parameters
        ----------
        maskedImage
            Pixels with variance; not changed.

        Returns
        -------
        result
            ``background``, ``(n_y, n_x)``, float32; ``level`` and ``noise``, its median and the standard
            deviation of the pixels about it, in the image's unit.

        Raises
        ------
        TooManyMaskedPixelsError
            Raised if no pixel is left to measure.
        """
        image, variance = maskedImage.image.array, maskedImage.variance.array
        mask = maskedImage.mask
        bad = mask.any_of(mask.known_bit_mask(self.config.ignoredPixelMask))
        bad |= ~(np.isfinite(image) & np.isfinite(variance))
        if bad.all():
            raise TooManyMaskedPixelsError(
                f"all {bad.size} pixels are {', '.join(self.config.ignoredPixelMask)} or not finite; none is "
                "left to measure a background in"
            )
        clean = np.where(bad, np.float32(0), image)
        noise_squared = np.where(bad, np.float32(0), variance)
        background, noise = self._measure(clean, bad)
        for _ in range(self.config.iterations):
            sources = self._sources(np.where(bad, np.float32(0), clean - background), noise_squared, bad)
            background, noise = self._measure(clean, bad | sources)
        return Struct(background=background, level=float(np.median(background)), noise=noise)

    def _measure(
        self, image: NDArray[np.float32], masked: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], float]:
        """Return the background ``(n_y, n_x)`` and the standard deviation of the sky pixels."""
        import sep

        if masked.mean() > 0.5:
            # sep gives up on boxes that are more than half masked; all of them may be.
            sky = image[~masked]
            low, median, high = np.percentile(sky, [15.865, 50, 84.135])
            return np.full_like(image, median), float(high - low) / 2.0
        size, width = self.config.binSize, self.config.superPixelFilterSize
        measured = sep.Background(image, mask=masked, bw=size, bh=size, fw=width, fh=width)
        return measured.back(dtype=np.float32), float(measured.globalrms)

    def _sources(
        self, image: NDArray[np.float32], variance: NDArray[np.float32], bad: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the pixels of the most significant sources, ``(n_y, n_x)``."""
        config = self.config
        smooth, smooth_variance = smooth_gaussian(
            image, variance, config.smoothing, kernel_width(config.smoothing)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            significance = smooth / np.sqrt(smooth_variance)
        significance[~np.isfinite(significance)] = -np.inf
        significance = ndimage.maximum_filter(significance, size=2 * config.sourceMargin + 1)
        room = config.maxMaskedFraction - float(bad.mean())
        if room <= 0:
            return np.zeros_like(bad)
        limit = np.quantile(significance[~bad], 1.0 - min(room / (1.0 - float(bad.mean())), 1.0))
        sources: NDArray[np.bool_] = significance > max(config.sourceThreshold, float(limit))
        return sources
