"""Building graphs: against an obvious oracle, prerequisites, constraints, reasons, few queries."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graph_tasks import DETECTOR, DICT, sky_pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import DETECTORS, VISITS, fill_repository, visit_timespan

from butler import Butler, CollectionType, DatasetRef, DatasetType
from butler.cli import main as butler_main
from butler.dimensions import UNIVERSE
from butler.errors import InvalidQueryError
from butler.registry.database import Database
from connections import (
    EmptyQuantumGraphError,
    MissingPrerequisiteError,
    Pipeline,
    QuantumGraph,
    QuantumGraphError,
    build_graph,
)
from tasks.cli import main

KEYS = sorted(DETECTORS)


@pytest.fixture
def sky(butler: Butler) -> Butler:
    """Return a butler with an image of each detector in run ``in``."""
    add_images(butler, "in", KEYS)
    return butler


def add_images(butler: Butler, run: str, keys: list[tuple[int, int]]) -> list[DatasetRef]:
    registry = butler.registry
    registry.registerRun(run)
    registry.registerDatasetType(DatasetType("image", DETECTOR, DICT))
    ids = [{"instrument": "CAM", "visit": v, "detector": d} for v, d in keys]
    return registry.insertDatasets("image", ids, run=run)


def graph_of(butler: Butler, pipeline: Pipeline | None = None, *path: str, **options: Any) -> QuantumGraph:
    return build_graph(
        pipeline or sky_pipeline(), butler, collections=path or ("in", "skymaps"), run="out", **options
    )


def oracle(butler: Butler, pipeline: Pipeline, path: list[str], where: str) -> dict[Any, Any]:
    """Return quanta with the data IDs of their datasets, projecting the rows of one query as objects."""
    found: dict[Any, Any] = {}
    names = {n for node in pipeline.nodes for _, c in node.connections.all() for n in c.dimensions} - {"htm7"}
    images = butler.registry.search("image", path)
    for row in butler.query_data_ids(names, where=where, joined=[images], explain=False):
        for node in pipeline.nodes:
            quantum = found.setdefault(
                (node.label, tuple(row.subset(node.connections.dimensions).required.values())), {}
            )
            for field, connection in (*node.connections.inputs.items(), *node.connections.outputs.items()):
                group = UNIVERSE.conform(connection.dimensions)
                quantum.setdefault(field, set()).add(tuple(row.subset(group).required.values()))
    return found


@pytest.fixture(scope="module")
def skies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    """Return a butler of a repository in which each detector has a run of its own."""
    root = tmp_path_factory.mktemp("skies") / "repo"
    Butler.makeRepo(root)
    fill_repository(root)
    with Butler(root, run="run", instrument="CAM", skymap="sky") as butler:
        for key in KEYS:
            add_images(butler, "one/{}_{}".format(*key), [key])
        add_images(butler, "all", KEYS)
        yield butler


@settings(max_examples=25, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(KEYS), min_size=1, unique=True),
    more=st.booleans(),
    where=st.sampled_from(["", "visit < 3", "detector = 0", "patch = 1", "band = 'g' OR patch = 0"]),
)
def test_the_graph_is_that_of_the_oracle(
    skies: Butler, chosen: list[tuple[int, int]], more: bool, where: str
) -> None:
    """Quanta, and the data IDs that each reads and writes, are those of one row after the other."""
    path = ["one/{}_{}".format(*key) for key in chosen] + (["all"] if more else [])
    expected = oracle(skies, sky_pipeline(), path, where)
    try:
        graph = graph_of(skies, None, *path, "skymaps", where=where)
    except EmptyQuantumGraphError:
        assert not expected
        return
    made = {
        (q.label, q.dataId.required_values): {
            field: {ref.dataId.required_values for ref in refs}
            for field, refs in {**q.inputs, **q.outputs}.items()
            if field not in ("bias", "stars", "skyMap")
        }
        for q in graph.quanta
    }
    for key, datasets in expected.items():
        if key[0] == "stack" and len(datasets["warps"]) == 1:
            datasets["depth"] = set()
    assert made == expected
    for quantum in graph.quanta:
        assert quantum.dataId.hasFull()
        for refs in {**quantum.inputs, **quantum.outputs}.values():
            assert list(refs) == sorted(refs, key=lambda ref: ref.dataId)
        for ref in quantum.inputs.get("image", ()):
            assert ref == skies.find_dataset("image", ref.dataId, collections=path)


def test_datasets_are_handed_on(sky: Butler) -> None:
    """What a quantum reads is the very dataset that another one writes; quanta of two bands are apart."""
    graph = graph_of(sky)
    made = {ref.id for quantum in graph.quanta for ref in quantum.output_refs()}
    for quantum in graph.quanta:
        if quantum.label != "calibrate":
            assert {ref.id for refs in (quantum.inputs.get("calibrated", ()),) for ref in refs} <= made
    stacks = [quantum for quantum in graph.quanta if quantum.label == "stack"]
    assert sorted((q.dataId["patch"], q.dataId["band"]) for q in stacks) == [(0, "g"), (0, "r"), (1, "r")]


def test_the_same_queries_whatever_the_size(sky: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph of all visits takes as many statements as that of one."""
    n_statements = 0
    run, query = Database.run, Database.query

    def counted(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_statements
            n_statements += 1
            return original(*args, **kwargs)

        return call

    monkeypatch.setattr(Database, "run", counted(run))
    monkeypatch.setattr(Database, "query", counted(query))
    counts = []
    for where in ("visit = 2", "visit = 2", "visit > 0"):
        n_statements = 0
        graph_of(sky, where=where)
        counts.append(n_statements)
    assert counts[2] <= counts[1]


def test_calibrations_of_the_time(sky: Butler) -> None:
    """Each quantum gets the bias that is valid when its visit was taken, and none where none is."""
    registry = sky.registry
    registry.registerDatasetType(DatasetType("bias", ("instrument", "detector"), DICT, isCalibration=True))
    registry.registerCollection("calibs", CollectionType.CALIBRATION)
    of_visit: dict[int, Any] = {}
    for visit in (1, 2):
        registry.registerRun(f"bias/{visit}")
        ids = [{"instrument": "CAM", "detector": d} for d in (0, 1)]
        refs = registry.insertDatasets("bias", ids, run=f"bias/{visit}")
        registry.certify("calibs", refs, visit_timespan(visit))
        of_visit[visit] = [ref.id for ref in refs]
    graph = graph_of(sky, sky_pipeline("calibrate"), "in", "calibs")
    for quantum in graph.quanta:
        visit, detector = quantum.dataId["visit"], quantum.dataId["detector"]
        expected = [of_visit[visit][detector]] if visit in of_visit else []
        assert [ref.id for ref in quantum.inputs["bias"]] == expected
    looked_up = graph_of(sky, sky_pipeline("lookUp"), "in")
    for quantum in looked_up.quanta:
        assert [ref.run for ref in quantum.inputs["bias"]] == ["bias/2", "bias/1"]


def test_pixels_of_the_sky(sky: Butler) -> None:
    """A quantum gets the shards that its detector overlaps."""
    pixels = UNIVERSE["htm7"].pixelization
    assert pixels is not None
    registry = sky.registry
    registry.registerDatasetType(DatasetType("stars", ("htm7",), DICT))
    regions = {(r.visit, r.detector): r.region for r in sky.query_dimension_records("visit_detector_region")}
    near = {key: pixels.overlapping(region, limit=10**6) for key, region in regions.items()}
    every = sorted({pixel for found in near.values() for pixel in found})
    registry.insertDatasets("stars", [{"htm7": pixel} for pixel in every], run="in")
    for quantum in graph_of(sky, sky_pipeline("calibrate")).quanta:
        found = [ref.dataId["htm7"] for ref in quantum.inputs["stars"]]
        region = regions[quantum.dataId["visit"], quantum.dataId["detector"]]
        assert found == [pixel for pixel in every if pixels.region(pixel).overlaps(region)]


def test_a_missing_prerequisite_is_an_error(sky: Butler) -> None:
    """A sky map that the collections do not have stops the build, and is named."""
    with pytest.raises(MissingPrerequisiteError, match="skyMap"):
        graph_of(sky, None, "in")


def test_too_few_inputs_drop_quanta_with_a_reason(sky: Butler) -> None:
    """Where a task needs two warps, what has one is left out, and the graph says so."""
    graph = graph_of(sky, sky_pipeline(minimum=2), where="visit < 3")
    # Visits 1 and 2 are of different bands.
    assert graph.count_by_label()["stack"] == 0
    (dropped,) = graph.dropped
    assert (dropped.label, dropped.count) == ("stack", 3)
    assert dropped.reason == "has 1 datasets of warps (warped); it needs 2"
    only = sky_pipeline(minimum=2).only("stack")
    with pytest.raises(EmptyQuantumGraphError, match="no dataset type 'warped'"):
        graph_of(sky, only)


def test_deferred_inputs_do_not_limit(sky: Butler) -> None:
    """An input that may be missing when data IDs are chosen drops those quanta that need it."""
    pipeline = sky_pipeline(doWeights=True)
    with pytest.raises(EmptyQuantumGraphError) as caught:
        graph_of(sky, pipeline.only("stack"))
    assert "warped" in str(caught.value)
    assert graph_of(sky, pipeline).count_by_label()["stack"] == 0
    sky.registry.registerDatasetType(DatasetType("weights", ("instrument", "visit"), DICT))
    sky.registry.insertDatasets("weights", [{"instrument": "CAM", "visit": 1}], run="in")
    graph = graph_of(sky, pipeline)
    assert [q.dataId["band"] for q in graph.quanta if q.label == "stack"] == ["g"]
    assert graph.count_by_label()["warp"] == 3
    assert {entry.label: entry.count for entry in graph.dropped} == {"stack": 2}


def test_inputs_that_constrain(sky: Butler) -> None:
    """With the constraint off, data IDs without an image have quanta until these are found to lack it."""
    only = sky_pipeline("calibrate")
    gone = sky.query_datasets("image", "in", where="visit = 3")
    sky.pruneDatasets(gone, disassociate=True, unstore=True, purge=True)
    assert not graph_of(sky, only).dropped
    for constraint in (("off",), ("all",), ("image",)):
        graph = graph_of(sky, only, dataset_query_constraint=constraint)
        assert graph.count_by_label() == {"calibrate": 4}
        assert [entry.count for entry in graph.dropped] == ([2] if constraint == ("off",) else [])
    with pytest.raises(InvalidQueryError, match="did you mean 'image'"):
        graph_of(sky, only, dataset_query_constraint=("imaeg",))


def test_tables_of_data_ids(sky: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table limits the graph to its rows, also on the command line."""
    chosen = [[ref.dataId for ref in sky.query_datasets("image", "in", where="visit = 1 OR detector = 0")]]
    assert graph_of(sky, sky_pipeline("calibrate"), data_ids=chosen).count_by_label() == {"calibrate": 4}
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("visit,instrument\n2,CAM\n")
    words = ["-b", "repository", "-t", "graph_tasks:CalibrateTask", "-i", "in", "-o", "out"]
    result = CliRunner().invoke(main, ["qgraph", *words, "--data-id-table", "table.csv"])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("visit: 2") == 2
    Path("table.csv").write_text("vist\n2\n")
    result = CliRunner().invoke(main, ["qgraph", *words, "--data-id-table", "table.csv"])
    assert "did you mean 'visit'" in result.stderr


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("visit = 9", "visit is one of: 1, 2, 3"),
        ("visit = 1 AND patch = 1", "nothing fulfils all of them together|no dataset"),
        ("visit.exposure_time > 100", "visit.exposure_time > 100"),
    ],
)
def test_an_empty_graph_is_explained(sky: Butler, where: str, reason: str) -> None:
    """What removes everything is named once, with the command that asks for the data IDs."""
    with pytest.raises(EmptyQuantumGraphError, match=reason) as caught:
        graph_of(sky, where=where)
    assert str(caught.value).count("calibrate, warp, stack: ") == 1
    (note,) = caught.value.__notes__
    command = shlex.split(note.partition(": ")[2])
    assert command[:3] == ["butler", "query-data-ids", "REPO"]
    result = CliRunner().invoke(butler_main, [command[1], str(sky.root), *command[3:]])
    assert result.exit_code == 1, result.output
    assert result.stdout == ""


def test_dimensions_must_be_those_of_the_repository(sky: Butler) -> None:
    """A task that declares an input with other dimensions is refused."""
    sky.registry.registerDatasetType(DatasetType("warped", ("instrument", "visit"), DICT))
    sky.registry.insertDatasets("warped", [{"instrument": "CAM", "visit": 1}], run="in")
    with pytest.raises(QuantumGraphError, match="'warped' has the dimensions"):
        graph_of(sky, sky_pipeline().only("stack"))


def test_datasets_vouch_where_there_are_no_regions(sky: Butler) -> None:
    """An empty graph is explained by the condition, and not by regions that nobody needs."""
    records = [{"skymap": "sky", "tract": 7, "id": 0, "cell_x": 0, "cell_y": 0}]
    sky.registry.insertDimensionData("tract", {"skymap": "sky", "id": 7})
    sky.registry.insertDimensionData("patch", *records)
    warped = DatasetType("warped", ("skymap", "tract", "patch", "instrument", "visit"), DICT)
    sky.registry.registerDatasetType(warped)
    sky.registry.insertDatasets(
        "warped", [{"skymap": "sky", "tract": 7, "patch": 0, "instrument": "CAM", "visit": 3}], run="in"
    )
    assert len(graph_of(sky, sky_pipeline().only("stack")).quanta) == 1
    with pytest.raises(EmptyQuantumGraphError, match="no dataset fulfils 'tract = 0'"):
        graph_of(sky, sky_pipeline().only("stack"), where="tract = 0")


def test_tasks_that_share_nothing_are_asked_for_apart(sky: Butler) -> None:
    """Two tasks without a common dataset make no product of their data IDs, and one may have nothing."""
    both = sky_pipeline("calibrate", "stack")
    assert len(both.independent_parts()) == 2
    graph = graph_of(sky, both)
    assert graph.count_by_label() == {"calibrate": len(VISITS) * 2, "stack": 0}
    assert [(entry.label, entry.count) for entry in graph.dropped] == [("stack", 0)]
    assert "no dataset type 'warped'" in str(graph.dropped[0])


def test_components_are_read_of_the_whole(sky: Butler) -> None:
    """An input that names a component is that part of the dataset that exists."""
    ids = [{"instrument": "CAM", "visit": 1, "detector": d} for d in (0, 1)]
    whole = sky.registry.insertDatasets("calexp", ids, run="in")
    graph = graph_of(sky, sky_pipeline("measure"))
    parts = [ref for quantum in graph.quanta for ref in quantum.inputs["wcs"]]
    assert [(ref.datasetType.name, ref.id) for ref in parts] == [("calexp.wcs", ref.id) for ref in whole]
