"""CompareWarpAssembleCoaddTask: leave out of a coadd what visits of one PSF do not agree upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from butler.images import (
    Box2I,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    Mask,
    SpanSet,
)
from connections.errors import NoWorkFound

from ..config import Config
from ..data_ref import DataRef
from ..errors import TaskError
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import Task
from .artifact_masks import ArtifactMasks
from .artifact_search import ArtifactSearchTask
from .assemble_coadd import AssembleCoaddTask
from .clip_aware_psf import psf_without_clipped
from .coadd_mask_planes import common_mask_planes
from .coadd_masks import AltMaskSpans
from .compare_warp_config import CompareWarpAssembleCoaddConfig
from .compare_warp_record import artifact_record_table
from .scale_zero_point import ImageScaler
from .warp_pixels import describe_data_id
from .warp_visits import of_same_visits, visit_of

__all__ = ["CompareWarpAssembleCoaddTask"]

_CLIPPED: Final = "CLIPPED"
_LIMITS: Final = (
    "maxNumEpochs",
    "maxFractionEpochsLow",
    "maxFractionEpochsHigh",
    "spatialThreshold",
    "epochRule",
    "doCountBySign",
    "doCompareMedian",
    "doKeepVarying",
    "doAddMatchResidual",
    "minMatchResidual",
    "doFitDifferences",
)


class CompareWarpAssembleCoaddTask(ArtifactSearchTask, AssembleCoaddTask):
    """Combines warps by their mean, without what only few visits show.

    Warps that were matched to one PSF can be compared pixel by pixel. What differs from their clipped mean,
    the static sky, on a few visits is an artifact, and is left out when the direct warps are combined.
    """

    ConfigClass: ClassVar[type[Config]] = CompareWarpAssembleCoaddConfig
    _DefaultName: ClassVar[str] = "compareWarpAssembleCoadd"

    assembleStaticSkyModel: AssembleCoaddTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self.makeSubtask("assembleStaticSkyModel", methods=["prepareInputs", "run", "processResults"])
        self.makeSubtask("detect", methods=["detectFootprints", "psf_sigma"])
        self.makeSubtask("detectTemplate", methods=["detectFootprints"])
        self.makeSubtask("scaleWarpVariance", methods=["run"])
        self.makeSubtask("maskStreaks", methods=["run"])

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
            ``templateCoadd``; with ``doWriteArtifactMasks`` ``artifactMasks``, in the order of the warps.

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
        record = artifact_record_table([row for own in rows for row in own], self._record_meta(found))
        # The counts of visits take as much memory as the coadd.
        del found
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
        result.clipRecord = record
        if self.config.coaddPsf.leaveOutClipped and isinstance(coadd.psf, CoaddPsf):
            coadd.psf = psf_without_clipped(coadd.psf, record)
        if self.config.doWriteArtifactMasks:
            own = dict(zip(kept, alternatives, strict=True))
            unseen = {_CLIPPED: [], "NO_DATA": [SpanSet.from_bbox(bbox)], "EDGE": []}
            warps = [(handle, own.get(i, unseen)) for i, handle in enumerate(tempExpRefList)]
            result.artifactMasks = ArtifactMasks(warps, bbox, self.applyAltMaskPlanes)
        return result

    def aligned(self, result: Struct, outputRefs: Mapping[str, Any]) -> Struct:
        """Return the results with one artifact mask, or None, for each ref of one."""
        if "artifactMasks" in outputRefs:
            result.artifactMasks = result.artifactMasks.aligned(outputRefs["artifactMasks"])
        return result

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
