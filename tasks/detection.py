"""SourceDetectionTask: footprints of what stands out of the noise."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from butler.images import CoaddPsf, Exposure, Footprint, InvalidPsfError, Mask, Peak, Point2I, SpanSet

from .config import Config
from .errors import DetectionError
from .kernels import Components, DetectedSet, detect_footprints, find_components
from .struct import Struct
from .task import Task

__all__ = ["SourceDetectionConfig", "SourceDetectionTask", "span_sets"]


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
        default=False, description="False and nothing else: the background is subtracted before"
    )
    doTempLocalBackground: bool = Field(
        default=False, description="False and nothing else: the background is subtracted before"
    )

    @field_validator("reEstimateBackground", "doTempLocalBackground")
    @classmethod
    def _refuse_background(cls, value: bool) -> bool:
        if value:
            raise ValueError("detection leaves the background alone; subtract it before, and set False here")
        return value


class SourceDetectionTask(Task):
    """Finds what rises above or falls below the noise of an exposure."""

    ConfigClass: ClassVar[type[Config]] = SourceDetectionConfig
    _DefaultName: ClassVar[str] = "sourceDetection"

    def detectFootprints(
        self, exposure: Exposure, *, doSmooth: bool = True, sigma: float | None = None, clearMask: bool = True
    ) -> Struct:
        """Detect footprints and mark them in the mask.

        Parameters
        ----------
        exposure
            Exposure to search. Its mask is changed: DETECTED and DETECTED_NEGATIVE where footprints are,
            EDGE on the border that the smoothing kernel cannot search.
        doSmooth
            Whether to smooth with a circular Gaussian of the PSF's size first.
        sigma
            Size of the PSF, pixels; that of the exposure's PSF at its average position if None.
        clearMask
            Whether to clear DETECTED and DETECTED_NEGATIVE first.

        Returns
        -------
        result
            ``positive`` and ``negative``, footprints of each sign in the order of a raster scan (None if
            that sign is not asked for); ``merged``, the union of both, in which footprints that overlap or
            touch are one; ``sigma``, the size used; ``border``, the width of the unsearched border, pixels.

        Raises
        ------
        DetectionError
            Raised if there is no sigma and no PSF, or if the size is not finite and positive.
        """
        config = self.config
        sigma = self.psf_sigma(exposure) if sigma is None else sigma
        if not (math.isfinite(sigma) and sigma > 0):
            raise DetectionError(f"the size of the PSF must be finite and positive, not {sigma} pixels")
        found = detect_footprints(
            exposure.image.array,
            exposure.variance.array,
            sigma=sigma,
            threshold=config.thresholdValue,
            polarity=config.thresholdPolarity,
            threshold_type=config.thresholdType,
            n_sigma_for_kernel=config.nSigmaForKernel,
            n_sigma_to_grow=config.nSigmaToGrow,
            isotropic_grow=config.isotropicGrow,
            min_pixels=config.minPixels,
            include_multiplier=config.includeThresholdMultiplier,
            smoothed=doSmooth,
        )
        _mark(exposure.mask, "DETECTED", found.positive, clearMask)
        _mark(exposure.mask, "DETECTED_NEGATIVE", found.negative, clearMask)
        _mark_border(exposure.mask, found.border)
        xy0 = exposure.mask.xy0
        positive, negative = (
            None if detected is None else _footprints(detected, xy0)
            for detected in (found.positive, found.negative)
        )
        merged = _merged(found.positive, found.negative, xy0, [*(positive or []), *(negative or [])])
        self.log.debug("%d footprints, PSF sigma %.3f pixels", len(merged), sigma)
        return Struct(positive=positive, negative=negative, merged=merged, sigma=sigma, border=found.border)

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


def _mark(mask: Mask, plane: str, detected: DetectedSet | None, clear: bool) -> None:
    mask.addMaskPlane(plane)
    if clear:
        mask.clear(plane)
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
