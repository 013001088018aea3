"""SourceDetectionTask: footprints of what stands out of the noise."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from butler.images import CoaddPsf, Exposure, Footprint, InvalidPsfError, Mask, Peak, Point2I, SpanSet

from .background import SubtractBackgroundTask
from .config import Config, ConfigurableField
from .errors import DetectionError
from .kernels import Components, DetectedSet, Detections, detect_footprints, find_components
from .struct import Struct
from .task import Task

__all__ = ["SourceDetectionConfig", "SourceDetectionTask", "span_sets"]

_PLANES: Final = ("DETECTED", "DETECTED_NEGATIVE")


class SourceDetectionConfig(Config):
    """What counts as a detection."""

    thresholdValue: float = Field(
        default=5.0, gt=0, description="threshold; its unit follows from thresholdType"
    )
    includeThresholdMultiplier: float = Field(
        default=1.0,
        ge=1,
        description="multiple of the threshold that a footprint must reach in at least one of its pixels",
    )
    thresholdType: Literal["stdev", "pixel_stdev", "value", "variance"] = Field(
        default="pixel_stdev",
        description="what the threshold multiplies: the standard deviation (or variance) of the whole image, "
        "that of each pixel, or 1",
    )
    thresholdPolarity: Literal["positive", "negative", "both"] = Field(
        default="positive", description="which sign to look for"
    )
    minPixels: int = Field(default=1, ge=1, description="smallest number of pixels, before growth")
    nSigmaToGrow: float = Field(default=2.4, ge=0, description="growth in units of the PSF's sigma")
    isotropicGrow: bool = Field(default=True, description="grow by a disc instead of a diamond")
    nSigmaForKernel: float = Field(
        default=7.0, gt=0, description="width of the smoothing kernel in units of the PSF's sigma"
    )
    reEstimateBackground: bool = Field(
        default=False,
        description="measure the background where nothing of either sign was detected, and subtract it from "
        "the exposure",
    )
    background: ConfigurableField = SubtractBackgroundTask.makeField("how that background is measured")
    doTempLocalBackground: bool = Field(
        default=False,
        description="look for the peaks of footprints that have several in the image minus a local "
        "background, so that noise in the wings of bright sources makes none",
    )
    tempLocalBackground: ConfigurableField = SubtractBackgroundTask.makeField(
        "how the local background is measured"
    )
    nPeaksMaxSimple: int = Field(
        default=1,
        ge=0,
        description="footprints of so many peaks or fewer keep them; see doTempLocalBackground",
    )

    def setDefaults(self) -> None:
        """Leave it to the mask to tell sources from background."""
        for background in (self.background.value, self.tempLocalBackground.value):
            background.iterations = 0
            background.ignoredPixelMask = ("BAD", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "NO_DATA")
        self.tempLocalBackground.value.binSize = 64


class SourceDetectionTask(Task):
    """Finds what rises above or falls below the noise of an exposure."""

    ConfigClass: ClassVar[type[Config]] = SourceDetectionConfig
    _DefaultName: ClassVar[str] = "sourceDetection"

    background: SubtractBackgroundTask
    tempLocalBackground: SubtractBackgroundTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        if self.config.reEstimateBackground:
            self.makeSubtask("background", methods=["run"])
        if self.config.doTempLocalBackground:
            self.makeSubtask("tempLocalBackground", methods=["fitBackground"])

    def detectFootprints(
        self,
        exposure: Exposure,
        *,
        doSmooth: bool = True,
        sigma: float | None = None,
        clearMask: bool = True,
        factor: float = 1.0,
        factorNeg: float | None = None,
    ) -> Struct:
        """Detect footprints and mark them in the mask.

        Parameters
        ----------
        exposure
            Exposure to search. Its mask is changed: DETECTED and DETECTED_NEGATIVE where footprints are,
            EDGE on the border that the smoothing kernel cannot search. With ``reEstimateBackground`` its
            image is changed too.
        doSmooth
            Whether to smooth with a circular Gaussian of the PSF's size first.
        sigma
            Size of the PSF, pixels; that of the exposure's PSF at its average position if None.
        clearMask
            Whether to clear DETECTED and DETECTED_NEGATIVE first.
        factor, factorNeg
            Multiples of the threshold for pixels above and below; below as above if None.

        Returns
        -------
        result
            ``positive`` and ``negative``, footprints of each sign in the order of a raster scan (None if
            that sign is not asked for); ``merged``, the union of both, in which footprints that overlap or
            touch are one; ``sigma``, the size used; ``border``, the width of the unsearched border, pixels;
            ``background``, what was subtracted, ``(n_y, n_x)``, or None.

        Raises
        ------
        DetectionError
            Raised if there is no sigma and no PSF, if the size is not finite and positive, or if a factor
            is not positive.
        TooManyMaskedPixelsError
            Raised if no pixel is left to measure a background in; the planes of detections are cleared then.
        """
        config = self.config
        sigma = self.psf_sigma(exposure) if sigma is None else sigma
        if not (math.isfinite(sigma) and sigma > 0):
            raise DetectionError(f"the size of the PSF must be finite and positive, not {sigma} pixels")
        factorNeg = factor if factorNeg is None else factorNeg
        if not (factor > 0 and factorNeg > 0):
            raise DetectionError(
                f"multiples of the threshold must be positive, not {factor} and, below, {factorNeg}"
            )
        mask = exposure.mask
        _prepare(mask, clearMask)
        found = self._search(exposure, sigma, doSmooth, factor, factorNeg)
        background = self._subtract_background(exposure, found) if config.reEstimateBackground else None
        positive, negative = (
            detected if config.thresholdPolarity in (sign, "both") else None
            for sign, detected in (("positive", found.positive), ("negative", found.negative))
        )
        _mark(mask, positive, negative)
        footprints = [None if one is None else _footprints(one, mask.xy0) for one in (positive, negative)]
        of_both = [*(footprints[0] or []), *(footprints[1] or [])]
        merged = _merged(positive, negative, mask.xy0, of_both)
        self.log.debug("%d footprints, PSF sigma %.3f pixels", len(merged), sigma)
        return Struct(
            positive=footprints[0],
            negative=footprints[1],
            merged=merged,
            sigma=sigma,
            border=found.border,
            background=background,
        )

    def _search(
        self, exposure: Exposure, sigma: float, smoothed: bool, factor: float, factor_negative: float
    ) -> Detections:
        """Return what is beyond the threshold, of both signs if the background is measured beside it.

        EDGE is set where nothing can be searched.
        """
        config, pixels = self.config, exposure.maskedImage
        detect = partial(
            detect_footprints,
            variance=pixels.variance.array,
            sigma=sigma,
            threshold=factor * config.thresholdValue,
            polarity="both" if config.reEstimateBackground else config.thresholdPolarity,
            threshold_type=config.thresholdType,
            n_sigma_for_kernel=config.nSigmaForKernel,
            isotropic_grow=config.isotropicGrow,
            min_pixels=config.minPixels,
            include_multiplier=config.includeThresholdMultiplier,
            negative_factor=factor_negative / factor,
            smoothed=smoothed,
        )
        found = detect(pixels.image.array, n_sigma_to_grow=config.nSigmaToGrow)
        _mark_border(pixels.mask, found.border)
        if not config.doTempLocalBackground:
            return found
        local = self.tempLocalBackground.fitBackground(pixels).background
        above = detect(pixels.image.array - local, n_sigma_to_grow=0)
        positive, negative = (
            None if old is None or new is None else old.with_peaks_of(new, config.nPeaksMaxSimple)
            for old, new in ((found.positive, above.positive), (found.negative, above.negative))
        )
        return replace(found, positive=positive, negative=negative)

    def _subtract_background(self, exposure: Exposure, found: Detections) -> Any:
        """Measure the background beside what was found, and subtract it."""
        mask = replace(exposure.mask, array=exposure.mask.array.copy())
        _mark(mask, found.positive, found.negative)
        found_background = self.background.run(replace(exposure.maskedImage, mask=mask))
        self.log.debug("background subtracted anew, median %.3g", found_background.level)
        return found_background.background

    def psf_sigma(self, exposure: Exposure) -> float:
        """Return the size of the PSF at its average position, the middle of the image for a plain PSF.

        Raises
        ------
        DetectionError
            Raised if there is no PSF, or none at that place.
        """
        psf = exposure.psf
        if psf is None:
            raise DetectionError("the exposure has no PSF; give it one, or say sigma")
        try:
            x, y = psf.getAveragePosition() if isinstance(psf, CoaddPsf) else exposure.bbox.center
            return psf.computeShape(x=x, y=y)
        except InvalidPsfError as error:
            raise DetectionError(f"the exposure's PSF has no size: {error}") from error


def _prepare(mask: Mask, clear: bool) -> None:
    """Make the planes of detections."""
    for plane in _PLANES:
        mask.addMaskPlane(plane)
        if clear:
            mask.clear(plane)


def _mark(mask: Mask, positive: DetectedSet | None, negative: DetectedSet | None) -> None:
    """Set the planes of detections where they are."""
    for plane, detected in zip(_PLANES, (positive, negative), strict=True):
        if detected is not None:
            mask.set_where(plane, detected.components.binary())


def _mark_border(mask: Mask, border: int) -> None:
    """Set EDGE where the smoothing kernel leaves the image."""
    mask.addMaskPlane("EDGE")
    n_y, n_x = mask.array.shape
    outside = np.ones((n_y, n_x), dtype=bool)
    outside[border : max(n_y - border, 0), border : max(n_x - border, 0)] = False
    mask.set_where("EDGE", outside)


def _footprints(detected: DetectedSet, xy0: Point2I) -> list[Footprint]:
    """Return footprints with peaks, in parent coordinates."""
    bounds = np.searchsorted(detected.peak_labels, np.arange(1, detected.n + 2))
    peaks = [
        Peak(int(x) + xy0.x, int(y) + xy0.y, float(value))
        for x, y, value in zip(detected.peak_x, detected.peak_y, detected.peak_values, strict=True)
    ]
    return [
        Footprint(spans, tuple(peaks[bounds[i] : bounds[i + 1]]))
        for i, spans in enumerate(span_sets(detected.components, xy0))
    ]


def _merged(
    positive: DetectedSet | None, negative: DetectedSet | None, xy0: Point2I, footprints: list[Footprint]
) -> list[Footprint]:
    """Return the union of both signs, labelled anew, with the peaks of the parts."""
    if positive is None or negative is None:
        return footprints
    either = positive.components.binary()
    either |= negative.components.binary()
    components = find_components(either)
    own_peaks = [peak for footprint in footprints for peak in footprint.peaks]
    places = np.array([(peak.y - xy0.y, peak.x - xy0.x) for peak in own_peaks], np.int64).reshape(-1, 2)
    peaks: list[list[Peak]] = [[] for _ in range(components.n)]
    for peak, label in zip(own_peaks, components.label_at(*places.T), strict=True):
        peaks[label - 1].append(peak)
    return [
        Footprint(spans, tuple(own)) for spans, own in zip(span_sets(components, xy0), peaks, strict=True)
    ]


def span_sets(components: Components, xy0: Point2I) -> list[SpanSet]:
    """Return the pixels of each component, in parent coordinates."""
    (y, x0, x1), counts = components.by_label()
    return SpanSet.from_groups(y + xy0.y, x0 + xy0.x, x1 + xy0.x, counts)
