"""Sky pixels: dimensions that are computed when named."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from butler import Butler, DatasetType
from butler.dimensions import UNIVERSE
from butler.errors import DataIdValueError, DimensionNameError, InvalidQueryError
from butler.regions import SkyPixelization, SkyRegion


def test_pixel_dimensions_have_lsst_order_and_no_table() -> None:
    """They come after band and before instrument, and are not among the stored elements."""
    group = UNIVERSE.conform(["visit", "htm7", "healpix9", "patch", "band", "healpix10"])
    assert group.required == (
        "healpix9", "healpix10", "htm7", "instrument", "skymap", "tract", "patch", "visit",
    )  # fmt: skip
    assert group.names[:4] == ("band", "healpix9", "healpix10", "htm7")
    assert group.skypix == ("healpix9", "healpix10", "htm7")
    assert "htm7" not in UNIVERSE.elements
    for name in ("htm25", "healpix18", "htm", "htm07", "htmx", "HTM7"):
        with pytest.raises(DimensionNameError):
            UNIVERSE.conform([name])


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [("htm0", 8, 8), ("htm7", 131072, 131072), ("htm24", 8 * 4**24, 8 * 4**24), ("healpix9", 0, 3145728)],
)
def test_pixel_numbers(name: str, first: int, count: int) -> None:
    """Each level has four times as many pixels as the one before; other numbers are refused."""
    pixels = SkyPixelization.find(name)
    assert pixels is not None
    assert (pixels.ids[0], len(pixels.ids)) == (first, count)
    with pytest.raises(ValueError, match="has pixels"):
        pixels.region(first + count)


@pytest.mark.parametrize("name", ["htm0", "htm3", "healpix0", "healpix2"])
def test_pixels_of_a_region_are_those_that_overlap(name: str) -> None:
    """The pixels found are those that a test of each pixel finds."""
    pixels = SkyPixelization.find(name)
    assert pixels is not None
    for region in (
        SkyRegion.from_circle(10, 40, 9),
        SkyRegion.from_polygon([0, 20, 30], [70, 75, 85]),
        SkyRegion.from_point(3, 4),
    ):
        every = [p for p in pixels.ids if pixels.region(p).overlaps(region)]
        assert pixels.overlapping(region, limit=10**6) == every
    assert pixels.overlapping(SkyRegion.from_circle(0, 0, -1), limit=1) == []
    with pytest.raises(ValueError, match="coarser level"):
        pixels.overlapping(SkyRegion.from_circle(0, 0, 90), limit=2)


def test_pixel_records(butler: Butler) -> None:
    """A pixel's record has its region; one that does not exist cannot be part of a data ID."""
    expanded = butler.registry.expandDataId(htm7=131072)
    record = expanded.records["htm7"]
    assert record is not None
    assert record.id == 131072
    assert record.region == UNIVERSE["htm7"].pixelization.region(131072)  # type: ignore[union-attr]
    with pytest.raises(DataIdValueError, match="htm7=5"):
        butler.registry.expandDataId(htm7=5)
    with pytest.raises(DimensionNameError, match="computed"):
        butler.registry.insertDimensionData("htm7", {"id": 131072})


# Queries.

CATALOG = DatasetType("catalog", ("htm7",), "StructuredDataDict")


def pixels_of(system: str, regions: Iterable[SkyRegion]) -> list[set[int]]:
    pixels = SkyPixelization.find(system)
    assert pixels is not None
    return [set(pixels.overlapping(region, limit=10**6)) for region in regions]


@pytest.mark.parametrize("name", ["htm3", "htm7", "htm10", "healpix5", "healpix11"])
def test_pixels_are_joined_at_any_level(butler: Butler, name: str) -> None:
    """Visits and tracts have the pixels that overlap their region, and no others."""
    visits = butler.query_dimension_records("visit")
    expected = {
        (record.id, pixel)
        for record, found in zip(visits, pixels_of(name, [r.region for r in visits]), strict=True)
        for pixel in found
    }
    with butler.query() as query:
        results = query.data_ids(["visit", name])
        assert {(d["visit"], d[name]) for d in results} == expected
        assert results.count() == len(expected)
    tract = butler.query_dimension_records("tract")[0]
    (pixels,) = pixels_of(name, [tract.region])
    assert {d[name] for d in butler.query_data_ids([name], where="tract = 0")} == pixels


def test_pixels_in_conditions(butler: Butler) -> None:
    """Numbers and regions of pixels restrict what overlaps them, in any combination."""
    (pixels, *_) = pixels_of("htm9", [butler.query_dimension_records("visit", visit=1)[0].region])
    pixel = min(pixels)
    for where in (f"htm9 = {pixel}", f"htm9 IN ({pixel}, 5)", f"htm9.id = {pixel} AND visit > 0"):
        assert 1 in [d["visit"] for d in butler.query_data_ids("visit", where=where)]
    assert butler.query_data_ids("visit", where="htm9 = 5", explain=False) == []
    assert butler.query_data_ids("visit", htm9=pixel)[0]["visit"] == 1
    every = butler.query_data_ids(["visit", "htm9"], where="NOT visit.region OVERLAPS CIRCLE(20, 0, 1)")
    assert {d["visit"] for d in every} == {1, 2}
    near = butler.query_data_ids(["visit", "htm9"], where="htm9.region OVERLAPS CIRCLE(20, 0, 0.001)")
    assert {d["visit"] for d in near} == {3}


def test_pixels_alone(butler: Butler) -> None:
    """Named or bounded pixels need no partner; all of them are too many to list."""
    first = butler.query_data_ids("htm7", where="htm7 IN (131072, 131075..131077, 7)", explain=False)
    assert [d["htm7"] for d in first] == [131072, 131075, 131076, 131077]
    records = butler.query_dimension_records("htm7", htm7=131072)
    assert [record.id for record in records] == [131072]
    assert records[0].region is not None
    (expected,) = pixels_of("healpix6", [SkyRegion.from_circle(10, 20, 1)])
    found = butler.query_data_ids("healpix6", where="healpix6.region OVERLAPS CIRCLE(10, 20, 1)")
    assert {d["healpix6"] for d in found} == expected
    with pytest.raises(InvalidQueryError, match="too many pixels to list"):
        butler.query_data_ids("htm7")
    with pytest.raises(InvalidQueryError, match="coarser level"):
        butler.query_data_ids(["visit", "htm24"])


def test_datasets_of_pixels(butler: Butler) -> None:
    """A reference catalogue is found by what its pixels overlap."""
    butler.registry.registerDatasetType(CATALOG)
    (near, other, far) = pixels_of("htm7", [r.region for r in butler.query_dimension_records("visit")])
    for pixel in near | far:
        butler.put({"pixel": pixel}, CATALOG, htm7=pixel)
    refs = butler.query_datasets("catalog", where="visit = 3")
    assert {ref.dataId["htm7"] for ref in refs} == far
    refs = butler.query_datasets(
        "catalog", where="visit_detector_region.region OVERLAPS htm7.region AND visit = 3"
    )
    assert {ref.dataId["htm7"] for ref in refs} <= far
    assert len(butler.query_datasets("catalog")) == len(near | far)
    joined = [butler.registry.search("catalog", ["run"])]
    ids = butler.query_data_ids("visit", joined=joined)
    assert {1, 3} <= {d["visit"] for d in ids}
    assert ({2} <= {d["visit"] for d in ids}) == bool(other & (near | far))
    pixel = min(near)
    assert butler.get("catalog", htm7=pixel) == {"pixel": pixel}
    refs = butler.query_datasets("catalog", where="htm7.region OVERLAPS CIRCLE(20, 0, 0.001)")
    assert {ref.dataId["htm7"] for ref in refs} <= far
