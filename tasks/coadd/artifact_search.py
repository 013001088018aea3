"""ArtifactSearchTask: what visits of one PSF do not agree upon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from butler.images import Box2I, Exposure, Footprint, Image, Mask, MaskedImage, SpanSet

from ..detection import SourceDetectionTask
from ..errors import TaskError, TooManyMaskedPixelsError
from ..struct import Struct
from .artifact_filter import ArtifactRule, ArtifactTest, Sign, contained_in_source, judge_candidate
from .coadd_base import CoaddBaseTask
from .compare_warp_config import CompareWarpAssembleCoaddConfig
from .compare_warp_record import ArtifactRow
from .data_box import data_box
from .mask_streaks import MaskStreaksTask
from .median_sky import median_sky
from .scale_variance import ScaleVarianceTask
from .scale_zero_point import ImageScaler
from .seeing_match import TemplateModel
from .template_models import TemplateModels
from .varying_source import StaticSources
from .warp_comparison import Candidate, WarpComparison
from .warp_pixels import describe_data_id, read_warp, read_warp_mask

__all__ = ["ArtifactSearchTask"]

_UNUSABLE: Final = ("NO_DATA", "BAD", "SAT")
"""Mask planes of pixels in which a visit cannot be compared."""


class ArtifactSearchTask(CoaddBaseTask):
    """Finds what single visits have beyond the static sky, and chooses what of it is an artifact."""

    config: CompareWarpAssembleCoaddConfig

    detect: SourceDetectionTask
    detectTemplate: SourceDetectionTask
    scaleWarpVariance: ScaleVarianceTask
    maskStreaks: MaskStreaksTask

    def findArtifacts(
        self, templateCoadd: Exposure, matched: Sequence[Any], scalers: Sequence[ImageScaler | None]
    ) -> Struct:
        """Find what may be an artifact on each visit.

        Only one visit's pixels are in memory at a time.

        Parameters
        ----------
        templateCoadd
            The static sky.
        matched, scalers
            Handles of the PSF-matched warps, and their scalers.

        Returns
        -------
        result
            ``comparisons``, one for each visit; ``epochCountImage``, the number of visits that have a
            candidate on each pixel, and ``brighterCountImage``, the number of those that are brighter than
            the static sky; ``nImage``, the number of visits that can be compared there.
        """
        bbox = templateCoadd.bbox
        nImage = Image.from_bbox(bbox, dtype=np.uint16)
        comparisons = []
        sigma = self.detect.psf_sigma(templateCoadd)
        sky = median_sky(templateCoadd, matched, scalers) if self.config.doCompareMedian else templateCoadd
        margin = math.ceil((self.detect.config.nSigmaToGrow + 1) * sigma)
        models = TemplateModels(sky, matched, scalers, sigma)
        sources = StaticSources(sky) if self.config.doKeepVarying else None
        for number, (handle, scaler) in enumerate(zip(matched, scalers, strict=True)):
            box = _searched(read_warp_mask(handle, bbox), margin)
            model = models.of_visit(number, box) if self.config.doFitDifferences else None
            comparisons.append(
                self._compare(
                    handle.dataId,
                    self.makeDifference(sky[box], handle, scaler, model),
                    bbox,
                    nImage,
                    sources,
                )
            )
        if sources is not None:
            for comparison in comparisons:
                comparison.candidates = _unexplained(comparison.candidates, sources, nImage)
        counts, brighterCounts = (Image.from_bbox(bbox, dtype=np.uint16) for _ in range(2))
        for candidate in (one for comparison in comparisons for one in comparison.candidates):
            where = candidate.spans.indices(bbox.minimum)
            counts.array[where] += 1
            brighterCounts.array[where] += candidate.brighter
        return Struct(
            comparisons=comparisons, epochCountImage=counts, brighterCountImage=brighterCounts, nImage=nImage
        )

    def _compare(
        self,
        data_id: Mapping[str, Any],
        difference: Exposure,
        bbox: Box2I,
        nImage: Image,
        sources: StaticSources | None,
    ) -> WarpComparison:
        """Return what the difference of a visit shows, of a part of the patch; count the visit."""
        pixels, box = difference.maskedImage, difference.bbox
        has_data = np.isfinite(pixels.image.array)
        mask = pixels.mask
        nImage[box].array += has_data & ~mask.any_of(mask.known_bit_mask(_UNUSABLE))
        edge = SpanSet.fromMask(mask, mask.known_bit_mask(["EDGE"]))
        found = self.detect.detectFootprints(difference, doSmooth=False)
        no_data = SpanSet.from_bbox(bbox).intersectNot(SpanSet.fromMask(has_data, xy0=box.minimum))
        comparison = WarpComparison(data_id, no_data, edge, found.sigma)
        footprints = [footprint.spans for footprint in self._footprints(found)]
        spans = self.prefilterArtifacts(footprints, difference, bbox.area)
        for one in spans:
            total = np.nansum(pixels.image.array[one.indices(box.minimum)], dtype=np.float64)
            variation = None if sources is None else sources.explain(one, difference)
            is_partial = sources is not None and sources.outshine(one, difference)
            comparison.candidates.append(Candidate(one, bool(total > 0), variation, is_partial))
        if self.config.doFilterMorphological:
            comparison.streaks = self.findStreaks(difference, spans, found.sigma)
        return comparison

    def _footprints(self, found: Struct) -> list[Footprint]:
        """Return the footprints that are candidates: of each sign on its own if they are counted so."""
        if not self.config.doCountBySign:
            return list(found.merged)
        return [*(found.positive or ()), *(found.negative or ())]

    def makeDifference(
        self,
        templateCoadd: Exposure,
        handle: Any,
        scaler: ImageScaler | None,
        model: TemplateModel | None = None,
    ) -> Exposure:
        """Return a visit minus the static sky, with the sum of the variances and the visit's mask and PSF.

        Parameters
        ----------
        templateCoadd
            The static sky.
        handle, scaler
            Handle of the PSF-matched warp, and its scaler.
        model
            The static sky as a model of the visit, if it is to be fitted.
        """
        bbox = templateCoadd.bbox
        warp = read_warp(handle, bbox)
        if scaler is not None:
            warp = scaler.scaled(warp)
        image, variance = (plane.array.astype(np.float32) for plane in (warp.image, warp.variance))
        difference = MaskedImage(
            Image(image, bbox.minimum),
            Mask(warp.mask.array.astype(np.int32), bbox.minimum, warp.mask.planes),
            Image(variance, bbox.minimum),
        )
        if self.config.doScaleWarpVariance:
            try:
                factor = self.scaleWarpVariance.run(difference)
                self.log.debug("variance of %s times %.3f", describe_data_id(handle.dataId), factor)
            except TaskError as error:
                self.log.warning("warp %s: %s; leaving it alone", describe_data_id(handle.dataId), error)
        if model is not None:
            mask, sky = difference.mask, templateCoadd.mask
            good = np.isfinite(image) & np.isfinite(variance)
            good &= ~mask.any_of(mask.known_bit_mask(_UNUSABLE))
            # Saturated pixels of any visit have gone into the static sky.
            saturated = mask.any_of(mask.known_bit_mask(["SAT"])) | sky.any_of(sky.known_bit_mask(["SAT"]))
            match = model.match(image, variance, good, saturated)
            image -= match.model
        image -= templateCoadd.image.array
        variance += templateCoadd.variance.array
        if model is not None:
            variance *= np.float32(match.noise_factor)
            variance += np.square(match.scatter)
        if self.config.doAddMatchResidual:
            cards = handle.get(component="metadata") or {}
            fraction = max(float(cards.get("MATCHRES", 0.0)), self.config.minMatchResidual)
            variance += np.square(np.float32(fraction) * templateCoadd.image.array)
        return Exposure(difference, wcs=templateCoadd.wcs, psf=handle.get(component="psf"))

    def prefilterArtifacts(
        self, spanSetList: Sequence[SpanSet], exp: Exposure, patch_area: int | None = None
    ) -> list[SpanSet]:
        """Return the candidates that do not lie on bad pixels for the most part, and are not too large.

        Parameters
        ----------
        spanSetList
            Candidates.
        exp
            The difference in which they were found.
        patch_area
            Pixels of the patch; those of the difference if None.
        """
        config: CompareWarpAssembleCoaddConfig = self.config
        kept = list(spanSetList)
        if config.doPrefilterArtifacts:
            good = ~exp.mask.any_of(exp.mask.known_bit_mask(config.prefilterArtifactsMaskPlanes))
            least = config.prefilterArtifactsRatio
            kept = [s for s in kept if s.count_where(good, exp.mask.xy0) > least * s.area]
        if config.doFilterLargeArtifacts:
            largest = config.filterLargeArtifactsFraction * (patch_area or exp.bbox.area)
            kept = [s for s in kept if s.area <= largest]
        return kept

    def findStreaks(self, difference: Exposure, candidates: Sequence[SpanSet], sigma: float) -> list[SpanSet]:
        """Return the straight streaks among the candidates, grown; the mask of the difference is changed."""
        mask = difference.mask
        mask.clear(["DETECTED", "DETECTED_NEGATIVE"])
        for spans in candidates:
            spans.setMask(mask, mask.getPlaneBitMask("DETECTED"))
        plane = self.config.streakMaskName
        self.maskStreaks.run(difference.maskedImage, plane)
        growth = int(self.config.growStreakFp * sigma)
        streaks = SpanSet.fromMask(mask, mask.getPlaneBitMask(plane)).split()
        return [streak.dilated(growth).clippedTo(mask.bbox) for streak in streaks]

    def filterArtifacts(self, found: Struct, templateCoadd: Exposure) -> list[list[ArtifactRow]]:
        """Choose the candidates that are artifacts.

        Parameters
        ----------
        found
            As from `findArtifacts`.
        templateCoadd
            The static sky, whose sources are spared.

        Returns
        -------
        rows
            For each visit its artifacts: candidates that few visits share and that do not lie inside a
            source, and streaks.
        """
        sources = self._sources(templateCoadd)
        growth = self.config.growClippedFp
        chosen = []
        for comparison in found.comparisons:
            rows = []
            for number, (spans, brighter, _, is_partial) in enumerate(comparison.candidates):
                is_median = self.config.doCompareMedian
                sign = Sign(found.brighterCountImage, brighter, is_median, is_median and is_partial)
                test = judge_candidate(
                    spans,
                    found.epochCountImage,
                    found.nImage,
                    self.config.epochLimits,
                    self.config.spatialThreshold,
                    per_pixel=self.config.epochRule == "pixel",
                    sign=sign if self.config.doCountBySign else None,
                )
                if test.rule is None or contained_in_source(spans, sources):
                    continue
                grown = spans.dilated(int(growth * comparison.sigma + 0.5)).clippedTo(templateCoadd.bbox)
                rows.append(ArtifactRow(comparison.data_id, number, test, grown))
            streak = ArtifactTest(ArtifactRule.STREAK, math.nan, math.nan, -1)
            rows += [
                ArtifactRow(comparison.data_id, -1, streak, spans)
                for spans in comparison.streaks
                if not contained_in_source(spans, sources)
            ]
            chosen.append(rows)
        n_candidates = sum(len(comparison.candidates) for comparison in found.comparisons)
        n_clipped = sum(map(len, chosen))
        self.log.info("%d artifacts among %d candidates", n_clipped, n_candidates)
        self.metadata |= {"nCandidates": n_candidates, "nArtifacts": n_clipped}
        return chosen

    def _sources(self, templateCoadd: Exposure) -> list[Footprint]:
        """Return the sources of the static sky that candidates are spared in."""
        if not self.config.doPreserveContainedBySource:
            return []
        factor, factor_negative = 1.0, 1.0
        multiplier, n_tries = self.config.detectTemplateIterMultiplier, self.config.maxDetectTemplateIter
        attempt = 1
        while True:
            try:
                found = self.detectTemplate.detectFootprints(
                    _without_mask(templateCoadd), factor=factor, factorNeg=factor_negative
                )
            except TooManyMaskedPixelsError as error:
                told = f"thresholds times {factor:.3g}, below {factor_negative:.3g}: {error}"
                if attempt >= n_tries:
                    raise TooManyMaskedPixelsError(
                        f"detectTemplate failed {attempt} times, the last with {told}; raise "
                        "detectTemplate.thresholdValue, or set detectTemplate.reEstimateBackground=False"
                    ) from error
                self.log.warning("detectTemplate, attempt %d of %d: %s; trying again", attempt, n_tries, told)
                factor_negative *= multiplier
                # A background that is too high makes negative detections first.
                factor *= multiplier if attempt - 1 > int(0.4 * n_tries) else 1.0
                attempt += 1
            else:
                return list(found.positive or ())


def _without_mask(templateCoadd: Exposure) -> Exposure:
    """Return a copy of the static sky that detection may change."""
    image = replace(templateCoadd.image, array=templateCoadd.image.array.copy())
    mask = Mask.from_bbox(templateCoadd.bbox)
    return replace(templateCoadd, maskedImage=MaskedImage(image, mask, templateCoadd.variance))


def _unexplained(candidates: Sequence[Candidate], sources: StaticSources, nImage: Image) -> list[Candidate]:
    """Return the candidates that are no variation of a source that other visits show too."""
    return [
        one
        for one in candidates
        if one.variation is None
        or not sources.shown_by_others(one.variation, int(nImage.array[one.variation[:2]]))
    ]


def _searched(mask: Mask, margin: int) -> Box2I:
    """Return the box in which a warp is compared: where it has data, unless that is most of it."""
    found = data_box(mask)
    if found is None:
        # Nothing is found there either.
        return Box2I.from_corners(mask.bbox.minimum, mask.bbox.minimum)
    return mask.bbox if 2 * found.area > mask.bbox.area else found.dilatedBy(margin).clippedTo(mask.bbox)
