"""AssembleCoaddTask: combine the warps of a patch into a coadd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from butler.images import Box2I, Exposure
from connections.errors import NoWorkFound
from connections.pipeline_node import dataset_type

from ..config import Config
from ..data_ref import DataRef
from ..kernels.stacking import Statistic
from ..sky_info import make_sky_info
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
from .warp_choice import WarpChoiceTask

if TYPE_CHECKING:
    from butler import DatasetType

__all__ = ["AssembleCoaddTask"]


class AssembleCoaddTask(CoaddStackTask, CoaddDescriptionTask, WarpChoiceTask):
    """Combines the warps of a patch, pixel by pixel, with one statistic."""

    ConfigClass: ClassVar[type[Config]] = AssembleCoaddConfig
    _DefaultName: ClassVar[str] = "assembleCoadd"
    _commandName: ClassVar[str] = "assembleCoadd"

    inputMapper: HealSparseInputMapTask

    def __init__(
        self, config: Any = None, *, name: str | None = None, parentTask: Task | None = None
    ) -> None:
        super().__init__(config, name=name, parentTask=parentTask)
        self._apply_do_sigma_clip()
        self.makeSubtask("interpImage", methods=["run"])
        self.makeSubtask("scaleZeroPoint", methods=["computeImageScaler", "getPhotoCalib"])
        self.makeSubtask("inputMapper", methods=["build_ccd_input_map"])

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
        if self.config.doSelectVisits:
            choices = butlerQC.get(inputRefs["selectedVisits"])
            inputRefs = {**inputRefs, "inputWarps": self.of_chosen_visits(inputRefs["inputWarps"], choices)}
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(inputs["skyMap"], data_id["tract"], data_id["patch"])
        prepared = self.prepare_warps(inputs["inputWarps"], skyInfo, data_id)
        supplementary = self.makeSupplementaryDataGen3(butlerQC, inputRefs, outputRefs)
        result = self._assemble(skyInfo, prepared, supplementary, inputs.get("brightObjectMask"), data_id)
        if self.config.doWrite:
            butlerQC.put(self.aligned(result, outputRefs), outputRefs)

    def aligned(self, result: Struct, outputRefs: Mapping[str, Any]) -> Struct:
        """Return the results as they are put: those of several visits in the order of their refs."""
        return result

    def runDataRef(
        self,
        dataRef: DataRef,
        selectDataList: Sequence[Any] | None = None,
        warpRefList: Sequence[Any] | None = None,
    ) -> Struct | None:
        """Assemble the coadd of one patch from what a repository has, without a pipeline.

        Parameters
        ----------
        dataRef
            The patch, where its inputs are and, with ``doWrite``, where its coadd goes.
        selectDataList
            Refs or data IDs of detector images, whose visits' warps are taken; with neither list all warps of
            the patch are.
        warpRefList
            Refs or handles of the warps, in place of a `selectDataList`.

        Returns
        -------
        result
            What `run` returns, the coadd being finished by `processResults`; None, with a warning that says
            why, if there is nothing to combine.

        Raises
        ------
        TaskError
            Raised if both lists are given, or there is no run to write into, or it has the coadd already;
            besides, all that `run` raises.
        """
        connections = self.config.resolved_connections()
        skyInfo = self.getSkyInfo(dataRef)
        warps = self.warps_of(dataRef, skyInfo, selectDataList, warpRefList)
        outputs = {field: dataset_type(output) for field, output in connections.outputs.items()}
        if self.config.doWrite:
            dataRef.prepare_writing(outputs.values())
        bright = None
        if self.config.doMaskBrightObjects:
            bright = dataRef.find_handle(connections.prerequisiteInputs["brightObjectMask"].name)
        try:
            prepared = self.prepare_warps(warps, skyInfo, dataRef.dataId)
            supplementary = self.makeSupplementaryData(dataRef, warpRefList=prepared.tempExpRefList)
            result = self._assemble(skyInfo, prepared, supplementary, bright, dataRef.dataId)
        except NoWorkFound as reason:
            self.log.warning("%s", reason)
            return None
        if self.config.doWrite:
            dataRef.put(_datasets(result, outputs))
        return result

    def makeSupplementaryData(
        self,
        dataRef: DataRef,
        selectDataList: Sequence[Any] | None = None,
        warpRefList: Sequence[Any] | None = None,
    ) -> Struct:
        """Make what `run` of a subclass needs besides the warps, for `runDataRef`; here nothing.

        Parameters
        ----------
        dataRef, selectDataList
            As for `runDataRef`.
        warpRefList
            Handles of the warps that will be combined.
        """
        return Struct()

    def makeSupplementaryDataGen3(
        self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]
    ) -> Struct:
        """Make what `run` of a subclass needs besides the warps, for `runQuantum`; here nothing.

        LSST has named it anew: a subclass may define `_makeSupplementaryData` in its place.

        Parameters
        ----------
        butlerQC
            The quantum's butler.
        inputRefs, outputRefs
            As for `runQuantum`; of the warps those of chosen visits.
        """
        return self._makeSupplementaryData(butlerQC, inputRefs, outputRefs)

    def _makeSupplementaryData(
        self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]
    ) -> Struct:
        return Struct()

    def _assemble(
        self,
        skyInfo: Struct,
        prepared: Struct,
        supplementaryData: Struct,
        brightObjectMask: Any,
        dataId: Mapping[str, Any],
    ) -> Struct:
        """Return what `run` makes of prepared warps, with a finished coadd."""
        result = self.run(
            skyInfo,
            prepared.tempExpRefList,
            prepared.imageScalerList,
            prepared.weightList,
            supplementaryData=supplementaryData,
        )
        coadd: Exposure = result.coaddExposure
        coadd.metadata = {
            **coadd.metadata,
            "NGIVEN": len(prepared.tempExpRefList) + len(prepared.skipped),
        }
        self.processResults(coadd, self.readBrightObjectMasks(brightObjectMask), dataId)
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


def _datasets(
    result: Struct, outputs: Mapping[str, DatasetType]
) -> Iterator[tuple[Any, DatasetType, Mapping[str, Any]]]:
    """Yield the results with their dataset types, and what their data IDs have more than the coadd's."""
    for field, kind in outputs.items():
        value: Any = getattr(result, field, None)
        if hasattr(value, "dataIds"):
            yield from ((one, kind, data_id) for one, data_id in zip(value, value.dataIds, strict=True))
        elif value is not None:
            yield value, kind, {}
