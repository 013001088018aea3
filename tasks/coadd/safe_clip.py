"""SafeClipAssembleCoaddTask: leave artifacts of single visits out of a coadd, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from butler.images import Box2I, CoaddPsf, Exposure, Footprint, MaskedImage, SpanSet

from ..config import Config
from ..detection import SourceDetectionTask
from ..kernels.stacking import new_target
from ..struct import Struct
from ..task import Task
from .assemble_coadd import AssembleCoaddTask
from .box_tiling import RowStrips, subregions
from .clip_aware_psf import psf_without_clipped
from .clip_decision import ClipDecision, ClipRule, decide_clip, overlap_fractions
from .clip_record import ClipRow, clip_record_table
from .coadd_inputs import gather_coadd_inputs
from .coadd_mask_planes import common_mask_planes
from .difference_candidates import DifferenceCandidates
from .difference_search import DifferenceSearch
from .kept_mean import KeptMean
from .mean_comparison import COMPARISON_ROWS, write_difference, write_means
from .safe_clip_config import SafeClipAssembleCoaddConfig
from .scale_zero_point import ImageScaler
from .span_union import union_of
from .warp_detections import DETECTION_PLANES, WarpDetections, count_overlaps, labelled_runs
from .warp_pixels import memory_of, read_warp_mask

__all__ = ["SafeClipAssembleCoaddTask"]

_CLIPPED = "CLIPPED"


class SafeClipAssembleCoaddTask(AssembleCoaddTask):
    """Combines warps by their mean, without the artifacts of single visits.

    A clipped mean loses the cores of stars on visits of unlike seeing, and with them its PSF. Here whole
    objects are clipped instead of pixels: what stands out in the difference of mean and clipped mean, and
    was detected on one or two visits only. Those visits are left out there, and the mean of the others has
    the mean of their PSFs.
    """

    ConfigClass: ClassVar[type[Config]] = SafeClipAssembleCoaddConfig
    _DefaultName: ClassVar[str] = "safeClipAssembleCoadd"

    clipDetection: SourceDetectionTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        evidence = {"detections": "detectFootprints", "differences": "psf_sigma"}
        self.makeSubtask("clipDetection", methods=[evidence[self.config.clipEvidence]])

    def _apply_do_sigma_clip(self) -> None:
        if self.config.doSigmaClip:
            self.log.warning("doSigmaClip is ignored: SafeClip clips whole artifacts, not single pixels")

    def run(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        *args: Any,
        **kwargs: Any,
    ) -> Struct:
        """Assemble the coadd of a patch without the artifacts of single visits.

        Parameters
        ----------
        skyInfo
            Geometry of the patch, from `getSkyInfo`.
        tempExpRefList, imageScalerList, weightList
            Handles of the warps, their scalers and weights, from `prepareInputs`.
        *args, **kwargs
            Ignored: SafeClip makes its own alternative masks.

        Returns
        -------
        result
            As from `AssembleCoaddTask.run`, and ``clipRecord``, the table of what was clipped.

        Raises
        ------
        TaskError
            Raised as by `AssembleCoaddTask.run`.
        """
        bbox: Box2I = skyInfo.bbox
        inputs = (tempExpRefList, imageScalerList, weightList)
        planes = common_mask_planes(tempExpRefList, bbox)
        mean = None
        if not self.config.doOnlineForMean:
            mean = KeptMean.from_bbox(bbox, planes, with_n_image=self.config.doNImage)
        by_detections = self.config.clipEvidence == "detections"
        find = self._clip_detections if by_detections else self.detectDifferences
        clip = find(skyInfo, *inputs, mean)
        joined = [
            {_CLIPPED: [union_of(spans[_CLIPPED])]} if spans[_CLIPPED] else None for spans in clip.clipSpans
        ]
        bad = self.getBadPixelMask(planes) | 1 << planes[_CLIPPED]
        result = super().run(skyInfo, *inputs, joined, bad, Struct(mean=mean))
        result.clipRecord = self._record(clip, tempExpRefList, bbox)
        coadd = result.coaddExposure
        if self.config.coaddPsf.leaveOutClipped and isinstance(coadd.psf, CoaddPsf):
            coadd.psf = psf_without_clipped(coadd.psf, result.clipRecord)
        return result

    def _clip_detections(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        mean: KeptMean | None,
    ) -> Struct:
        """Return what detections of single visits clip; ``mean`` gets the mean of all visits."""
        with self.timer("difference"):
            difference = self.buildDifferenceImage(skyInfo, tempExpRefList, imageScalerList, weightList, mean)
        with self.timer("detectClip"):
            clip = self.detectClip(difference, tempExpRefList)
            planes = difference.mask.planes
            self.detectClipBig(
                clip.clipSpans,
                clip.clipFootprints,
                clip.clipIndices,
                clip.detectionFootprints,
                1 << planes[_CLIPPED],
                1 << planes["DETECTED"],
                skyInfo.bbox,
            )
        return clip

    def buildDifferenceImage(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        mean: KeptMean | None = None,
    ) -> Exposure:
        """Return the mean minus the clipped mean of the warps, made in one pass over them.

        Parameters
        ----------
        skyInfo, tempExpRefList, imageScalerList, weightList
            As for `run`.
        mean
            Gets the mean, of the same box and mask planes; None if nobody asks for it.

        Returns
        -------
        difference
            Exposure of the patch with the PSF of the coadd. Its variance is the sum of both variances,
            although the two are nearly the same; its mask is the OR of both. Pixels without data are NaN.
        """
        self.check_inputs(skyInfo, tempExpRefList, weightList)
        bbox: Box2I = skyInfo.bbox
        ctrl = self.prepareStats(planes=common_mask_planes(tempExpRefList, bbox)).ctrl
        difference = MaskedImage.from_bbox(bbox, ctrl.planes)
        options = {**ctrl.stack_options(), "mask_map": self.setRejectedMaskMapping(ctrl)}
        scratch = new_target((min(bbox.height, COMPARISON_ROWS), bbox.width))
        for block in subregions(bbox, self.config.subregionSize):
            strips = RowStrips(block, len(tempExpRefList))
            for strip in strips:
                warps = self.read_strip(strip, tempExpRefList, imageScalerList, None, ctrl.planes)
                strips.note_memory(strip, memory_of(warps))
                part = difference[strip]
                kept = KeptMean(part, None) if mean is None else mean[strip]
                write_difference(part, kept, warps, weightList, options, scratch)
        exposure = Exposure(difference, wcs=skyInfo.wcs)
        exposure.coaddInputs = gather_coadd_inputs(tempExpRefList, weightList)
        exposure.psf = self.makePsf(exposure, tempExpRefList)
        return exposure

    def detectDifferences(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        mean: KeptMean | None = None,
    ) -> Struct:
        """Find what single visits show beyond the clipped mean, and the one or two visits that do.

        Leaving out a visit changes the mean by the visit's difference from the others times its share of the
        weight; covariances included, the one is as significant as the other. So footprints are looked for in
        the difference of each visit, where those of other visits do not run into them.

        Parameters
        ----------
        skyInfo, tempExpRefList, imageScalerList, weightList
            As for `run`.
        mean
            Gets the mean, of the same box and mask planes; None if nobody asks for it.

        Returns
        -------
        clip
            As from `detectClip`, but for ``clipFootprints``, ``clipIndices`` and ``detectionFootprints``.
            Each footprint is of one visit, and clipped on that visit only.
        """
        self.check_inputs(skyInfo, tempExpRefList, weightList)
        bbox: Box2I = skyInfo.bbox
        with self.timer("template"):
            template = self._template(bbox, tempExpRefList, imageScalerList, weightList, mean)
        with self.timer("differences"):
            sigmas = [self._psf_sigma(handle, bbox) for handle in tempExpRefList]
            bad = self.config.badMaskPlanes
            search = DifferenceSearch(template, sigmas, bad, self.config.differenceDetection)
            spans = search.run(tempExpRefList, imageScalerList)
        with self.timer("detectClip"):
            candidates = DifferenceCandidates(spans, bbox)
            for i, handle in enumerate(tempExpRefList):
                mask = read_warp_mask(handle, bbox)
                candidates.count(i, mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes)))
            overlaps, decisions = [], []
            for number, visit in enumerate(candidates.visits):
                overlaps.append(candidates.overlaps(number))
                able = candidates.n_able(number)
                found = decide_clip(overlaps[-1], self.config.thresholds, n_visits=able)
                mine = visit in found.chosen and able > 1
                rule = found.rule if mine else None
                decisions.append(ClipDecision(rule, (visit,) if mine else (), found.runner_up))
        return self._clip_of(candidates.spans, overlaps, decisions, len(tempExpRefList))

    def _template(
        self,
        bbox: Box2I,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        mean: KeptMean | None,
    ) -> MaskedImage:
        """Return the clipped mean of the warps without a mask; ``mean`` gets the mean, in the same pass."""
        ctrl = self.prepareStats(planes=common_mask_planes(tempExpRefList, bbox)).ctrl
        kept = mean or KeptMean.from_bbox(bbox, ctrl.planes, with_n_image=False)
        template = MaskedImage.from_bbox(bbox)
        options = {**ctrl.stack_options(), "mask_map": self.setRejectedMaskMapping(ctrl)}
        strips = RowStrips(bbox, len(tempExpRefList))
        for strip in strips:
            warps = self.read_strip(strip, tempExpRefList, imageScalerList, None, ctrl.planes)
            strips.note_memory(strip, memory_of(warps))
            for block in subregions(strip, (strip.width, COMPARISON_ROWS)):
                parts, clipped = [warp[block] for warp in warps], template[block]
                mask = np.empty(block.shape, np.int32)
                planes = clipped.image.array, clipped.variance.array, mask
                write_means(kept[block], planes, parts, weightList, options)
        return template

    def _psf_sigma(self, handle: Any, bbox: Box2I) -> float:
        """Return the size of a warp's PSF, pixels."""
        psf = handle.get(component="psf")
        return self.clipDetection.psf_sigma(Exposure(MaskedImage.from_bbox(bbox), psf=psf))

    def detectClip(self, exp: Exposure, tempExpRefList: Sequence[Any]) -> Struct:
        """Find footprints in the difference, and the one or two visits whose artifacts they are.

        Parameters
        ----------
        exp
            The difference of mean and clipped mean; detections are marked in its mask.
        tempExpRefList
            Handles of the warps; of each one the mask inside the footprints is read.

        Returns
        -------
        result
            ``clipFootprints``, the footprints that are artifacts; ``clipIndices``, for each of them the
            indices of its warps; ``clipSpans``, for each warp ``{"CLIPPED": [pixels of each footprint]}``;
            ``detectionFootprints``, for each warp its own detections. Also ``footprints``, all that were
            found, and for each of them ``overlaps`` and ``decisions``.

        Raises
        ------
        TaskError
            Raised if the detection task returns footprints that overlap each other.
        """
        footprints: list[Footprint] = self.clipDetection.detectFootprints(exp).merged
        runs = labelled_runs(footprints)
        n_rows = self.config.subregionSize[1]
        counts = [
            count_overlaps(handle, runs, len(footprints), self.config.badMaskPlanes, exp.bbox, n_rows)
            for handle in tempExpRefList
        ]
        if footprints and not any(n_detected.any() for _, n_detected in counts):
            self.log.warning("no warp has anything in %s; nothing can be clipped", DETECTION_PLANES)
        overlaps = [
            overlap_fractions(
                footprint.area,
                [int(n_bad[i]) for n_bad, _ in counts],
                [int(n_detected[i]) for _, n_detected in counts],
            )
            for i, footprint in enumerate(footprints)
        ]
        decisions = [decide_clip(overlap, self.config.thresholds) for overlap in overlaps]
        result = self._clip_of([f.spans for f in footprints], overlaps, decisions, len(tempExpRefList))
        clipped = [(f, d.chosen) for f, d in zip(footprints, decisions, strict=True) if d.chosen]
        result.footprints = footprints
        result.clipFootprints = [footprint for footprint, _ in clipped]
        result.clipIndices = [list(chosen) for _, chosen in clipped]
        result.detectionFootprints = WarpDetections(tempExpRefList, exp.bbox)
        return result

    def _clip_of(
        self,
        spans: Sequence[SpanSet],
        overlaps: Sequence[dict[int, float]],
        decisions: Sequence[ClipDecision],
        n_visits: int,
    ) -> Struct:
        """Return footprints with what was decided about each, and the clipped pixels of each visit."""
        clipped = [pair for pair in zip(spans, decisions, strict=True) if pair[1].chosen]
        self.log.info("%d of %d footprints are artifacts", len(clipped), len(spans))
        self.metadata |= {"nFootprints": len(spans), "nClippedFootprints": len(clipped)}
        return Struct(
            spans=spans,
            overlaps=overlaps,
            decisions=decisions,
            clipSpans=[
                {_CLIPPED: [own for own, decision in clipped if i in decision.chosen]}
                for i in range(n_visits)
            ],
        )

    def detectClipBig(
        self,
        clipList: Sequence[dict[str, list[SpanSet]]],
        clipFootprints: Sequence[Footprint],
        clipIndices: Sequence[Sequence[int]],
        detectionFootprints: Sequence[Sequence[Footprint]],
        maskClipValue: int,
        maskDetValue: int,
        coaddBBox: Box2I,
    ) -> list[Footprint]:
        """Clip whole detections of a visit of which clipped footprints cover a large part.

        The difference shows only the parts of a large artifact where clipping took something away.

        Parameters
        ----------
        clipList
            For each warp ``{"CLIPPED": [...]}``; the pixels of big detections are appended, in place.
        clipFootprints, clipIndices
            Clipped footprints, and for each of them the indices of its warps.
        detectionFootprints
            For each warp its own detections.
        maskClipValue, maskDetValue
            Not needed: every pixel of a footprint is clipped, and every one of a detection detected.
        coaddBBox
            Box of the coadd.

        Returns
        -------
        bigFootprintsCoadd
            The detections that were appended.
        """
        big = []
        for i, clips in enumerate(clipList):
            own = [
                footprint
                for footprint, indices in zip(clipFootprints, clipIndices, strict=True)
                if i in indices
            ]
            if not own:
                continue
            clipped = union_of([footprint.spans for footprint in own]).asArray(coaddBBox)
            for footprint in detectionFootprints[i]:
                if footprint.area <= self.config.minBigOverlap:
                    continue
                if footprint.spans.count_where(clipped, coaddBBox.minimum) > self.config.minBigOverlap:
                    clips.setdefault(_CLIPPED, []).append(footprint.spans)
                    big.append(footprint)
        return big

    def assembleMetadata(
        self, coaddExposure: Exposure, tempExpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> None:
        """Give a coadd what `AssembleCoaddTask.assembleMetadata` does, and the limits of clipping."""
        super().assembleMetadata(coaddExposure, tempExpRefList, weightList)
        coaddExposure.metadata = {
            **coaddExposure.metadata,
            "OVLONE": self.config.minClipFootOverlapSingle,
            "OVLMANY": self.config.minClipFootOverlap,
            "OVLTWO": self.config.minClipFootOverlapDouble,
            "OVLREST": self.config.maxClipFootOverlapDouble,
            "OVLBIG": self.config.minBigOverlap,
        }

    def _record(self, clip: Struct, handles: Sequence[Any], bbox: Box2I) -> Any:
        """Return the table of what was clipped on each visit."""
        rows = []
        for i, handle in enumerate(handles):
            own = [n for n, decision in enumerate(clip.decisions) if i in decision.chosen]
            rows += [
                ClipRow(
                    handle.dataId,
                    clip.decisions[n].rule,
                    n,
                    clip.overlaps[n][i],
                    clip.decisions[n].runner_up,
                    len(clip.overlaps[n]),
                    clip.spans[n],
                )
                for n in own
            ]
            covered = union_of([clip.spans[n] for n in own])
            rows += [
                ClipRow(handle.dataId, ClipRule.BIG, -1, big.intersect(covered).area / big.area, 0.0, 1, big)
                for big in clip.clipSpans[i][_CLIPPED][len(own) :]
            ]
        area = sum(spans.area for spans in clip.spans)
        meta = {
            **self.config.model_dump(include=set(_THRESHOLD_FIELDS)),
            "n_visits": len(handles),
            "n_footprints": len(clip.spans),
            "footprint_fraction": area / bbox.area,
        }
        return clip_record_table(rows, meta)


_THRESHOLD_FIELDS = (
    "minClipFootOverlap",
    "minClipFootOverlapSingle",
    "minClipFootOverlapDouble",
    "maxClipFootOverlapDouble",
    "minBigOverlap",
)
