"""ConsolidateVisitSummaryTask: the quality numbers of all detectors of a visit in one table."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
from astropy.table import Table

from butler.images import ExposureSummaryStats
from connections import Input, Output, PipelineTaskConnections

from ..config import Config
from ..pipeline_task_config import PipelineTaskConfig
from ..struct import Struct
from ..task import PipelineTask

__all__ = [
    "ConsolidateVisitSummaryConfig",
    "ConsolidateVisitSummaryConnections",
    "ConsolidateVisitSummaryTask",
]

_UNITS: Final = {
    "psfSigma": "pix", "psfArea": "pix2", "psfIxx": "pix2", "psfIyy": "pix2", "psfIxy": "pix2", "ra": "deg",
    "dec": "deg", "raCorners": "deg", "decCorners": "deg", "pixelScale": "arcsec / pix",
    "zenithDistance": "deg", "expTime": "s", "zeroPoint": "mag", "zeroPointErr": "mag",
    "zeroPointScatter": "mag", "skyBg": "ct", "skyNoise": "ct", "meanVar": "ct2",
    "astromOffsetMean": "arcsec",
    "astromOffsetStd": "arcsec", "psfStarDeltaSizeMedian": "pix", "psfStarDeltaSizeScatter": "pix",
    "psfTraceRadiusDelta": "pix", "maxDistToNearestPsf": "pix", "starUnNormalizedEMedian": "pix2",
    "effTime": "s", "magLim": "mag", "mjd": "d",
}  # fmt: skip


class ConsolidateVisitSummaryConnections(PipelineTaskConnections, dimensions=("instrument", "visit")):
    """Datasets of `ConsolidateVisitSummaryTask`."""

    calexp: Input = Input(
        name="calexp",
        storageClass="ExposureF",
        dimensions=("instrument", "visit", "detector"),
        doc="calibrated exposures of the visit's detectors, of which no pixel is read",
        multiple=True,
        deferLoad=True,
    )
    visitSummary: Output = Output(
        name="visitSummary",
        storageClass="ExposureCatalog",
        dimensions=("instrument", "visit"),
        doc="place and quality of each detector image, one row per detector",
    )


class ConsolidateVisitSummaryConfig(
    PipelineTaskConfig, pipelineConnections=ConsolidateVisitSummaryConnections
):
    """There is nothing to choose."""


class ConsolidateVisitSummaryTask(PipelineTask):
    """Gathers quality numbers, boxes, WCSs and calibrations of a visit's detector images."""

    ConfigClass: ClassVar[type[Config]] = ConsolidateVisitSummaryConfig
    _DefaultName: ClassVar[str] = "consolidateVisitSummary"

    def run(self, calexp: Sequence[Any]) -> Struct:
        """Make the table.

        Parameters
        ----------
        calexp
            Handles of the detector images, in any order; only their headers are read.

        Returns
        -------
        result
            ``visitSummary``: a row per detector, ordered by ``id``, the number of the detector. Columns are
            the numbers of `ExposureSummaryStats`, the box (inclusive corners ``bbox_min_x`` ...), the WCS as
            cards of its header and the calibration of its pixels as `PhotoCalib.to_dict` gives it, both in
            JSON (empty if there is none), and ``mjd``, the middle of the exposure in TAI.
        """
        rows = sorted((_row(handle) for handle in calexp), key=lambda row: row["id"])
        table = Table({name: [row[name] for row in rows] for name in rows[0]})
        for name, unit in _UNITS.items():
            table[name].unit = unit
        return Struct(visitSummary=table)


def _row(handle: Any) -> dict[str, Any]:
    """Return the row of one detector image."""
    data_id = handle.dataId
    stats = handle.get(component="summaryStats") or ExposureSummaryStats()
    label, visit = handle.get(component="filter"), handle.get(component="visitInfo")
    wcs, bbox = handle.get(component="wcs"), handle.get(component="bbox")
    calib = handle.get(component="photoCalib")
    return {
        "id": int(data_id["detector"]),
        "visit": int(data_id["visit"]),
        "physical_filter": str(label.physical or "") if label else "",
        "band": str(label.band or "") if label else "",
        "bbox_min_x": bbox.minX,
        "bbox_min_y": bbox.minY,
        "bbox_max_x": bbox.maxX,
        "bbox_max_y": bbox.maxY,
        "mjd": visit.date.tai.mjd if visit and visit.date is not None else math.nan,
        **{name: np.array(v) if isinstance(v, tuple) else v for name, v in stats.to_dict().items()},
        "wcs": json.dumps(wcs.to_header()) if wcs else "",
        "photoCalib": json.dumps(calib.to_dict()) if calib else "",
    }
