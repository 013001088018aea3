"""Pipelines and quantum graphs: order, checks, one query, reasons for nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_pipeline import VISITS, make_toy_repo, toy_pipeline

from butler import Butler, DatasetType
from butler.errors import InvalidQueryError
from connections import (
    EmptyQuantumGraphError,
    GraphWalker,
    Pipeline,
    PipelineError,
    QuantumGraph,
    build_graph,
)


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def graph_of(butler: Butler, pipeline: Pipeline | None = None, **kwargs: str) -> QuantumGraph:
    return build_graph(pipeline or toy_pipeline(), butler, collections=["in"], run="out", **kwargs)


def test_tasks_are_ordered_by_their_datasets() -> None:
    """A task comes after the one that makes its input, however the file is written."""
    assert toy_pipeline().labels == ["double", "sum"]


def test_selecting_labels() -> None:
    """A part of a pipeline is a pipeline; an unknown label is refused."""
    assert toy_pipeline().only(["sum"]).labels == ["sum"]
    with pytest.raises(PipelineError, match="did you mean 'sum'"):
        toy_pipeline().only(["sun"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tasks": {}}, "description"),
        ({"description": "x", "tasks": {"a": {"clas": "x"}}}, "class"),
        ({"description": "x", "tasks": {"a": "toy_pipeline:NoTask"}}, "cannot import task"),
        (
            {"description": "x", "tasks": {"a": "toy_pipeline:DoubleTask", "b": "toy_pipeline:DoubleTask"}},
            "both write 'doubled'",
        ),
        (
            {
                "description": "x",
                "tasks": {
                    "a": {"class": "toy_pipeline:DoubleTask", "config": {"connections.number": "loop"}},
                    "b": {
                        "class": "toy_pipeline:DoubleTask",
                        "config": {"connections.number": "doubled", "connections.doubled": "loop"},
                    },
                },
            },
            "wait for each other",
        ),
        (
            {
                "description": "x",
                "tasks": {
                    "double": "toy_pipeline:DoubleTask",
                    "sum": {"class": "toy_pipeline:SumTask", "config": {"connections.total": "number"}},
                },
            },
            "double has <number",
        ),
        (None, "the pipeline"),
    ],
)
def test_pipelines_that_cannot_run_are_refused(values: object, message: str) -> None:
    """A pipeline is checked before anything runs."""
    with pytest.raises(ValueError, match=message):
        Pipeline.from_values(values)


def test_overrides_for_an_unknown_label_are_refused(tmp_path: Path) -> None:
    """A misspelt label on the command line is not ignored."""
    path = tmp_path / "p.yaml"
    path.write_text("description: x\ntasks:\n  sum: toy_pipeline:SumTask\n")
    assert Pipeline.from_file(path, {"sum": {"doCount": True}}).nodes[0].connections.outputs.keys() >= {
        "count"
    }
    with pytest.raises(PipelineError, match="did you mean 'sum'"):
        Pipeline.from_file(path, {"sun": {"doCount": True}})
    with pytest.raises(PipelineError, match="cannot read"):
        Pipeline.from_file(tmp_path / "absent.yaml")


def test_quanta_follow_the_data(butler: Butler) -> None:
    """One quantum a visit, and one that waits for all of them."""
    graph = graph_of(butler)
    assert graph.count_by_label() == {"double": len(VISITS), "sum": 1}
    last = graph.quanta[-1]
    assert [ref.dataId["visit"] for ref in last.inputs["parts"]] == list(VISITS)
    assert len(graph.dependencies[last.id]) == len(VISITS)
    assert all(quantum.dataId.hasFull() for quantum in graph.quanta)


def test_where_limits_the_quanta(butler: Butler) -> None:
    """A condition on data IDs cuts the whole graph."""
    graph = graph_of(butler, where="visit IN (2..3)")
    assert graph.count_by_label() == {"double": 2, "sum": 1}


def test_inputs_that_exist_decide(butler: Butler, tmp_path: Path) -> None:
    """A visit without its input has no quantum, although its record exists."""
    record = {"instrument": "Cam", "id": 9, "name": "9", "physical_filter": "Cam-i", "day_obs": 20260101}
    butler.registry.insertDimensionData("visit", record)
    assert graph_of(butler).count_by_label()["double"] == len(VISITS)


def test_prerequisites_are_looked_up(butler: Butler) -> None:
    """A prerequisite that exists is an input of every quantum; it is optional if minimum is 0."""
    assert graph_of(butler).quanta[0].inputs["factor"] == ()
    butler.registry.registerDatasetType(DatasetType("factor", ("instrument",), "StructuredDataDict"))
    butler.put({"value": 3}, "factor", instrument="Cam", run="in")
    assert len(graph_of(butler).quanta[0].inputs["factor"]) == 1


@pytest.mark.parametrize(
    ("where", "reason"),
    [("visit = 7", "visit is one of: 1, 2, 3, 4"), ("band = 'r'", "band is one of: i")],
)
def test_empty_graph_says_why(butler: Butler, where: str, reason: str) -> None:
    """Nothing to do is an error that names the cause."""
    with pytest.raises(EmptyQuantumGraphError, match=reason):
        graph_of(butler, where=where)


def test_missing_input_type_says_so(butler: Butler) -> None:
    """A pipeline whose input nobody made is explained."""
    with pytest.raises(EmptyQuantumGraphError, match="no dataset type 'doubled'"):
        graph_of(butler, toy_pipeline().only(["sum"]))
    with pytest.raises(InvalidQueryError, match="did you mean 'visit'"):
        graph_of(butler, where="vist = 1")


def test_walker_hands_out_each_quantum_once(butler: Butler) -> None:
    """Quanta come when what they wait for is finished, and blocked ones never come."""
    graph = graph_of(butler)
    walker = GraphWalker(graph)
    ready = walker.next_ready()
    assert [quantum.label for quantum in ready] == ["double"] * len(VISITS)
    assert walker.next_ready() == []
    for quantum in ready[:-1]:
        walker.finish(quantum)
    assert walker.next_ready() == []
    walker.finish(ready[-1])
    assert [quantum.label for quantum in walker.next_ready()] == ["sum"]
    failing = GraphWalker(graph)
    first, *others = failing.next_ready()
    assert [quantum.label for quantum in failing.fail(first)] == ["sum"]
    for quantum in others:
        failing.finish(quantum)
    assert failing.next_ready() == []
