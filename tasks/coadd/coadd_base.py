"""CoaddBaseTask: what all tasks that make coadds share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from butler import DatasetRef
from butler.errors import did_you_mean
from connections.errors import ConfigError

from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask
from .coadd_mask_planes import COADD_MASK_PLANES
from .patch_ref import PatchRef

__all__ = ["CoaddBaseTask"]


class CoaddBaseTask(PipelineTask):
    """Names of datasets, geometry of patches, and choice of warps."""

    def getSkyInfo(self, skyMap: Any, dataId: Mapping[str, Any]) -> Struct:
        """Return the geometry of a patch: ``skyMap, tractInfo, patchInfo, wcs, bbox`` (outer box).

        Raises
        ------
        LookupError
            Raised if the sky map has no such tract or patch.
        """
        return make_sky_info(skyMap, dataId["tract"], dataId["patch"])

    def filterWarps(self, inputs: Iterable[Any], goodVisits: Iterable[Any]) -> list[Any]:
        """Return the handles of the visits in ``goodVisits``, in its order; some may have none."""
        handles = list(inputs)
        return [h for visit in goodVisits for h in handles if h.dataId["visit"] == int(visit)]

    def selectExposures(
        self, patchRef: PatchRef, skyInfo: Struct | None = None, selectDataList: Sequence[Any] = ()
    ) -> list[DatasetRef]:
        """Return the calibrated detector images whose region meets a patch.

        Parameters
        ----------
        patchRef
            The patch, and where to look.
        skyInfo
            Not needed: the registry knows the regions of both.
        selectDataList
            Data IDs or refs; if there are any, only images that one of them names in full or in part.
        """
        found = patchRef.butler.query_datasets(
            "calexp",
            list(patchRef.collections),
            data_id=dict(patchRef.dataId),
            explain=False,
        )
        wanted = [dict(getattr(given, "dataId", given)) for given in selectDataList]
        return [
            ref
            for ref in found
            if not wanted or any(all(ref.dataId.get(k, v) == v for k, v in ids.items()) for ids in wanted)
        ]

    def getTempExpRefList(self, patchRef: PatchRef, calExpRefList: Sequence[DatasetRef]) -> list[DatasetRef]:
        """Return the warps of a patch that were made of visits among some detector images."""
        visits = {(ref.dataId["instrument"], ref.dataId["visit"]) for ref in calExpRefList}
        warps = patchRef.butler.query_datasets(
            self.getTempExpDatasetName(getattr(self.config, "warpType", "direct")),
            list(patchRef.collections),
            data_id=dict(patchRef.dataId),
            explain=False,
        )
        return [ref for ref in warps if (ref.dataId["instrument"], ref.dataId["visit"]) in visits]

    def getCoaddDatasetName(self, warpType: str = "direct") -> str:
        """Return the dataset type of the coadd of ``direct`` or ``psfMatched`` warps."""
        return f"{self._coadd_name()}Coadd" + ("" if warpType == "direct" else "PsfMatched")

    def getTempExpDatasetName(self, warpType: str = "direct") -> str:
        """Return the dataset type of ``direct`` or ``psfMatched`` warps."""
        return f"{self._coadd_name()}Coadd_{warpType}Warp"

    def getBadPixelMask(self, planes: Mapping[str, int] = COADD_MASK_PLANES) -> int:
        """Return the bit mask of the planes whose pixels are left out.

        Parameters
        ----------
        planes
            Bit number of each mask plane.

        Raises
        ------
        ConfigError
            Raised if the config names a mask plane that does not exist.
        """
        bits = 0
        for name in self.config.badMaskPlanes:
            bits |= 1 << self.plane_bit(name, planes)
        return bits

    def plane_bit(self, name: str, planes: Mapping[str, int]) -> int:
        """Return the bit number of a plane that the config names.

        Raises
        ------
        ConfigError
            Raised if there is no such plane, with the nearest name.
        """
        if name not in planes:
            raise ConfigError(f"no warp has the mask plane {name!r}{did_you_mean(name, planes)}")
        return planes[name]

    def _coadd_name(self) -> str:
        default = self.config.ConnectionsClass.defaultTemplates["coaddName"]
        return str(self.config.connections.get("coaddName", default))
