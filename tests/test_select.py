"""Tests of the choice of detector images and visits: each cut against what it must do to a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from ccd_frames import PIXEL_SCALE, box, make_wcs
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.handles import InMemoryDatasetHandle
from butler.images import (
    Exposure,
    ExposureSummaryStats,
    FilterLabel,
    MaskedImage,
    PhotoCalib,
    VisitInfo,
)
from connections.errors import ConfigError, NoWorkFound
from tasks.coadd import AssembleCoaddTask
from tasks.errors import TaskError
from tasks.process_ccd import ConsolidateVisitSummaryTask
from tasks.select import (
    BestSeeingQuantileSelectVisitsConfig,
    BestSeeingQuantileSelectVisitsTask,
    BestSeeingSelectVisitsConfig,
    BestSeeingSelectVisitsTask,
    PsfWcsSelectImagesConfig,
    PsfWcsSelectImagesTask,
    WcsSelectImagesConfig,
    WcsSelectImagesTask,
)
from tasks.struct import Struct

SIGMA_OF_ARCSEC = 1.0 / (PIXEL_SCALE * 3600 * 2 * math.sqrt(2 * math.log(2)))
PATCH_WCS = make_wcs(crpix=(100.0, 100.0))
PATCH = box(200, 200)
SKY_INFO = Struct(wcs=PATCH_WCS, bbox=PATCH)
GOOD = {
    "psfSigma": SIGMA_OF_ARCSEC,
    "pixelScale": PIXEL_SCALE * 3600,
    "psfStarDeltaE1Median": 0.001,
    "psfStarDeltaE2Median": -0.002,
    "psfStarDeltaSizeScatter": 0.01,
    "psfStarScaledDeltaSizeScatter": 0.005,
    "psfTraceRadiusDelta": 0.1,
    "psfApFluxDelta": 0.05,
    "psfApCorrSigmaScaledDelta": 0.05,
    "nPsfStar": 50,
    "starEMedian": 0.05,
    "starUnNormalizedEMedian": 0.5,
    "effTimeZeroPointScale": 0.9,
}


def corners(x: float, y: float, size: float = 100.0) -> dict[str, Any]:
    """Return the corners of a square whose first corner lies at a position of the patch."""
    ra, dec = PATCH_WCS.pixelToSky([x, x + size, x + size, x], [y, y, y + size, y + size])
    return {"raCorners": ra, "decCorners": dec}


def summary(*rows: Mapping[str, Any], **common: Any) -> Table:
    """Make a visit summary: good rows on the patch, but for what is said."""
    full = [
        {"id": i, "band": "r", "mjd": 60000.0, **corners(50, 50), **GOOD, **common, **row}
        for i, row in enumerate(rows or [{}])
    ]
    return Table({name: [row[name] for row in full] for name in full[0]})


def choose_images(
    table: Table | None, config: dict[str, Any] | None = None, n: int = 1
) -> tuple[list[int], Any]:
    """Choose among images on the patch by their PSF; return indices and reasons."""
    task = PsfWcsSelectImagesTask(PsfWcsSelectImagesConfig().updated(config or {}))
    ids = [{"visit": 7, "detector": i} for i in range(n)]
    patch = list(zip(*PATCH_WCS.pixelToSky(*np.transpose(PATCH.corners)), strict=True))
    chosen = task.run([make_wcs()] * n, [box(200, 200)] * n, patch, ids, table)
    return chosen, task.metadata["rejected"]


def choose_visits(tables: Mapping[int, Table], config: dict[str, Any] | None = None, **more: Any) -> Struct:
    """Choose visits by seeing."""
    quantile = more.get("quantile", False)
    task = BestSeeingQuantileSelectVisitsTask if quantile else BestSeeingSelectVisitsTask
    settings_ = BestSeeingQuantileSelectVisitsConfig if quantile else BestSeeingSelectVisitsConfig
    handles = [
        InMemoryDatasetHandle(table, {"instrument": "CAM", "visit": visit}, "ExposureCatalog")
        for visit, table in tables.items()
    ]
    result: Struct = task(settings_().updated(config or {})).run(handles, SKY_INFO)
    return result


# Detector images.


@given(st.floats(-400, 400), st.floats(-400, 400), st.floats(0, 3))
@settings(deadline=None, max_examples=40)
def test_overlap_is_that_of_the_pixels(x: float, y: float, rotation: float) -> None:
    """An image is taken if one of its pixels falls on the patch, and not if it lies clearly beside it."""
    wcs = make_wcs(crpix=(60.0 - x, 60.0 - y), rotation=rotation)
    patch = list(zip(*PATCH_WCS.pixelToSky(*np.transpose(PATCH.corners)), strict=True))
    chosen = WcsSelectImagesTask().run([wcs], [box(120, 120)], patch, [{"visit": 1, "detector": 0}])
    rows, columns = np.indices((120, 120))
    u, v = PATCH_WCS.skyToPixel(*wcs.pixelToSky(columns.ravel(), rows.ravel()))
    beyond = np.hypot(np.maximum(np.abs(u - 99.5) - 100, 0), np.maximum(np.abs(v - 99.5) - 100, 0))
    if beyond.min() == 0:
        assert chosen == [0]
    elif beyond.min() > 2:
        assert chosen == []


def test_images_without_wcs_and_excluded_detectors_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Indices are those of the list that was given, and each image that is left out has a reason."""
    caplog.set_level("INFO")
    far = make_wcs(crval=(200.0, -50.0))
    ids = [{"visit": 7, "detector": i} for i in range(4)]
    task = WcsSelectImagesTask(WcsSelectImagesConfig(excludeDetectors=(2,)))
    patch = list(zip(*PATCH_WCS.pixelToSky(*np.transpose(PATCH.corners)), strict=True))
    chosen = task.run([None, far, make_wcs(), make_wcs()], [box(200, 200)] * 4, patch, ids)
    assert chosen == [3]
    assert task.metadata["rejected"] == {
        "visit 7, detector 0": "it has no WCS",
        "visit 7, detector 1": "it lies beside the patch",
        "visit 7, detector 2": "its detector is in excludeDetectors",
    }
    assert "visit 7, detector 1 is left out: it lies beside the patch" in caplog.text


CUTS = [
    ({"psfSigma": 1.81 * SIGMA_OF_ARCSEC}, "FWHM in arcseconds is 1.81, above 1.8", {"maxPsfFwhm": 0}),
    ({"psfStarDeltaE1Median": 0.0075}, "residual distortion is 0.007", {"maxEllipResidual": None}),
    ({"psfStarScaledDeltaSizeScatter": 0.02}, "SizeScatter is 0.02, above", {"maxScaledSizeScatter": 0}),
    ({"psfTraceRadiusDelta": 0.71}, "psfTraceRadiusDelta is 0.71", {"maxPsfTraceRadiusDelta": None}),
    ({"psfApFluxDelta": 0.25}, "psfApFluxDelta is 0.25", {"maxPsfApFluxDelta": None}),
    ({"psfApCorrSigmaScaledDelta": 0.23}, "Delta is 0.23", {"maxPsfApCorrSigmaScaledDelta": None}),
    ({"nPsfStar": 5}, "nPsfStar is 5, below 6", {"minNPsfStarPerBand": {"r": 5, "fallback": 9}}),
    ({"starEMedian": 0.41}, "starEMedian is 0.41", {"maxStarEPerBand": {"r": 0.5, "fallback": 0.1}}),
    (
        {"starUnNormalizedEMedian": 2.9},
        "starUnNormalizedEMedian is 2.9",
        {"maxStarUnNormalizedEPerBand": {"r": 3.0, "fallback": 0.1}},
    ),
]


@pytest.mark.parametrize(("fault", "reason", "lenient"), CUTS, ids=[next(iter(cut[0])) for cut in CUTS])
def test_each_cut_drops_what_is_beyond_it(
    fault: dict[str, Any], reason: str, lenient: dict[str, Any]
) -> None:
    """An image just beyond LSST's limit is dropped for that reason, and taken without it."""
    chosen, rejected = choose_images(summary({}, fault), n=2)
    assert chosen == [0]
    assert list(rejected) == ["visit 7, detector 1"]
    assert reason in rejected["visit 7, detector 1"]
    assert choose_images(summary({}, fault), lenient, n=2)[0] == [0, 1]


def test_unknown_numbers_are_beyond_every_limit() -> None:
    """NaN in any column that is looked at drops the image."""
    for name in [name for name in GOOD if name not in ("nPsfStar", "effTimeZeroPointScale")]:
        if name != "psfStarDeltaSizeScatter":
            assert choose_images(summary({name: math.nan}))[0] == [], name
    assert choose_images(summary({"psfStarDeltaSizeScatter": math.nan}))[0] == [0]
    assert choose_images(summary({"psfStarDeltaSizeScatter": math.nan}), {"maxSizeScatter": 0.1})[0] == []


def test_an_image_without_a_row_is_dropped_and_others_keep_their_places() -> None:
    """A missing row of the summary does not shift the choice of other detectors."""
    table = summary({}, {}, {})
    table.remove_row(1)
    chosen, rejected = choose_images(table, n=3)
    assert chosen == [0, 2]
    assert rejected == {"visit 7, detector 1": "the visit summary has 0 rows of it"}
    with pytest.raises(TaskError, match="run consolidateVisitSummary first"):
        choose_images(None)


def test_limits_by_band_need_a_fallback() -> None:
    """A dictionary of bands without the key for others is refused."""
    with pytest.raises(ConfigError, match="fallback"):
        PsfWcsSelectImagesConfig(maxStarEPerBand={"r": 0.1})


# Visits.


def seeing(arcsec: float) -> dict[str, Any]:
    return {"psfSigma": arcsec * SIGMA_OF_ARCSEC}


def test_visits_come_best_seeing_first() -> None:
    """The order is that of the seeing, then of the numbers; the rest is dropped and told why."""
    tables = {
        visit: summary(seeing(fwhm)) for visit, fwhm in {5: 1.2, 9: 0.8, 2: 1.0, 1: 1.2, 7: 1.45}.items()
    }
    result = choose_visits(tables, {"nVisitsMax": 3})
    assert list(result.goodVisits.items()) == [(9, True), (2, True), (1, True)]
    record = result.visitRecord
    assert list(record["visit"]) == [1, 2, 5, 7, 9]
    assert list(record["rank"]) == [2, 1, 3, 4, 0]
    assert list(record["selected"]) == [True, True, False, False, True]
    assert record["reason"][3] == "rank 5 of 5 in seeing; taken are ranks 1 to 3"
    assert record["fwhm"][4] == pytest.approx(0.8)
    assert list(choose_visits(tables, {"nVisitsMax": -1}).goodVisits) == [9, 2, 1, 5, 7]


VISIT_CUTS = [
    (seeing(1.6), {}, "FWHM is 1.600 arcsec, above 1.5", {"maxPsfFwhm": 0}),
    (seeing(0.5), {"minPsfFwhm": 0.6}, "FWHM is 0.500 arcsec, below 0.6", {"minPsfFwhm": None}),
    ({"mjd": 59000.0}, {"minMJD": 59999.0}, "before 59999", {"minMJD": 58000.0}),
    ({"mjd": 61000.0}, {"maxMJD": 60001.0}, "after 60001", {"maxMJD": 62000.0}),
    ({"mjd": math.nan}, {"maxMJD": 60001.0}, "date is not known", {"maxMJD": None}),
    (corners(500, 0), {}, "touches the patch", {"doConfirmOverlap": False}),
    ({"raCorners": np.full(4, np.nan)}, {}, "FWHM is not known", None),
    ({"psfSigma": math.nan}, {"maxPsfFwhm": None}, "FWHM is not known", None),
    (
        {"effTimeZeroPointScale": 0.7},
        {"visitSummaryMinValues": {"effTimeZeroPointScale": 0.75}},
        "mean effTimeZeroPointScale is 0.7, below 0.75",
        {"visitSummaryMinValues": None},
    ),
    (
        {"effTimeZeroPointScale": math.nan},
        {"visitSummaryMinValues": {"effTimeZeroPointScale": 0.75}},
        "mean effTimeZeroPointScale is nan",
        {"visitSummaryMinValues": {}},
    ),
]


@pytest.mark.parametrize(("fault", "config", "reason", "lenient"), VISIT_CUTS, ids=[c[2] for c in VISIT_CUTS])
@pytest.mark.parametrize("quantile", [False, True])
def test_each_cut_of_visits(
    fault: dict[str, Any], config: dict[str, Any], reason: str, lenient: dict[str, Any] | None, quantile: bool
) -> None:
    """A visit beyond a limit is dropped for that reason, and taken without the limit."""
    strict = {"maxPsfFwhm": 1.5, **config}
    tables = {1: summary(), 2: summary(fault)}
    result = choose_visits(tables, strict, quantile=quantile)
    assert list(result.goodVisits) == [1]
    assert reason in result.visitRecord["reason"][1]
    assert result.visitRecord["rank"][1] == -1
    if lenient is not None:
        both = choose_visits(tables, {**strict, **lenient}, quantile=quantile)
        assert sorted(both.goodVisits) == [1, 2]


def test_seeing_of_a_visit_is_the_mean_or_the_median_of_its_detectors() -> None:
    """The first task takes the mean, the quantile task the median; detectors without place do not count."""
    table = summary(seeing(0.8), seeing(0.9), seeing(1.3), {**seeing(9.0), "raCorners": np.full(4, np.nan)})
    assert choose_visits({1: table}).visitRecord["fwhm"][0] == pytest.approx(1.0)
    assert choose_visits({1: table}, quantile=True).visitRecord["fwhm"][0] == pytest.approx(0.9)


def test_dates_at_the_limit() -> None:
    """The limits of the dates belong to what the first task takes, not to what the quantile task takes."""
    config = {"minMJD": 60000.0, "maxMJD": 60000.0}
    assert list(choose_visits({1: summary()}, config).goodVisits) == [1]
    with pytest.raises(NoWorkFound, match="before 60000"):
        choose_visits({1: summary()}, config, quantile=True)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(2, (0, 2), (0, 2)), (6, (0, 6), (0, 6)), (10, (0, 6), (4, 10)), (18, (0, 6), (12, 18)),
     (20, (0, 7), (13, 20)), (40, (0, 13), (26, 40)), (100, (0, 33), (66, 100))],
)  # fmt: skip
def test_quantiles(n: int, low: tuple[int, int], high: tuple[int, int]) -> None:
    """The best and the worst third are the slices that LSST takes."""
    table = {visit: summary(seeing(0.5 + 0.005 * visit)) for visit in range(n)}
    assert list(choose_visits(table, quantile=True).goodVisits) == list(range(*low))
    upper = choose_visits(table, {"qMin": 0.66, "qMax": 1.0}, quantile=True)
    assert list(upper.goodVisits) == list(range(*high))


def test_no_visit_left_is_no_work_and_says_why() -> None:
    """Where all are dropped the reasons of each are told."""
    with pytest.raises(NoWorkFound, match=r"visit 3: its FWHM is 1\.900 arcsec.*visit 4: none of its"):
        choose_visits({3: summary(seeing(1.9)), 4: summary(corners(900, 0))})


def test_a_column_that_does_not_exist_is_refused() -> None:
    """A misspelt column is told with the nearest name."""
    with pytest.raises(TaskError, match="no column 'efTime'"):
        choose_visits({3: summary()}, {"visitSummaryMinValues": {"efTime": 1.0}})


def test_visits_of_two_instruments_with_one_number_are_two() -> None:
    """The coadd takes the warps of chosen visits in the order of the choice, each of its own instrument."""
    keys = [("A", 1), ("B", 1), ("A", 2), ("B", 3), ("A", 4)]
    warps = [SimpleNamespace(dataId={"instrument": i, "visit": v, "patch": 0}) for i, v in keys]
    choices = [
        InMemoryDatasetHandle(chosen, {"instrument": name}, "StructuredDataDict")
        for name, chosen in (("A", {"4": True, "9": True, "2": True}), ("B", {"1": True}))
    ]
    task = AssembleCoaddTask()
    chosen = task.of_chosen_visits(warps, choices)
    assert [(w.dataId["instrument"], w.dataId["visit"]) for w in chosen] == [("A", 4), ("A", 2), ("B", 1)]
    assert len(task.metadata.getArray("unselectedWarps")) == 2


# Visit summaries.


def test_a_visit_summary_has_a_row_per_detector() -> None:
    """Rows are in the order of detectors, with all that is known of them but pixels, which are not read."""
    stats = ExposureSummaryStats(psfSigma=2.0, nPsfStar=30, raCorners=(1.0, 2.0, 3.0, 4.0))
    visit = VisitInfo(7, Time("2026-03-01T04:00:00", scale="tai"))
    calib = PhotoCalib(2.0, 0.1)
    handles = []
    for detector in (5, 2):
        exposure = Exposure(
            MaskedImage.from_bbox(box(20, 10, 3, 4)), wcs=make_wcs(), filter=FilterLabel("r", "R1"),
            visitInfo=visit, summaryStats=stats if detector == 5 else None,
            photoCalib=calib if detector == 5 else None,
        )  # fmt: skip
        key = {"instrument": "CAM", "visit": 7, "detector": detector}
        handles.append(_NoPixels(exposure, key, "ExposureF"))
    table = ConsolidateVisitSummaryTask().run(handles).visitSummary
    assert list(table["id"]) == [2, 5]
    assert list(table["psfSigma"])[1] == 2.0
    assert math.isnan(table["psfSigma"][0])
    assert (table["nPsfStar"][1], table["band"][1], table["physical_filter"][1]) == (30, "r", "R1")
    np.testing.assert_array_equal(table["raCorners"][1], [1, 2, 3, 4])
    assert [table[f"bbox_{name}"][0] for name in ("min_x", "min_y", "max_x", "max_y")] == [3, 4, 22, 13]
    assert table["photoCalib"][0] == ""
    assert PhotoCalib.from_dict(json.loads(table["photoCalib"][1])) == calib
    assert table["mjd"][0] == pytest.approx(visit.date.tai.mjd)
    assert table["psfSigma"].unit == "pix"
    assert set(ExposureSummaryStats.names()) < set(table.colnames)


class _NoPixels(InMemoryDatasetHandle):
    """A handle of which only components may be read."""

    def get(self, *, component: str | None = None, **kwargs: Any) -> Any:
        assert component not in (None, "image", "mask", "variance", "maskedImage")
        return super().get(component=component, **kwargs)
