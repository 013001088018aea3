"""CoaddBaseTask: what all tasks that make coadds share."""

from __future__ import annotations

from collections.abc import Mapping

from butler.errors import did_you_mean
from connections.errors import ConfigError

from ..data_ref import DataRef
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask
from .coadd_mask_planes import COADD_MASK_PLANES

__all__ = ["CoaddBaseTask"]


class CoaddBaseTask(PipelineTask):
    """Names of datasets and of mask planes, and geometry of patches."""

    def getSkyInfo(self, patchRef: DataRef) -> Struct:
        """Return the geometry of a patch: ``skyMap, tractInfo, patchInfo, wcs, bbox`` (outer box).

        Parameters
        ----------
        patchRef
            The patch; ``skyMap`` is read.

        Raises
        ------
        LookupError
            Raised if the sky map has no such tract or patch.
        ButlerUserError
            Raised as by `Butler.get` if there is no sky map.
        """
        return make_sky_info(patchRef.get("skyMap"), patchRef.dataId["tract"], patchRef.dataId["patch"])

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
