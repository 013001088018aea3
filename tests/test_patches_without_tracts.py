"""Queries that name a patch but no tract jump from tract to tract, and find the same."""

from __future__ import annotations

import itertools

import pytest

from butler import Butler, CollectionType, DatasetRef, DatasetType

pytestmark = pytest.mark.both_databases

TRACTS, PATCHES, VISITS = (2, 3, 7, 11), (0, 1, 2), (5, 6)


@pytest.fixture
def surveyed(empty: Butler) -> Butler:
    """Return a repository with warps of four tracts in two runs, some of them in both, and tagged ones."""
    insert = empty.registry.insertDimensionData
    camera = {"instrument": "Cam"}
    insert("instrument", {"name": "Cam"})
    insert("physical_filter", {**camera, "name": "g", "band": "g"})
    insert("day_obs", {**camera, "id": 20260101})
    rows = [{**camera, "id": v, "name": str(v), "physical_filter": "g", "day_obs": 20260101} for v in VISITS]
    insert("visit", *rows)
    for sky in ("sky", "other"):
        insert("skymap", {"name": sky, "hash": sky, "tract_max": 20, "patch_nx_max": 3, "patch_ny_max": 1})
        insert("tract", *[{"skymap": sky, "id": tract} for tract in TRACTS])
        cells = itertools.product(TRACTS, PATCHES)
        insert("patch", *[{"skymap": sky, "tract": t, "id": p, "cell_x": p, "cell_y": 0} for t, p in cells])
    warp = DatasetType("warp", ("visit", "patch"), "StructuredDataDict")
    empty.registry.registerDatasetType(warp)
    for run, tracts in (("one", TRACTS[:3]), ("two", TRACTS[1:])):
        empty.registry.registerRun(run)
        for sky in ("sky", "other"):
            ids = [
                {**camera, "skymap": sky, "tract": t, "patch": p, "visit": v}
                for t, p, v in itertools.product(tracts, PATCHES, VISITS)
                if (t + p + v) % 3
            ]
            refs = empty.registry.insertDatasets("warp", ids, run=run)
    empty.collections.register("tagged", CollectionType.TAGGED)
    empty.registry.associate("tagged", refs[::2])
    return empty


@pytest.mark.parametrize("path", [["one"], ["one", "two"], ["two", "one"], ["tagged", "one"]], ids=str)
@pytest.mark.parametrize("find_first", [True, False])
def test_the_same_as_looking_at_all(surveyed: Butler, path: list[str], find_first: bool) -> None:
    """The refs are those of all refs that fulfil the condition."""
    every = surveyed.query_datasets("warp", path, find_first=find_first)

    def some(where: str) -> list[DatasetRef]:
        return surveyed.query_datasets("warp", path, find_first=find_first, where=where, explain=False)

    for where, patches, visits in (
        ("skymap = 'sky' AND patch = 1", {1}, set(VISITS)),
        ("skymap = 'sky' AND patch IN (0, 2) AND visit = 5", {0, 2}, {5}),
        ("skymap = 'sky' AND patch IN (1..2) AND visit > 5", {1, 2}, {6}),
        ("skymap = 'sky' AND patch = 9", set(), set()),
    ):
        wanted = [
            ref
            for ref in every
            if ref.dataId["skymap"] == "sky"
            and ref.dataId["patch"] in patches
            and ref.dataId["visit"] in visits
        ]
        assert some(where) == wanted
        assert bool(wanted) is bool(patches)
    assert some("patch = 1 AND skymap IN ('sky', 'other')") == [r for r in every if r.dataId["patch"] == 1]
