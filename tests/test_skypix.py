"""Sky pixels: dimensions that are computed when named."""

from __future__ import annotations

import pytest

from butler import Butler
from butler.dimensions import UNIVERSE
from butler.errors import DataIdValueError, DimensionNameError
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
