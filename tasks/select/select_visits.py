"""Choice of visits by seeing, for the coadd of a patch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from butler.errors import did_you_mean
from butler.regions import SkyRegion
from connections.errors import NoWorkFound

from ..config import Config
from ..errors import TaskError
from ..sky_info import make_sky_info
from ..struct import Struct
from ..task import PipelineTask
from ..timer import timeMethod
from .psf_wcs_select_images import seeing_of
from .select_visits_config import (
    BestSeeingQuantileSelectVisitsConfig,
    BestSeeingSelectVisitsConfig,
    SelectVisitsConfig,
)
from .wcs_select_images import corners_on_sky, hull_of

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["BestSeeingQuantileSelectVisitsTask", "BestSeeingSelectVisitsTask"]

Statistic = Callable[[Any], Any]


@dataclass(slots=True)
class _Visit:
    """A visit and what becomes of it."""

    number: int
    fwhm: float
    mjd: float
    reason: str
    rank: int = -1


class SelectVisitsTask(PipelineTask):
    """What the choices of visits share: limits, overlap, order and record."""

    ConfigClass: ClassVar[type[Config]] = SelectVisitsConfig
    statistic: ClassVar[Statistic]
    """What stands for the FWHM of all detectors of a visit."""
    limitsBelong: ClassVar[bool] = True
    """Whether a visit at the very limit of the dates is taken."""

    def runQuantum(self, butlerQC: Any, inputRefs: Mapping[str, Any], outputRefs: Mapping[str, Any]) -> None:
        """Choose the visits of one patch, and write them.

        Raises
        ------
        NoWorkFound
            Raised if no visit is left.
        """
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        skyInfo = make_sky_info(inputs["skyMap"], data_id["tract"], data_id["patch"])
        butlerQC.put(self.run(inputs["visitSummaries"], skyInfo), outputRefs)

    @timeMethod
    def run(self, visitSummaries: Sequence[Any], skyInfo: Struct) -> Struct:
        """Choose visits.

        Parameters
        ----------
        visitSummaries
            Handles of the summaries; their data IDs have ``visit``. One is read at a time.
        skyInfo
            Geometry of the patch: ``wcs`` and ``bbox`` (its outer box) are used.

        Returns
        -------
        result
            ``goodVisits``: chosen visits by number, best seeing first, each True. ``visitRecord``: a table of
            all visits with ``visit``, ``fwhm`` (arcseconds), ``mjd``, ``rank`` among those within the limits
            (-1 for others), ``selected``, and ``reason``, empty for those that were chosen.

        Raises
        ------
        NoWorkFound
            Raised if no visit is left; the message says why.
        TaskError
            Raised if the config names a column that a summary does not have.
        """
        patch = hull_of(corners_on_sky(skyInfo.wcs, skyInfo.bbox))
        if patch is None:
            raise TaskError(f"the corners of the patch {skyInfo.bbox} have no convex hull on the sky")
        visits = [self._judged(int(handle.dataId["visit"]), handle.get(), patch) for handle in visitSummaries]
        ranked = sorted((v for v in visits if not v.reason), key=lambda v: (v.fwhm, v.number))
        kept = self._kept(len(ranked))
        for rank, visit in enumerate(ranked):
            visit.rank = rank
            if rank not in kept:
                visit.reason = f"rank {rank + 1} of {len(ranked)} in seeing; taken are {_told(kept)}"
        for visit in visits:
            if visit.reason:
                self.log.info("visit %d is dropped: %s", visit.number, visit.reason)
        chosen = [visit.number for visit in ranked if not visit.reason]
        self.metadata["selected"] = chosen
        self.metadata["rejected"] = {str(visit.number): visit.reason for visit in visits if visit.reason}
        if not chosen:
            reasons = "; ".join(f"visit {visit.number}: {visit.reason}" for visit in visits)
            raise NoWorkFound(f"no visit is left for the coadd: {reasons or 'there are none'}")
        return Struct(goodVisits=dict.fromkeys(chosen, True), visitRecord=_record(visits))

    def _judged(self, number: int, summary: Any, patch: SkyRegion) -> _Visit:
        """Return a visit with the reason why it is out of the limits, if it is."""
        known = np.isfinite(np.asarray(summary["raCorners"])).all(axis=1)
        fwhm = np.asarray(seeing_of(summary), dtype=float)[known]
        fwhm = fwhm[np.isfinite(fwhm)]
        mjd = np.asarray(summary["mjd"], dtype=float)
        mjd = mjd[np.isfinite(mjd)]
        visit = _Visit(
            number,
            float(type(self).statistic(fwhm)) if len(fwhm) else math.nan,
            float(mjd.mean()) if len(mjd) else math.nan,
            "",
        )
        visit.reason = self._limit_fault(visit) or self._summary_fault(summary, patch)
        return visit

    def _limit_fault(self, visit: _Visit) -> str:
        config = self.config
        if not math.isfinite(visit.fwhm):
            return "its FWHM is not known"
        if config.maxPsfFwhm and visit.fwhm > config.maxPsfFwhm:
            return f"its FWHM is {visit.fwhm:.3f} arcsec, above {config.maxPsfFwhm:g}"
        if config.minPsfFwhm and visit.fwhm < config.minPsfFwhm:
            return f"its FWHM is {visit.fwhm:.3f} arcsec, below {config.minPsfFwhm:g}"
        if (config.minMJD or config.maxMJD) and math.isnan(visit.mjd):
            return "its date is not known"
        for limit, excess in ((config.minMJD, -1.0), (config.maxMJD, 1.0)):
            beyond = excess * (visit.mjd - (limit or 0.0))
            if limit and (beyond > 0 or (beyond == 0 and not self.limitsBelong)):
                return f"its MJD is {visit.mjd:.5f}, {'after' if excess > 0 else 'before'} {limit}"
        return ""

    def _summary_fault(self, summary: Any, patch: SkyRegion) -> str:
        if self.config.doConfirmOverlap and not _overlaps(summary, patch):
            return "none of its detector images touches the patch"
        for column, least in (self.config.visitSummaryMinValues or {}).items():
            if column not in summary.colnames:
                raise TaskError(
                    f"visitSummaryMinValues: visit summaries have no column {column!r}"
                    f"{did_you_mean(column, summary.colnames)}"
                )
            values = np.asarray(summary[column], dtype=float)
            values = values[np.isfinite(values)]
            mean = float(values.mean()) if len(values) else math.nan
            if not mean >= least:
                return f"its mean {column} is {mean:.4g}, below {least:g}"
        return ""

    def _kept(self, n_visits: int) -> range:
        """Return the ranks of the visits that are taken."""
        raise NotImplementedError


class BestSeeingSelectVisitsTask(SelectVisitsTask):
    """Takes the visits of best seeing, up to a number; the seeing of a visit is the mean of its detectors."""

    ConfigClass: ClassVar[type[Config]] = BestSeeingSelectVisitsConfig
    _DefaultName: ClassVar[str] = "bestSeeingSelectVisits"
    statistic: ClassVar[Statistic] = np.mean

    def _kept(self, n_visits: int) -> range:
        most = self.config.nVisitsMax
        return range(n_visits if most < 0 else min(most, n_visits))


class BestSeeingQuantileSelectVisitsTask(SelectVisitsTask):
    """Takes the visits between two quantiles of seeing; that of a visit is the median of its detectors."""

    ConfigClass: ClassVar[type[Config]] = BestSeeingQuantileSelectVisitsConfig
    _DefaultName: ClassVar[str] = "bestSeeingQuantileSelectVisits"
    statistic: ClassVar[Statistic] = np.median
    limitsBelong: ClassVar[bool] = False

    def _kept(self, n_visits: int) -> range:
        config = self.config
        low = min(round(config.qMin * n_visits), max(0, n_visits - config.nVisitsMin))
        return range(low, min(max(round(config.qMax * n_visits), config.nVisitsMin), n_visits))


def _overlaps(summary: Any, patch: SkyRegion) -> bool:
    """Tell whether any detector image touches the patch."""
    for ra, dec in zip(summary["raCorners"], summary["decCorners"], strict=True):
        hull = hull_of(list(zip(np.asarray(ra), np.asarray(dec), strict=True)))
        if hull is not None and hull.overlaps(patch):
            return True
    return False


def _told(ranks: range) -> str:
    return f"ranks {ranks.start + 1} to {ranks.stop}" if ranks else "none"


def _record(visits: Sequence[_Visit]) -> Table:
    """Return the table of what became of each visit, by number."""
    ordered = sorted(visits, key=lambda visit: visit.number)
    from astropy.table import Table

    table = Table(
        {
            "visit": [visit.number for visit in ordered],
            "fwhm": [visit.fwhm for visit in ordered],
            "mjd": [visit.mjd for visit in ordered],
            "rank": [visit.rank for visit in ordered],
            "selected": [not visit.reason for visit in ordered],
            "reason": [visit.reason for visit in ordered],
        }
    )
    table["fwhm"].unit, table["mjd"].unit = "arcsec", "d"
    return table
