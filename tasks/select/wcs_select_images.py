"""WcsSelectImagesTask: the detector images that lie on a patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from butler.images import Box2I, SkyWcs
from butler.regions import SkyRegion

from ..config import Config
from ..task import Task

__all__ = ["WcsSelectImagesConfig", "WcsSelectImagesTask", "corners_on_sky", "hull_of"]


class WcsSelectImagesConfig(Config):
    """Which detector images are never taken."""

    excludeDetectors: tuple[int, ...] = Field(default=(), description="numbers of detectors to leave out")


class WcsSelectImagesTask(Task):
    """Takes the detector images whose corners' hull on the sky touches that of a patch; no pixel is read."""

    ConfigClass: ClassVar[type[Config]] = WcsSelectImagesConfig
    _DefaultName: ClassVar[str] = "selectImages"

    def run(
        self,
        wcsList: Sequence[SkyWcs | None],
        bboxList: Sequence[Box2I],
        coordList: Sequence[tuple[float, float]],
        dataIds: Sequence[Mapping[str, Any]],
        visitSummary: Any = None,
    ) -> list[int]:
        """Choose detector images.

        Why others were left out is logged, and kept in the metadata as ``rejected``.

        Parameters
        ----------
        wcsList, bboxList, dataIds
            WCS, box and data ID (``visit`` and ``detector``) of each image.
        coordList
            Corners ``(ra, dec)`` of the patch, ICRS degrees.
        visitSummary
            Table of the visit's quality; not used here.

        Returns
        -------
        chosen
            Indices of the chosen images, ascending.
        """
        patch = SkyRegion.from_polygon(*np.transpose(coordList))
        chosen, rejected = [], {}
        for i, (wcs, bbox, data_id) in enumerate(zip(wcsList, bboxList, dataIds, strict=True)):
            reason = self._fault(wcs, bbox, patch, int(data_id["detector"]), visitSummary)
            if not reason:
                chosen.append(i)
                continue
            name = f"visit {data_id['visit']}, detector {data_id['detector']}"
            rejected[name] = reason
            self.log.info("%s is left out: %s", name, reason)
        self.metadata["rejected"] = rejected
        return chosen

    def _fault(
        self, wcs: SkyWcs | None, bbox: Box2I, patch: SkyRegion, detector: int, visitSummary: Any
    ) -> str:
        """Return why an image is left out; empty if it is taken."""
        if detector in self.config.excludeDetectors:
            return "its detector is in excludeDetectors"
        if wcs is None:
            return "it has no WCS"
        hull = hull_of(corners_on_sky(wcs, bbox))
        if hull is None:
            return "its corners have no convex hull on the sky"
        return "" if hull.overlaps(patch) else "it lies beside the patch"


def corners_on_sky(wcs: SkyWcs, bbox: Box2I) -> list[tuple[float, float]]:
    """Return the outer corners ``(ra, dec)`` of a box, ICRS degrees; NaN where undefined."""
    ra, dec = wcs.pixelToSky(*np.transpose(bbox.corners))
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


def hull_of(corners: Sequence[tuple[float, float]]) -> SkyRegion | None:
    """Return the convex hull of positions ``(ra, dec)``; None if they have none."""
    try:
        return SkyRegion.from_polygon(*np.transpose(corners))
    except ValueError:
        return None
