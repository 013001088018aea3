"""The index of the sky and the overlaps of many pairs, against tests of each pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from butler.regions import SkyRegion, overlapping
from butler.registry.sky_cell import cell_of
from butler.registry.sky_cells import candidate_pairs, cells_near


def random_regions(seed: int, count: int, sizes: tuple[float, ...]) -> list[SkyRegion]:
    """Return quadrilaterals and triangles of the whole sky, and some odd regions."""
    rng = np.random.default_rng(seed)
    regions = []
    for _ in range(count):
        ra, dec, half = rng.uniform(0, 360), rng.uniform(-60, 60), rng.choice(sizes)
        wide = half / np.cos(np.radians(dec))
        corners = [
            (ra - wide, dec - half),
            (ra + wide, dec - half),
            (ra + wide, dec + half),
            (ra - wide, dec + half),
        ]
        x, y = zip(*corners[: rng.integers(3, 5)], strict=True)
        regions.append(SkyRegion.from_polygon(x, y))
    return [
        *regions,
        SkyRegion.from_circle(0, 90, 30), SkyRegion.from_circle(0, 0, 180), SkyRegion.from_point(3, 4),
        SkyRegion.from_circle(0, 0, -1), SkyRegion.from_box(0, 0, 10, 10), SkyRegion.from_box(0, 89, 360, 2),
        SkyRegion.from_polygon([0, 100, 200, 300], [-20, -20, -20, -20]),
    ]  # fmt: skip


FIRST = random_regions(1, 120, (0.001, 0.5, 3.0))
SECOND = random_regions(2, 150, (0.1, 1.0, 8.0, 25.0))


def boxes(regions: list[SkyRegion]) -> np.ndarray:
    return np.array([region.bounding_vectors() for region in regions])


def boxes_meet(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all((a[::2] <= b[1::2]) & (b[::2] <= a[1::2])))


def test_candidates_are_the_boxes_that_meet() -> None:
    """No pair too much, none too little, each once, and in order."""
    one, two = boxes(FIRST), boxes(SECOND)
    i, j = candidate_pairs(one, two)
    found = list(zip(i.tolist(), j.tolist(), strict=True))
    expected = [(a, b) for a in range(len(one)) for b in range(len(two)) if boxes_meet(one[a], two[b])]
    assert found == expected
    assert len(expected) > 500
    none = candidate_pairs(one[:0], two)
    assert none[0].size == none[1].size == 0


def test_cells_near_a_box_lose_no_region() -> None:
    """Whatever meets a box lies in one of the cells near it, however few may be named."""
    held = boxes(SECOND)
    cells = np.array([cell_of(box) for box in held.tolist()])
    for box, limit in itertools.product(boxes(FIRST), (0, 20, 2000)):
        near, ranges = cells_near(box[np.newaxis], limit=limit)
        assert len(near) <= limit
        inside = np.isin(cells, near)
        for first, last in ranges:
            inside |= (cells >= first) & (cells <= last)
        assert all(inside[k] for k in range(len(held)) if boxes_meet(box, held[k]))


def test_cells_select() -> None:
    """Of many small regions those in cells near a point are few."""
    regions = random_regions(3, 2000, (0.1,))[:2000]
    cells = np.array([cell_of(region.bounding_vectors()) for region in regions])
    near, ranges = cells_near(boxes([regions[0]]), limit=1000)
    inside = np.isin(cells, near)
    for first, last in ranges:
        inside |= (cells >= first) & (cells <= last)
    assert 0 < inside.sum() < 20


def test_many_pairs_at_once_are_as_single_ones() -> None:
    """The exact test of arrays says of every pair what the test of one pair says."""
    i, j = np.divmod(np.arange(len(FIRST) * len(SECOND)), len(SECOND))
    found = overlapping([r.encode() for r in FIRST], [r.encode() for r in SECOND], i, j)
    expected = [FIRST[a].overlaps(SECOND[b]) for a, b in zip(i, j, strict=True)]
    assert found.tolist() == expected
    assert 100 < sum(expected) < len(expected) - 100


@pytest.mark.parametrize("shift", [0.0, 1e-17, 1e-15, 1e-13, 1e-11, 1e-9])
def test_touching_polygons(shift: float) -> None:
    """Where edges or corners touch, or nearly do, the answers agree, too."""
    squares = [
        SkyRegion.from_polygon([x, x + 1, x + 1, x], [y, y, y + 1, y + 1])
        for x in (10.0, 11.0 + shift, 11.0 - shift, 12.0)
        for y in (-1.0, shift, -shift, 1.0)
    ]
    encoded = [square.encode() for square in squares]
    i, j = np.divmod(np.arange(len(squares) ** 2), len(squares))
    found = overlapping(encoded, encoded, i, j)
    assert found.tolist() == [squares[a].overlaps(squares[b]) for a, b in zip(i, j, strict=True)]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("CIRCLE 10 20 0.5", SkyRegion.from_circle(10, 20, 0.5)),
        ("POLYGON 1 2 3 2 2 4", SkyRegion.from_polygon([1, 3, 2], [2, 2, 4])),
        ("RANGE 0 360 -90 90", SkyRegion.from_box(0, 0, 360, 180)),
    ],
)
def test_regions_as_text(text: str, same: SkyRegion) -> None:
    """The texts that LSST reads are read."""
    region = SkyRegion.from_pos(text)
    for ra, dec in ((10, 20), (2, 3), (200, -80)):
        assert region.contains(ra, dec) == same.contains(ra, dec)


@pytest.mark.parametrize(
    "text",
    ["", "BOX 0 0 1 1", "circle 1 2 3", "CIRCLE 1 2", "CIRCLE a b c", "POLYGON 1 2 3 4", "POLYGON 1 2 3",
     "RANGE 1 2 3 -4", "RANGE nan 1 2 3", "CIRCLE nan 0 1", "RANGE 1 2 3"],
)  # fmt: skip
def test_texts_that_are_no_region(text: str) -> None:
    """What is no region is refused."""
    with pytest.raises(ValueError, match=r"not|points"):
        SkyRegion.from_pos(text)
