"""AssembleCoaddTask: combine the warps of a patch into a coadd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from butler.images import Box2I, Exposure
from connections.errors import NoWorkFound

from ..config import Config
from ..errors import TaskError, WarpWeightError
from ..kernels.stacking import Statistic
from ..struct import Struct
from ..task import Task
from ..timer import timeMethod
from .assemble_coadd_config import AssembleCoaddConfig
from .box_tiling import subregions
from .coadd_description import CoaddDescriptionTask
from .coadd_mask_planes import common_mask_planes, set_coadd_edge_bits
from .coadd_masks import AltMaskSpans
from .coadd_stack import CoaddStackTask
from .input_map import HealSparseInputMapTask
from .kept_mean import KeptMean
from .scale_zero_point import ImageScaler
from .warp_handle import WarpHandle
from .warp_pixels import check_warp_geometry, check_warp_unit, describe_data_id, read_warp
from .warp_weight import measure_weight

__all__ = ["AssembleCoaddTask"]

_MAX_MAPS: Final = 100
"""Warps whose files stay mapped from one pass to the next."""


class AssembleCoaddTask(CoaddStackTask, CoaddDescriptionTask):
    """Combines the warps of a patch, pixel by pixel, with one statistic."""

    ConfigClass: ClassVar[type[Config]] = AssembleCoaddConfig
    _DefaultName: ClassVar[str] = "assembleCoadd"

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
