"""CompareWarpAssembleCoaddTask: leave out of a coadd what visits of one PSF do not agree upon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np

from butler.images import (
    Box2I,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    Footprint,
    Image,
    Mask,
    MaskedImage,
    SpanSet,
)
from connections.errors import NoWorkFound

from ..config import Config
from ..data_ref import DataRef
from ..detection import SourceDetectionTask
from ..errors import TaskError
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import Task
from .artifact_filter import ArtifactRule, ArtifactTest, Sign, contained_in_source, judge_candidate
from .assemble_coadd import AssembleCoaddTask
from .clip_aware_psf import psf_without_clipped
from .coadd_mask_planes import common_mask_planes
from .coadd_masks import AltMaskSpans
from .compare_warp_config import CompareWarpAssembleCoaddConfig
from .compare_warp_record import ArtifactRow, artifact_record_table
from .mask_streaks import MaskStreaksTask
from .scale_variance import ScaleVarianceTask
from .scale_zero_point import ImageScaler
from .seeing_match import TemplateModel
from .template_models import template_models
from .varying_source import StaticSources
from .warp_comparison import Candidate, WarpComparison
from .warp_pixels import describe_data_id, read_warp
from .warp_visits import of_same_visits, visit_of

__all__ = ["CompareWarpAssembleCoaddTask"]

_CLIPPED: Final = "CLIPPED"
_UNUSABLE: Final = ("NO_DATA", "BAD", "SAT")
"""Mask planes of pixels in which a visit cannot be compared."""

_LIMITS: Final = (
    "maxNumEpochs",
    "maxFractionEpochsLow",
    "maxFractionEpochsHigh",
    "spatialThreshold",
    "epochRule",
    "doCountBySign",
    "doKeepVarying",
    "doAddMatchResidual",
    "minMatchResidual",
    "doFitDifferences",
)


class CompareWarpAssembleCoaddTask(AssembleCoaddTask):
    """Combines warps by their mean, without what only few visits show.

    Warps that were matched to one PSF can be compared pixel by pixel. What differs from their clipped mean,
    the static sky, on a few visits is an artifact, and is left out when the direct warps are combined.
    """

    ConfigClass: ClassVar[type[Config]] = CompareWarpAssembleCoaddConfig
    _DefaultName: ClassVar[str] = "compareWarpAssembleCoadd"

    assembleStaticSkyModel: AssembleCoaddTask
    detect: SourceDetectionTask
    detectTemplate: SourceDetectionTask
    scaleWarpVariance: ScaleVarianceTask
    maskStreaks: MaskStreaksTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        subtasks = "assembleStaticSkyModel", "detect", "detectTemplate", "scaleWarpVariance", "maskStreaks"
        for subtask in subtasks:
            self.makeSubtask(subtask)

    def makeSupplementaryDataGen3(
        self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]
    ) -> Struct:
        """Make the static sky of a quantum, of the visits that may go into the coadd."""
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(butlerQC.get(inputRefs["skyMap"]), data_id["tract"], data_id["patch"])
        matched = of_same_visits(inputRefs["psfMatchedWarps"], inputRefs["inputWarps"])
        return self.makeStaticSkyModel(skyInfo, butlerQC.get(matched))

    def makeSupplementaryData(
        self, dataRef: DataRef, selectDataList: Any = None, warpRefList: Sequence[Any] | None = None
    ) -> Struct:
        """Make the static sky of a patch, of the visits that may go into the coadd."""
        matched = of_same_visits(dataRef.handles(self.getTempExpDatasetName("psfMatched")), warpRefList)
        return self.makeStaticSkyModel(self.getSkyInfo(dataRef), matched)

    def makeStaticSkyModel(self, skyInfo: Struct, psfMatchedWarps: Sequence[Any]) -> Struct:
        """Combine PSF-matched warps to the static sky.

        Parameters
        ----------
        skyInfo
            Geometry of the patch.
        psfMatchedWarps
            Handles of the PSF-matched warps.

        Returns
        -------
        supplementaryData
            ``templateCoadd``, the static sky with the PSF of the warps, and ``warpRefList`` and
            ``imageScalerList`` of those that it is made of.

        Raises
        ------
        NoWorkFound
            Raised if none of the warps can be used.
        """
        task = self.assembleStaticSkyModel
        prepared = task.prepareInputs(psfMatchedWarps, skyInfo.bbox)
        if not prepared.tempExpRefList:
            reasons = "; ".join(prepared.skipped) or "there are no PSF-matched warps"
            raise NoWorkFound(f"there is no static sky to compare with: {reasons}")
        with self.timer("staticSky"):
            result = task.run(skyInfo, prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList)
        template: Exposure = result.coaddExposure
        task.processResults(template)
        return Struct(
            templateCoadd=template,
            warpRefList=prepared.tempExpRefList,
            imageScalerList=prepared.imageScalerList,
        )

    def run(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        altMaskList: Sequence[AltMaskSpans | None] | None = None,
        mask: int | None = None,
        supplementaryData: Struct | None = None,
    ) -> Struct:
        """Assemble the coadd of a patch without what only few visits show.

        Parameters
        ----------
        skyInfo
            Geometry of the patch, from `getSkyInfo`.
        tempExpRefList, imageScalerList, weightList
            Handles of the direct warps, their scalers and weights, from `prepareInputs`. A visit without a
            PSF-matched warp cannot be compared, and is left out with a warning.
        altMaskList, mask
            Ignored: CompareWarp makes its own alternative masks.
        supplementaryData
            The static sky and its warps, from `makeStaticSkyModel`.

        Returns
        -------
        result
            As from `AssembleCoaddTask.run`, and ``clipRecord``, the table of what was clipped;
            ``templateCoadd``.

        Raises
        ------
        TaskError
            Raised as by `AssembleCoaddTask.run`, and if there is no static sky.
        NoWorkFound
            Raised if no visit has a PSF-matched warp.
        """
        if supplementaryData is None:
            raise TaskError("CompareWarp needs a static sky: supplementaryData=makeStaticSkyModel(...)")
        bbox: Box2I = skyInfo.bbox
        matched = {visit_of(handle): i for i, handle in enumerate(supplementaryData.warpRefList)}
        kept = [i for i, handle in enumerate(tempExpRefList) if visit_of(handle) in matched]
        self._report_unmatched([h for h in tempExpRefList if visit_of(h) not in matched])
        if not kept:
            raise NoWorkFound(f"none of the {len(tempExpRefList)} warps has a PSF-matched one")
        handles = [tempExpRefList[i] for i in kept]
        order = [matched[visit_of(handle)] for handle in handles]
        others = [supplementaryData.warpRefList[i] for i in order]
        template: Exposure = supplementaryData.templateCoadd
        with self.timer("findArtifacts"):
            found = self.findArtifacts(
                template, others, [supplementaryData.imageScalerList[i] for i in order]
            )
            rows = self.filterArtifacts(found, template)
        alternatives = [
            one.alternative([row.spans for row in own])
            for one, own in zip(found.comparisons, rows, strict=True)
        ]
        planes = common_mask_planes(handles, bbox)
        bad = self.getBadPixelMask(planes) | 1 << planes[_CLIPPED]
        result = super().run(
            skyInfo,
            handles,
            [imageScalerList[i] for i in kept],
            [weightList[i] for i in kept],
            alternatives,
            bad,
        )
        coadd: Exposure = result.coaddExposure
        self.applyAltEdgeMask(coadd.mask, alternatives)
        _restrict_inputs(coadd, others)
        result.templateCoadd = template
        result.clipRecord = artifact_record_table(
            [row for own in rows for row in own], self._record_meta(found)
        )
        if self.config.coaddPsf.leaveOutClipped and isinstance(coadd.psf, CoaddPsf):
            coadd.psf = psf_without_clipped(coadd.psf, result.clipRecord)
        return result

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
        nImage = Image.from_bbox(bbox, dtype=np.uint32)
        comparisons = []
        models: Sequence[TemplateModel | None] = [None] * len(matched)
        if self.config.doFitDifferences:
            models = template_models(templateCoadd, matched, scalers, self.detect.psf_sigma(templateCoadd))
        sources = StaticSources(templateCoadd) if self.config.doKeepVarying else None
        for handle, scaler, model in zip(matched, scalers, models, strict=True):
            difference = self.makeDifference(templateCoadd, handle, scaler, model)
            pixels = difference.maskedImage
            no_data = ~np.isfinite(pixels.image.array)
            mask = pixels.mask
            nImage.array += ~no_data & ~mask.any_of(mask.known_bit_mask(_UNUSABLE))
            edge = SpanSet.fromMask(mask, mask.known_bit_mask(["EDGE"]))
            found = self.detect.detectFootprints(difference, doSmooth=False)
            comparison = WarpComparison(
                handle.dataId, SpanSet.fromMask(no_data, xy0=bbox.minimum), edge, found.sigma
            )
            spans = self.prefilterArtifacts([f.spans for f in self._footprints(found)], difference)
            for one in spans:
                total = np.nansum(pixels.image.array[one.indices(bbox.minimum)], dtype=np.float64)
                variation = None if sources is None else sources.explain(one, difference)
                comparison.candidates.append(Candidate(one, bool(total > 0), variation))
            if self.config.doFilterMorphological:
                comparison.streaks = self.findStreaks(difference, spans, found.sigma)
            comparisons.append(comparison)
        if sources is not None:
            for comparison in comparisons:
                comparison.candidates = _unexplained(comparison.candidates, sources, nImage)
        counts, brighterCounts = (Image.from_bbox(bbox, dtype=np.uint32) for _ in range(2))
        for candidate in (one for comparison in comparisons for one in comparison.candidates):
            where = candidate.spans.indices(bbox.minimum)
            counts.array[where] += 1
            brighterCounts.array[where] += candidate.brighter
        return Struct(
            comparisons=comparisons, epochCountImage=counts, brighterCountImage=brighterCounts, nImage=nImage
        )

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

    def prefilterArtifacts(self, spanSetList: Sequence[SpanSet], exp: Exposure) -> list[SpanSet]:
        """Return the candidates that do not lie on bad pixels for the most part, and are not too large.

        Parameters
        ----------
        spanSetList
            Candidates.
        exp
            The difference in which they were found.
        """
        config: CompareWarpAssembleCoaddConfig = self.config
        kept = list(spanSetList)
        if config.doPrefilterArtifacts:
            good = ~exp.mask.any_of(exp.mask.known_bit_mask(config.prefilterArtifactsMaskPlanes))
            least = config.prefilterArtifactsRatio
            kept = [s for s in kept if s.count_where(good, exp.mask.xy0) > least * s.area]
        if config.doFilterLargeArtifacts:
            kept = [s for s in kept if s.area <= config.filterLargeArtifactsFraction * exp.bbox.area]
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
            for number, (spans, brighter, _) in enumerate(comparison.candidates):
                test = judge_candidate(
                    spans,
                    found.epochCountImage,
                    found.nImage,
                    self.config.epochLimits,
                    self.config.spatialThreshold,
                    per_pixel=self.config.epochRule == "pixel",
                    sign=Sign(found.brighterCountImage, brighter) if self.config.doCountBySign else None,
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
        mask = Mask.from_bbox(templateCoadd.bbox)
        pixels = MaskedImage(templateCoadd.image, mask, templateCoadd.variance)
        found = self.detectTemplate.detectFootprints(replace(templateCoadd, maskedImage=pixels))
        sources: list[Footprint] = found.positive
        return sources

    def applyAltMaskPlanes(self, mask: Mask, altMaskSpans: AltMaskSpans) -> Mask:
        """Set planes of a mask at given pixels, in place; pixels outside the mask are left out.

        Where a visit cannot be compared, NO_DATA is the only reason to leave it out.
        """
        bad = mask.known_bit_mask(self.config.badMaskPlanes)
        for spans in altMaskSpans.get("NO_DATA", ()):
            spans.clippedTo(mask.bbox).clearMask(mask, bad)
        return super().applyAltMaskPlanes(mask, altMaskSpans)

    def applyAltEdgeMask(self, mask: Mask, altMaskList: Sequence[AltMaskSpans]) -> None:
        """Set SENSOR_EDGE and INEXACT_PSF, in place, where a visit that was used has an EDGE."""
        for plane in ("SENSOR_EDGE", "INEXACT_PSF"):
            mask.addMaskPlane(plane)
        bits = mask.getPlaneBitMask(["SENSOR_EDGE", "INEXACT_PSF"])
        for alternative in altMaskList:
            (edge,), (no_data,) = alternative["EDGE"], alternative["NO_DATA"]
            used = edge.intersectNot(no_data)
            for clipped in alternative[_CLIPPED]:
                used = used.intersectNot(clipped)
            used.clippedTo(mask.bbox).setMask(mask, bits)

    def _record_meta(self, found: Struct) -> dict[str, Any]:
        """Return what holds for the whole record."""
        return {
            **self.config.model_dump(include=set(_LIMITS)),
            "n_visits": len(found.comparisons),
            "n_candidates": self.metadata["nCandidates"],
        }

    def _report_unmatched(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self.log.warning(
                "warp %s has no PSF-matched one; leaving it out", describe_data_id(handle.dataId)
            )
        self.metadata["warpsWithoutMatch"] = [describe_data_id(handle.dataId) for handle in handles]


def _unexplained(candidates: Sequence[Candidate], sources: StaticSources, nImage: Image) -> list[Candidate]:
    """Return the candidates that are no variation of a source that other visits show too."""
    return [
        one
        for one in candidates
        if one.variation is None
        or not sources.shown_by_others(one.variation, int(nImage.array[one.variation[:2]]))
    ]


def _restrict_inputs(coadd: Exposure, matched: Sequence[Any]) -> None:
    """Give the inputs of a coadd, in place, the polygons of the PSF-matched warps.

    Only there its visits can be compared and were used; a detector that a PSF-matched warp leaves out was
    not used at all.
    """
    if coadd.coaddInputs is None or coadd.wcs is None:
        return
    polygons = {
        (row.visit, row.ccd): row.validPolygon
        for handle in matched
        for row in handle.get(component="coaddInputs").ccds
    }
    ccds = tuple(
        replace(row, validPolygon=polygons[row.visit, row.ccd])
        for row in coadd.coaddInputs.ccds
        if (row.visit, row.ccd) in polygons
    )
    coadd.coaddInputs = CoaddInputs(coadd.coaddInputs.visits, ccds)
    coadd.psf = CoaddPsf(ccds, coadd.wcs)
