"""AssembleCoaddTask: combine the warps of a patch into a coadd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np

from butler.images import (
    Box2I,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    Psf,
    SpanSet,
    coadd_ap_corr_map,
)
from connections.errors import NoWorkFound

from ..config import Config
from ..errors import TaskError, WarpInputsError, WarpWeightError
from ..kernels.stacking import Statistic
from ..struct import Struct
from ..task import Task
from ..timer import timeMethod
from .assemble_coadd_config import AssembleCoaddConfig
from .box_tiling import RowStrips, subregions
from .coadd_inputs import gather_coadd_inputs
from .coadd_mask_planes import COADD_MASK_PLANES, common_mask_planes, set_coadd_edge_bits
from .coadd_masks import AltMaskSpans, CoaddMasksTask
from .coadd_metadata import combined_transmission, common_filter, input_cards
from .input_map import CcdInputMap, HealSparseInputMapTask
from .kept_mean import KeptMean
from .online_mean import OnlineMean
from .scale_zero_point import ImageScaler, ScaleZeroPointTask
from .stack_warps import stack_all, stack_some
from .statistics_control import StatisticsControl
from .valid_polygons import shrunk_inputs
from .warp_handle import WarpHandle
from .warp_pixels import check_warp_geometry, check_warp_unit, describe_data_id, memory_of, read_warp
from .warp_weight import measure_weight

__all__ = ["AssembleCoaddTask"]

_MAX_MAPS: Final = 100
"""Warps whose files stay mapped from one pass to the next."""
_N_IMAGE_BYTES: Final = 4
"""Bytes of the number of inputs of a pixel."""


class AssembleCoaddTask(CoaddMasksTask):
    """Combines the warps of a patch, pixel by pixel, with one statistic.

    Warps are read through their handles in strips of rows, as many rows as fit into a fixed amount of
    memory, so that it does not grow with the number of visits.
    """

    ConfigClass: ClassVar[type[Config]] = AssembleCoaddConfig
    _DefaultName: ClassVar[str] = "assembleCoadd"

    scaleZeroPoint: ScaleZeroPointTask
    inputMapper: HealSparseInputMapTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self._apply_do_sigma_clip()
        for subtask in ("interpImage", "scaleZeroPoint", "inputMapper"):
            self.makeSubtask(subtask)

    def _apply_do_sigma_clip(self) -> None:
        if self.config.doSigmaClip and self.config.statistic != Statistic.MEANCLIP:
            self.log.warning("doSigmaClip is deprecated; using statistic=MEANCLIP, which it stands for")
            self.config = self.config.updated({"statistic": Statistic.MEANCLIP.value})

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Assemble the coadd of one patch and write it.

        Raises
        ------
        NoWorkFound
            Raised if no warp can be used; the message says why.
        """
        inputs = butlerQC.get(inputRefs)
        if self.config.doSelectVisits:
            inputs["inputWarps"] = self._of_chosen_visits(inputs["inputWarps"], inputs["selectedVisits"])
        data_id = butlerQC.quantum.dataId
        skyInfo = self.getSkyInfo(inputs["skyMap"], data_id)
        warps = [WarpHandle(handle, keeps_map=i < _MAX_MAPS) for i, handle in enumerate(inputs["inputWarps"])]
        prepared = self.prepareInputs(warps, skyInfo.bbox)
        self.metadata["skippedWarps"] = prepared.skipped
        if not prepared.tempExpRefList:
            reasons = "; ".join(prepared.skipped) or "there are no warps"
            raise NoWorkFound(f"no warp of {describe_data_id(data_id)} can be used: {reasons}")
        result = self.run(
            skyInfo,
            prepared.tempExpRefList,
            prepared.imageScalerList,
            prepared.weightList,
            supplementaryData=self.makeSupplementaryDataGen3(butlerQC, inputs, outputRefs),
        )
        coadd = result.coaddExposure
        coadd.metadata = {**coadd.metadata, "NGIVEN": len(inputs["inputWarps"])}
        bright = inputs.get("brightObjectMask")
        self.processResults(coadd, self.readBrightObjectMasks(bright), data_id)
        if self.config.doWrite:
            butlerQC.put(result, outputRefs)

    def makeSupplementaryDataGen3(
        self, butlerQC: Any, inputs: Mapping[str, Any], outputRefs: Mapping[str, Any]
    ) -> Struct:
        """Make what `run` of a subclass needs besides the warps; here nothing.

        Parameters
        ----------
        butlerQC
            The quantum's butler.
        inputs
            What was read, by connection.
        outputRefs
            Refs of the outputs, by connection.
        """
        return self.makeSupplementaryData(inputs)

    def makeSupplementaryData(
        self, inputs: Mapping[str, Any], warpRefList: Sequence[Any] | None = None
    ) -> Struct:
        """Make what `run` of a subclass needs, from inputs in hand; here nothing.

        Parameters
        ----------
        inputs
            Inputs by connection.
        warpRefList
            Handles of the warps, if they are not all of ``inputs["inputWarps"]``.
        """
        return Struct()

    def prepareInputs(self, refList: Sequence[Any], bbox: Box2I | None = None) -> Struct:
        """Choose the warps that can be used, and find their weights and scales.

        The weight of a warp is the inverse of the clipped mean of its variance plane.

        Parameters
        ----------
        refList
            Handles of the warps; read one at a time.
        bbox
            Box that counts, the outer box of the patch; everything if None.

        Returns
        -------
        result
            ``tempExpRefList``, ``weightList`` (1/nJy²) and ``imageScalerList`` (None for warps in nJy) of
            the warps that can be used, and ``skipped``: for each of the others its data ID and the reason.

        Raises
        ------
        WarpGeometryError
            Raised if a warp does not contain the box.
        WarpUnitError
            Raised if a warp is not in nJy, unless it is to be scaled.
        """
        result = Struct(tempExpRefList=[], weightList=[], imageScalerList=[], skipped=[])
        for handle in refList:
            warp = read_warp(handle, handle.get(component="bbox") if bbox is None else bbox)
            scaler = None
            if self.config.doScaleZeroPoint:
                scaler = self.scaleZeroPoint.computeImageScaler(handle)
                warp = scaler.scaled(warp)
            else:
                check_warp_unit(handle, warp.image)
            weight = measure_weight(
                warp,
                self.config.badMaskPlanes,
                num_sigma=self.config.sigmaClip,
                num_iter=self.config.clipIter,
            )
            if weight.fault:
                result.skipped.append(f"warp {describe_data_id(handle.dataId)} {weight.fault}")
                self.log.warning("skipping %s", result.skipped[-1])
                continue
            result.tempExpRefList.append(handle)
            result.weightList.append(weight.value)
            result.imageScalerList.append(scaler)
        return result

    def prepareStats(self, mask: int | None = None, planes: Mapping[str, int] = COADD_MASK_PLANES) -> Struct:
        """Return how pixels are combined: ``ctrl``, a `StatisticsControl`, and ``flags``, the statistic.

        Parameters
        ----------
        mask
            Bit mask of the planes whose pixels are left out; that of the config if None.
        planes
            Bit number of each mask plane.

        Raises
        ------
        ConfigError
            Raised if the config names a mask plane that does not exist.
        """
        thresholds = {
            self.plane_bit(plane, planes): value
            for plane, value in self.config.maskPropagationThresholds.items()
        }
        ctrl = StatisticsControl(
            planes=planes,
            and_mask=self.getBadPixelMask(planes) if mask is None else mask,
            num_sigma=self.config.sigmaClip,
            num_iter=self.config.clipIter,
            calc_error_from_input_variance=self.config.calcErrorFromInputVariance,
            mask_propagation_thresholds=thresholds,
        )
        return Struct(ctrl=ctrl, flags=Statistic.from_name(self.config.statistic))

    @timeMethod
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
        """Assemble the coadd of a patch.

        Parameters
        ----------
        skyInfo
            Geometry of the patch, from `getSkyInfo`.
        tempExpRefList, imageScalerList, weightList
            Handles of the warps, their scalers and weights, from `prepareInputs`.
        altMaskList
            For each warp, pixels to set in its mask.
        mask
            Bit mask of the planes whose pixels are left out, on the bits of `common_mask_planes`; that of
            the config if None.
        supplementaryData
            For subclasses, but for ``mean``: the `KeptMean` of these warps without alternative masks, which
            becomes the coadd, and is stacked again where CLIPPED pixels are left out.

        Returns
        -------
        result
            ``coaddExposure``, not interpolated yet; ``nImage``, the number of warps used in each pixel, and
            ``inputMap``, if the config asks for them, else None; ``warpRefList``, ``imageScalerList`` and
            ``weightList`` as given.

        Raises
        ------
        WarpError
            Raised for a warp that does not fit the patch, has no usable record of inputs, or whose weight
            is not finite and positive; the message names its data ID.
        TaskError
            Raised if there are no warps.
        """
        self.check_inputs(skyInfo, tempExpRefList, weightList)
        bbox: Box2I = skyInfo.bbox
        stats = self.prepareStats(mask, common_mask_planes(tempExpRefList, bbox))
        mean: KeptMean | None = getattr(supplementaryData, "mean", None)
        target = mean or KeptMean.from_bbox(bbox, stats.ctrl.planes, with_n_image=self.config.doNImage)
        coadd, nImage = Exposure(target.pixels, wcs=skyInfo.wcs), target.n_image
        self.assembleMetadata(coadd, tempExpRefList, weightList)
        inputMap = None
        if self.config.doInputMap and coadd.coaddInputs is not None:
            ccds = coadd.coaddInputs.ccds
            inputMap = self.inputMapper.build_ccd_input_map(bbox, skyInfo.wcs, ccds)
        with self.timer("stack"):
            warps = (tempExpRefList, imageScalerList, weightList, altMaskList)
            if self.config.doOnlineForMean and stats.flags is Statistic.MEAN:
                self.assembleOnlineMeanCoadd(coadd, *warps, stats.ctrl, nImage, inputMap)
            else:
                stale = None if mean is None else mean.stale(altMaskList or [])
                for block in subregions(bbox, self.config.subregionSize):
                    self.assembleSubregion(
                        coadd, block, *warps, stats.flags, stats.ctrl, nImage, inputMap, stale
                    )
        if inputMap is not None:
            inputMap.finalize_ccd_input_map_mask()
        self.setInexactPsf(coadd.mask)
        if self.config.calcErrorFromInputVariance and stats.flags in (Statistic.MEAN, Statistic.MEANCLIP):
            # The variance of other statistics is 0 where the inputs agree, or everywhere.
            set_coadd_edge_bits(coadd.mask, coadd.variance)
        return Struct(
            coaddExposure=coadd,
            nImage=nImage,
            inputMap=None if inputMap is None else inputMap.ccd_input_map,
            warpRefList=tempExpRefList,
            imageScalerList=imageScalerList,
            weightList=weightList,
        )

    def check_inputs(
        self, skyInfo: Struct, tempExpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> None:
        """Refuse warps that would make a wrong coadd, before anything is read in bulk.

        Raises
        ------
        TaskError
            Raised if there are no warps; as a `WarpError`, if one does not fit the patch or has no usable
            weight.
        """
        if not tempExpRefList:
            raise TaskError("there are no warps to combine")
        for handle, weight in zip(tempExpRefList, weightList, strict=True):
            if not (weight > 0 and np.isfinite(weight)):
                where = describe_data_id(handle.dataId)
                raise WarpWeightError(f"the weight of warp {where} is {weight}, not a positive number")
        check_warp_geometry(tempExpRefList, skyInfo.bbox, skyInfo.wcs)

    def _of_chosen_visits(self, warps: Sequence[Any], choices: Sequence[Any]) -> list[Any]:
        """Return the warps of chosen visits in the order of the choice, instrument by instrument."""
        chosen = []
        for choice in choices:
            own = [warp for warp in warps if warp.dataId["instrument"] == choice.dataId["instrument"]]
            chosen += self.filterWarps(own, choice.get())
        left_out = [describe_data_id(warp.dataId) for warp in warps if warp not in chosen]
        self.metadata["unselectedWarps"] = left_out
        self.log.info("%d of %d warps are of chosen visits", len(chosen), len(warps))
        return chosen

    def assembleMetadata(
        self, coaddExposure: Exposure, tempExpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> None:
        """Give a coadd its filter, inputs, PSF, calibration and header cards, in place.

        Raises
        ------
        WarpError
            Raised if the warps have different bands, or one has no usable record of inputs, or lacks a
            transmission curve that is asked for.
        TaskError
            Raised if the coadd has no WCS.
        """
        if coaddExposure.wcs is None:
            raise TaskError("a coadd needs a WCS")
        coaddExposure.filter = common_filter(tempExpRefList)
        inputs = gather_coadd_inputs(tempExpRefList, weightList)
        coaddExposure.coaddInputs = (
            self.shrinkValidPolygons(inputs) if self.config.doUsePsfMatchedPolygons else inputs
        )
        coaddExposure.psf = self.makePsf(coaddExposure, tempExpRefList)
        ccds = coaddExposure.coaddInputs.ccds
        if self.config.warpType == "direct":
            coaddExposure.apCorrMap = coadd_ap_corr_map(ccds, coaddExposure.wcs, coaddExposure.bbox)
        if self.config.doAttachTransmissionCurve:
            coaddExposure.transmissionCurve = combined_transmission(ccds, coaddExposure.wcs)
        cards: dict[str, Any] = {
            "COADTASK": type(self).__name__,
            "STATISTI": self.config.statistic,
            "SIGCLIP": self.config.sigmaClip,
            "CLIPITER": self.config.clipIter,
            "BADPLANE": ",".join(self.config.badMaskPlanes),
            "RMPLANE": ",".join(self.config.removeMaskPlanes),
            "ERRINPUT": self.config.calcErrorFromInputVariance,
            "WARPTYPE": self.config.resolved_connections().inputWarps.name,
            "WEIGHTS": "inverse of clipped mean variance",
        }
        if self.config.doScaleZeroPoint:
            coaddExposure.photoCalib = self.scaleZeroPoint.getPhotoCalib()
        else:
            coaddExposure.photoCalib = PhotoCalib(1.0)
            cards["BUNIT"] = coaddExposure.image.unit = "nJy"
            coaddExposure.variance.unit = "nJy**2"
        cards |= input_cards(handle.get(component="visitInfo") for handle in tempExpRefList)
        coaddExposure.metadata = {**coaddExposure.metadata, **cards}

    def makePsf(self, coaddExposure: Exposure, tempExpRefList: Sequence[Any]) -> Psf:
        """Return the PSF of a coadd: of its inputs or, of PSF-matched warps, the widest of theirs.

        Raises
        ------
        WarpInputsError
            Raised if a PSF-matched warp has no PSF.
        """
        if self.config.warpType == "direct":
            assert coaddExposure.coaddInputs is not None
            assert coaddExposure.wcs is not None
            return CoaddPsf(coaddExposure.coaddInputs.ccds, coaddExposure.wcs)
        models: list[Psf | None] = [handle.get(component="psf") for handle in tempExpRefList]
        for handle, model in zip(tempExpRefList, models, strict=True):
            if model is None:
                raise WarpInputsError(f"warp {describe_data_id(handle.dataId)} has no PSF; match it again")
        x, y = coaddExposure.bbox.center
        return max((m for m in models if m is not None), key=lambda m: m.computeKernelImage(x=x, y=y).size)

    def shrinkValidPolygons(self, coaddInputs: CoaddInputs) -> CoaddInputs:
        """Return coadd inputs whose detectors end half a matching kernel before their edges."""
        return shrunk_inputs(coaddInputs, -(-self.config.matchingKernelSize // 2))

    def assembleOnlineMeanCoadd(
        self,
        coaddExposure: Exposure,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
        inputMap: CcdInputMap | None = None,
    ) -> None:
        """Take the mean as running sums, one warp after the other, in place.

        Parameters are those of `assembleSubregion`; the result is the same up to rounding.
        """
        bbox = coaddExposure.bbox
        sums = OnlineMean(bbox, statsCtrl, self.setRejectedMaskMapping(statsCtrl))
        alternatives = altMaskList or [None] * len(tempExpRefList)
        for handle, scaler, weight, spans in zip(
            tempExpRefList, imageScalerList, weightList, alternatives, strict=True
        ):
            for strip in RowStrips(bbox, 1):
                [warp] = self.read_strip(strip, [handle], [scaler], [spans], statsCtrl.planes)
                sums.add(warp, float(np.float32(weight)))
                if inputMap is not None:
                    inputMap.mask_warp_bbox(strip, handle.dataId["visit"], warp.mask, statsCtrl.and_mask)
        sums.write_to(coaddExposure.maskedImage)
        if nImage is not None:
            nImage.array[:] = sums.n_image

    def assembleSubregion(
        self,
        coaddExposure: Exposure,
        bbox: Box2I,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        weightList: Sequence[float],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        statsFlags: Statistic,
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
        inputMap: CcdInputMap | None = None,
        where: SpanSet | None = None,
    ) -> None:
        """Combine one box of the coadd, in place.

        Parameters
        ----------
        coaddExposure
            The coadd.
        bbox
            The box, inside the coadd.
        tempExpRefList, imageScalerList, weightList, altMaskList
            The warps, as for `run`.
        statsFlags, statsCtrl
            The statistic and its options.
        nImage
            Gets the number of warps whose pixel is not left out, after `removeMaskPlanes`.
        inputMap
            Counts the pixels that are left out.
        where
            The pixels to combine, all if None; the others are there already.
        """
        options = {**statsCtrl.stack_options(), "mask_map": self.setRejectedMaskMapping(statsCtrl)}
        stack = stack_all if where is None else partial(stack_some, where=where)
        strips = RowStrips(bbox, len(tempExpRefList), _N_IMAGE_BYTES)
        for strip in strips:
            warps = self.read_strip(strip, tempExpRefList, imageScalerList, altMaskList, statsCtrl.planes)
            strips.note_memory(strip, memory_of(warps))
            target = coaddExposure.maskedImage[strip]
            counts = None if nImage is None else nImage[strip].array
            stack(target, counts, warps, weightList, statistic=statsFlags, **options)
            if inputMap is not None:
                for handle, warp in zip(tempExpRefList, warps, strict=True):
                    inputMap.mask_warp_bbox(strip, handle.dataId["visit"], warp.mask, statsCtrl.and_mask)

    def read_strip(
        self,
        bbox: Box2I,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler | None],
        altMaskList: Sequence[AltMaskSpans | None] | None,
        planes: Mapping[str, int],
    ) -> list[MaskedImage]:
        """Read a box of all warps, scaled, with alternative masks applied and one set of mask planes."""
        alternatives = altMaskList or [None] * len(tempExpRefList)
        whole = SpanSet.from_bbox(bbox)
        warps = []
        for handle, scaler, spans in zip(tempExpRefList, imageScalerList, alternatives, strict=True):
            warp = read_warp(handle, bbox)
            warp.mask = warp.mask.conformed(planes)
            if spans and any(own.overlaps(whole) for sets in spans.values() for own in sets):
                # The pixels may belong to a file that is mapped into memory, or to the caller.
                warp.mask = Mask(warp.mask.array.copy(), warp.mask.xy0, warp.mask.planes)
                self.applyAltMaskPlanes(warp.mask, spans)
            self.removeMaskPlanes(warp)
            warps.append(warp if scaler is None else scaler.scaled(warp))
        return warps
