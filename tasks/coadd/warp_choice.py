"""WarpChoiceTask: which warps go into a coadd, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from butler import DatasetRef
from butler.errors import DimensionNameError, did_you_mean
from butler.images import Box2I
from connections.errors import NoWorkFound

from ..data_ref import DataRef
from ..errors import TaskError, WarpWeightError
from ..struct import Struct
from .coadd_base import CoaddBaseTask
from .scale_zero_point import ScaleZeroPointTask
from .warp_handle import WarpHandle
from .warp_pixels import check_warp_geometry, check_warp_unit, describe_data_id, read_warp
from .warp_visits import of_same_visits
from .warp_weight import measure_weight

__all__ = ["WarpChoiceTask"]

_MAX_MAPS: Final = 100
"""Warps whose files stay mapped from one pass to the next."""


class WarpChoiceTask(CoaddBaseTask):
    """Chooses the warps of a patch by visit, weight and fit."""

    scaleZeroPoint: ScaleZeroPointTask

    def filterWarps(self, inputs: Iterable[Any], goodVisits: Iterable[Any]) -> list[Any]:
        """Return the handles of the visits in ``goodVisits``, in its order; some may have none."""
        handles = list(inputs)
        return [h for visit in goodVisits for h in handles if h.dataId["visit"] == int(visit)]

    def selectExposures(
        self,
        patchRef: DataRef,
        skyInfo: Struct | None = None,
        selectDataList: Iterable[Any] | None = None,
    ) -> list[DatasetRef]:
        """Return the calibrated detector images whose region meets a patch.

        Parameters
        ----------
        patchRef
            The patch, and where to look.
        skyInfo
            Not needed: the registry knows the regions of both.
        selectDataList
            Data IDs or refs; only images that one of them names in full or in part. None for all images.

        Raises
        ------
        DimensionNameError
            Raised if a data ID has a key that is no dimension, with the nearest.
        """
        found = patchRef.query("calexp")
        if selectDataList is None:
            return found
        wanted = [dict(getattr(given, "dataId", given)) for given in selectDataList]
        dimensions = patchRef.butler.dimensions.names
        for key in {key for ids in wanted for key in ids}:
            if key not in dimensions:
                raise DimensionNameError(f"{key!r} is no dimension{did_you_mean(key, dimensions)}")
        return [
            ref
            for ref in found
            if any(ids.items() <= {**patchRef.dataId, **ref.dataId}.items() for ids in wanted)
        ]

    def getTempExpRefList(self, patchRef: DataRef, calExpRefList: Sequence[DatasetRef]) -> list[DatasetRef]:
        """Return the warps of a patch that were made of visits among some detector images."""
        return of_same_visits(patchRef.query(self.getTempExpDatasetName(self.config.warpType)), calExpRefList)

    def warps_of(
        self,
        dataRef: DataRef,
        skyInfo: Struct,
        selectDataList: Sequence[Any] | None,
        warpRefList: Sequence[Any] | None,
    ) -> list[Any]:
        """Return handles of the warps that `AssembleCoaddTask.runDataRef` is asked to combine.

        Raises
        ------
        TaskError
            Raised if both lists are given, or if visits are to be chosen and no choice is there.
        """
        if selectDataList is not None and warpRefList is not None:
            raise TaskError("give selectDataList or warpRefList, not both: they may mean different warps")
        if selectDataList is not None:
            exposures = self.selectExposures(dataRef, skyInfo, selectDataList)
            warpRefList = self.getTempExpRefList(dataRef, exposures)
        elif warpRefList is None:
            warpRefList = dataRef.query(self.getTempExpDatasetName(self.config.warpType))
        if self.config.doSelectVisits:
            visits = self.config.resolved_connections().inputs["selectedVisits"].name
            choices = dataRef.handles(visits)
            if not choices:
                where = describe_data_id(dataRef.dataId)
                raise TaskError(f"no {visits} of {where}: run a selection task, or set doSelectVisits=False")
            warpRefList = self.of_chosen_visits(warpRefList, choices)
        return [
            dataRef.butler.getDeferred(ref) if isinstance(ref, DatasetRef) else ref for ref in warpRefList
        ]

    def of_chosen_visits(self, warps: Sequence[Any], choices: Sequence[Any]) -> list[Any]:
        """Return the warps of chosen visits in the order of the choice, instrument by instrument."""
        chosen = []
        for choice in choices:
            own = [warp for warp in warps if warp.dataId["instrument"] == choice.dataId["instrument"]]
            chosen += self.filterWarps(own, choice.get())
        left_out = [describe_data_id(warp.dataId) for warp in warps if warp not in chosen]
        self.metadata["unselectedWarps"] = left_out
        self.log.info("%d of %d warps are of chosen visits", len(chosen), len(warps))
        return chosen

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

    def prepare_warps(self, handles: Sequence[Any], skyInfo: Struct, dataId: Mapping[str, Any]) -> Struct:
        """Return the warps that can be used, as from `prepareInputs`, read through handles that remember.

        Raises
        ------
        NoWorkFound
            Raised if there are none.
        """
        warps = [WarpHandle(handle, keeps_map=i < _MAX_MAPS) for i, handle in enumerate(handles)]
        prepared = self.prepareInputs(warps, skyInfo.bbox)
        self.metadata["skippedWarps"] = prepared.skipped
        if not prepared.tempExpRefList:
            reasons = "; ".join(prepared.skipped) or "there are no warps"
            raise NoWorkFound(f"no warp of {describe_data_id(dataId)} can be used: {reasons}")
        return prepared

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
