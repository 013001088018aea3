"""What tasks and users may say about a graph as a whole: bounds, adjusted quanta, what is retained."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from graph_tasks import DETECTOR, DICT
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import DETECTORS, visit_timespan
from toy_pipeline import make_toy_repo, toy_pipeline

from butler import Butler, CollectionType, DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import UNIVERSE
from connections import (
    Input,
    Output,
    Pipeline,
    PipelineError,
    PipelineTaskConnections,
    PrerequisiteInput,
    QuantaAdjuster,
    Quantum,
    QuantumGraph,
    QuantumGraphError,
    build_graph,
)
from connections.retention import Retention
from tasks import Config, PipelineTaskConfig
from tasks.cli import main
from tasks.execution import run_graph
from tasks.struct import Struct
from tasks.task import PipelineTask

VISIT = ("instrument", "visit")
DATA_ID = DataCoordinate.standardize({"instrument": "Cam"})


class NightConnections(PipelineTaskConnections, dimensions=("instrument", "detector")):
    """One quantum for each detector of all visits: it has neither a region nor a time of its own."""

    images = Input(name="image", storageClass=DICT, dimensions=DETECTOR, multiple=True)
    stars = PrerequisiteInput(name="stars", storageClass=DICT, dimensions=("htm7",), multiple=True, minimum=0)
    biases = PrerequisiteInput(
        name="bias",
        storageClass=DICT,
        dimensions=("instrument", "detector"),
        isCalibration=True,
        multiple=True,
        minimum=0,
    )
    mean = Output(name="mean", storageClass=DICT, dimensions=("instrument", "detector"))

    def getSpatialBoundsConnections(self) -> Sequence[str]:
        return ["images"]

    def getTemporalBoundsConnections(self) -> Sequence[str]:
        return ["images"]


class NightConfig(PipelineTaskConfig, pipelineConnections=NightConnections):
    pass


class NightTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = NightConfig
    _DefaultName = "night"


class LostConnections(NightConnections):
    def getSpatialBoundsConnections(self) -> Sequence[str]:
        return ["image"]


class LostConfig(PipelineTaskConfig, pipelineConnections=LostConnections):
    pass


class LostTask(NightTask):
    ConfigClass: ClassVar[type[Config]] = LostConfig


class GatherConnections(PipelineTaskConnections, dimensions=VISIT):
    """Each visit reads itself, and what the hook gives it."""

    parts = Input(name="number", storageClass=DICT, dimensions=VISIT, multiple=True)
    gathered = Output(name="gathered", storageClass=DICT, dimensions=VISIT)

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        first, second, third, last = adjuster.iter_data_ids()
        adjuster.remove_quantum(last)
        adjuster.add_input(first, "parts", last)
        adjuster.add_input(first, "parts", first)
        adjuster.move_input(second, third, "parts", second)
        assert adjuster.get_inputs(third) == {"parts": [second, third]}
        assert adjuster.get_outputs(third) == {"gathered": [third]}
        for wrong, message in (
            (lambda: adjuster.remove_quantum(last), "no quantum"),
            (lambda: adjuster.add_input(first, "part", last), "did you mean 'parts'"),
            (lambda: adjuster.remove_input(first, "parts", second), "reads no dataset"),
        ):
            with pytest.raises(QuantumGraphError, match=message):
                wrong()


class GatherConfig(PipelineTaskConfig, pipelineConnections=GatherConnections):
    pass


class GatherTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = GatherConfig
    _DefaultName = "gather"


class TypedConnections(PipelineTaskConnections, dimensions=("instrument",)):
    parts = Input(name="doubled", storageClass="TaskMetadata", dimensions=VISIT, multiple=True)
    total = Output(name="total", storageClass=DICT, dimensions=("instrument",))


class TypedConfig(PipelineTaskConfig, pipelineConnections=TypedConnections):
    storageClass: str = "TaskMetadata"

    def resolved_connections(self) -> PipelineTaskConnections:
        made = super().resolved_connections()
        changed = made.inputs["parts"].model_copy(update={"storageClass": self.storageClass})
        return made.replaced(parts=changed)


class TypedTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = TypedConfig
    _DefaultName = "typed"

    def run(self, parts: list[Any]) -> Struct:
        return Struct(total={"kinds": sorted({type(part).__name__ for part in parts})})


def pipeline_of(**tasks: Any) -> Pipeline:
    described = {
        label: f"{__name__}:{task}" if isinstance(task, str) else task for label, task in tasks.items()
    }
    return Pipeline.from_values({"description": "x", "tasks": described})


@pytest.fixture
def sky(butler: Butler) -> Butler:
    """Return a butler with an image of each detector in run ``in``."""
    registry = butler.registry
    registry.registerRun("in")
    registry.registerDatasetType(DatasetType("image", DETECTOR, DICT))
    ids = [{"instrument": "CAM", "visit": v, "detector": d} for v, d in sorted(DETECTORS)]
    registry.insertDatasets("image", ids, run="in")
    return butler


@pytest.fixture
def toy(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def test_a_region_of_the_inputs(sky: Butler) -> None:
    """A quantum without a region gets the shards that its inputs overlap, each once."""
    pixels = UNIVERSE["htm7"].pixelization
    assert pixels is not None
    registry = sky.registry
    registry.registerDatasetType(DatasetType("stars", ("htm7",), DICT))
    regions = [(r.detector, r.region) for r in sky.query_dimension_records("visit_detector_region")]
    near = {pixel for _, region in regions for pixel in pixels.overlapping(region, limit=10**6)}
    every = sorted({131072, *near})
    registry.insertDatasets("stars", [{"htm7": pixel} for pixel in every], run="in")
    graph = build_graph(pipeline_of(night="NightTask"), sky, collections=["in"], run="out")
    assert len(graph.quanta) == 2
    for quantum in graph.quanta:
        mine = [region for detector, region in regions if detector == quantum.dataId["detector"]]
        found = [ref.dataId["htm7"] for ref in quantum.inputs["stars"]]
        assert found == [p for p in every if any(pixels.region(p).overlaps(region) for region in mine)]
        assert 0 < len(found) < len(every)


def test_a_time_of_the_inputs(sky: Butler) -> None:
    """A quantum without a time gets what is valid for any of its inputs, of its own detector alone."""
    registry = sky.registry
    registry.registerDatasetType(DatasetType("bias", ("instrument", "detector"), DICT, isCalibration=True))
    registry.registerCollection("calibs", CollectionType.CALIBRATION)
    made = {}
    for visit in (1, 2):
        registry.registerRun(f"bias/{visit}")
        ids = [{"instrument": "CAM", "detector": d} for d in (0, 1)]
        refs = registry.insertDatasets("bias", ids, run=f"bias/{visit}")
        registry.certify("calibs", refs, visit_timespan(visit))
        made |= {(visit, ref.dataId["detector"]): ref.id for ref in refs}
    graph = build_graph(pipeline_of(night="NightTask"), sky, collections=["in", "calibs"], run="out")
    for quantum in graph.quanta:
        detector = quantum.dataId["detector"]
        assert {ref.id for ref in quantum.inputs["biases"]} == {made[1, detector], made[2, detector]}


def test_bounds_that_are_no_connection(sky: Butler) -> None:
    """A hook that names what there is not is told the nearest name."""
    with pytest.raises(QuantumGraphError, match=r"getSpatialBoundsConnections names 'image', .* 'images'"):
        build_graph(pipeline_of(lost="LostTask"), sky, collections=["in"], run="out")


def test_all_quanta_of_a_task_are_adjusted(toy: Butler) -> None:
    """A hook removes a quantum, and gives its input to others; the graph says what was removed."""
    graph = build_graph(pipeline_of(gather="GatherTask"), toy, collections=["in"], run="out")
    read = {q.dataId["visit"]: [r.dataId["visit"] for r in q.inputs["parts"]] for q in graph.quanta}
    # Visit 2 has lost its only input to visit 3, and so has no work.
    assert read == {1: [1, 4], 3: [2, 3]}
    assert {entry.example["visit"]: entry.reason for entry in graph.dropped if entry.example} == {
        4: "removed by adjust_all_quanta",
        2: "has 0 datasets of parts (number); it needs 1",
    }


def test_an_output_is_read_as_another_storage_class(toy: Butler) -> None:
    """What one task writes another may want otherwise, if it can be had so."""
    double = {"class": "toy_pipeline:DoubleTask"}
    graph = build_graph(pipeline_of(double=double, typed="TypedTask"), toy, collections=["in"], run="out")
    assert run_graph(graph, toy).succeeded
    assert toy.get("total", instrument="Cam", collections="out") == {"kinds": ["TaskMetadata"]}
    wrong = {"class": f"{__name__}:TypedTask", "config": {"storageClass": "Wcs"}}
    with pytest.raises(PipelineError, match=r"double has <doubled .*, typed has <doubled .*Wcs"):
        pipeline_of(double=double, typed=wrong)
    with pytest.raises(QuantumGraphError, match="cannot be had as a Wcs"):
        build_graph(pipeline_of(typed=wrong), toy, collections=["out"], run="out2")


def graph_after(butler: Butler, gone: Mapping[str, str], run: str = "second", **options: Any) -> QuantumGraph:
    """Return the second graph of the toy pipeline, of whose first run some datasets are gone."""
    first = build_graph(toy_pipeline(), butler, collections=["in"], run="first")
    assert run_graph(first, butler).succeeded
    for name, where in gone.items():
        refs = butler.query_datasets(name, "first", where=where)
        butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    return build_graph(
        toy_pipeline(), butler, collections=["in"], run=run, skip_existing_in=["first"], **options
    )


SUM = {"total": "", "sum_metadata": "", "sum_log": ""}


def visits_of(graph: QuantumGraph) -> list[int]:
    return [quantum.dataId["visit"] for quantum in graph.quanta if quantum.label == "double"]


def test_what_is_not_retained_is_made_again(toy: Butler) -> None:
    """An intermediate that was removed after it had served comes back where something needs it."""
    graph = graph_after(toy, {**SUM, "doubled": "visit > 2"}, retained_dataset_types=["tot*"])
    assert visits_of(graph) == [3, 4]
    assert (graph.count_by_label()["sum"], graph.n_skipped["double"]) == (1, 2)
    assert run_graph(graph, toy).succeeded
    assert toy.get("total", instrument="Cam", collections="second") == {"value": 200}


@pytest.mark.parametrize("retained", [None, ["*"], ["doubled"]])
def test_what_is_retained_was_never_made(toy: Butler, retained: list[str] | None) -> None:
    """What is not there of a retained type is taken for what a quantum had no work for."""
    graph = graph_after(toy, {**SUM, "doubled": "visit > 2"}, retained_dataset_types=retained)
    assert (visits_of(graph), graph.n_skipped["double"]) == ([], 4)
    [only] = graph.quanta
    assert [ref.dataId["visit"] for ref in only.inputs["parts"]] == [1, 2]


def test_nothing_is_made_again_for_nothing(toy: Butler) -> None:
    """Where all that was to come of it is there, what was removed stays so."""
    graph = graph_after(toy, {"doubled": ""}, retained_dataset_types=["total"])
    assert (graph.quanta, sum(graph.n_skipped.values())) == ((), 5)


def test_quanta_without_an_anchor(toy: Butler) -> None:
    """What would make intermediates for a sum that is there already is left out, if that is wanted."""
    lost = {"doubled": "visit > 1", "double_metadata": "visit > 1", "double_log": "visit > 1"}
    graph = graph_after(toy, lost, retained_dataset_types=["total"])
    assert visits_of(graph) == [2, 3, 4]
    options: dict[str, Any] = {"collections": ["in"], "run": "second", "skip_existing_in": ["first"]}
    pruned = build_graph(
        toy_pipeline(), toy, retained_dataset_types=["total"], prune_unanchored_quanta=True, **options
    )
    assert pruned.quanta == ()
    assert [(entry.label, entry.count) for entry in pruned.dropped] == [("double", 3)]


def test_retention_on_the_command_line(toy: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pipetask takes the patterns, and refuses to prune without them."""
    monkeypatch.chdir(tmp_path)
    graph_after(toy, {**SUM, "doubled": ""})
    Path("toy.yaml").write_text(toy_pipeline().to_yaml())
    words = ["qgraph", "-b", "repo", "-p", "toy.yaml", "-i", "in", "--output-run", "o"]
    words += ["--skip-existing-in", "first", "--prune-unanchored-quanta"]
    refused = CliRunner().invoke(main, words)
    assert (refused.exit_code, "needs --retained-dataset-types" in refused.stderr) == (2, True)
    result = CliRunner().invoke(main, [*words, "--retained-dataset-types", "total,count"])
    assert result.exit_code == 0, result.output
    assert "double: 4 quanta" in result.output


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Quantum], dict[uuid.UUID, set[uuid.UUID]]]:
    """Return quanta in order, and what is there of the outputs of those that have succeeded."""
    quanta: list[Quantum] = []
    made: list[DatasetRef] = []
    there: dict[uuid.UUID, set[uuid.UUID]] = {}
    for number in range(draw(st.integers(1, 7))):
        read = draw(st.lists(st.sampled_from(made), unique=True)) if made else []
        names = draw(st.sets(st.sampled_from(["kept", "passing"]), max_size=2))
        kinds = [DatasetType(f"{name}{number}", ("instrument",), DICT) for name in sorted(names)]
        written = [DatasetRef(kind, DATA_ID, "run") for kind in kinds]
        quantum = Quantum("task", DATA_ID, {"read": tuple(read)}, {"written": tuple(written)})
        quanta.append(quantum)
        made += written
        if draw(st.booleans()):
            there[quantum.id] = {ref.id for ref in written if draw(st.booleans())}
    return quanta, there


@settings(max_examples=100, deadline=None)
@given(histories())
def test_what_runs_again_is_what_must(history: tuple[list[Quantum], dict[uuid.UUID, set[uuid.UUID]]]) -> None:
    """What runs again makes, in any number of steps, for something that runs, what is gone and not kept."""
    quanta, there = history
    retention = Retention(["kept*"])
    again: set[uuid.UUID] = set()
    while True:
        running = [q for q in quanta if q.id not in there or q.id in again]
        wanted = {ref.id for q in running for ref in q.input_refs() if not retention.keeps(ref)}
        more = {
            q.id
            for q in quanta
            if q.id in there and any(r.id in wanted - there[q.id] for r in q.output_refs())
        }
        if more <= again:
            break
        again |= more
    assert retention.to_redo(quanta, there) == again
    assert Retention().to_redo(quanta, there) == set()


@settings(max_examples=100, deadline=None)
@given(histories())
def test_what_has_no_anchor_leads_nowhere(history: tuple[list[Quantum], Any]) -> None:
    """From each quantum that is left, a way leads to an output that is kept, or to one without outputs."""
    quanta, _ = history
    retention = Retention(["kept*"])

    def is_anchored(quantum: Quantum) -> bool:
        outputs = list(quantum.output_refs())
        readers = [q for q in quanta if {r.id for r in outputs} & {r.id for r in q.input_refs()}]
        return not outputs or any(map(retention.keeps, outputs)) or any(map(is_anchored, readers))

    assert retention.unanchored(quanta) == [q for q in quanta if not is_anchored(q)]
    assert Retention().unanchored(quanta) == []
