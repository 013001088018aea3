"""The init phase of a run: schemas, configs and dataset types, once and before any quantum."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from astropy import units
from astropy.table import Column, Table
from click.testing import CliRunner
from toy_pipeline import make_toy_repo, toy_pipeline

from butler import Butler, DatasetType
from butler.errors import ConflictingDefinitionError, MissingDatasetTypeError
from connections import (
    ConfigRecord,
    InitInput,
    InitOutput,
    Input,
    MissingPrerequisiteError,
    Output,
    Pipeline,
    PipelineTaskConnections,
    QuantumGraph,
    build_graph,
)
from tasks import Config, PipelineTaskConfig
from tasks.cli import main
from tasks.errors import TaskError
from tasks.execution import InitOptions, make_task, prepare_run, run_graph
from tasks.records import schema_differences
from tasks.struct import Struct
from tasks.task import PipelineTask

VISIT = ("instrument", "visit")


class MeasureConnections(PipelineTaskConnections, dimensions=VISIT):
    number = Input(name="number", storageClass="StructuredDataDict", dimensions=VISIT)
    sources = Output(name="sources", storageClass="AstropyTable", dimensions=VISIT)
    outputSchema = InitOutput(name="sources_schema", storageClass="AstropyTable")


class MeasureConfig(PipelineTaskConfig, pipelineConnections=MeasureConnections):
    unit: str = "nJy"
    withError: bool = False


class MeasureTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = MeasureConfig
    _DefaultName = "measure"

    def __init__(self, config: Any = None, **names: Any) -> None:
        super().__init__(config, **names)
        columns = [Column(dtype="f8", name="flux", unit=units.Unit(self.config.unit), description="Flux.")]
        columns += [Column(dtype="f4", name="fluxErr")] if self.config.withError else []
        self.outputSchema = Table([Column(dtype="U8", name="name"), *columns])

    def run(self, number: dict[str, float]) -> Struct:
        table = self.outputSchema.copy()
        table.add_row(["star", number["value"], *([1.0] if self.config.withError else [])])
        return Struct(sources=table)


class CountConnections(PipelineTaskConnections, dimensions=VISIT):
    inputSchema = InitInput(name="sources_schema", storageClass="AstropyTable")
    sources = Input(name="sources", storageClass="AstropyTable", dimensions=VISIT)
    counts = Output(name="counts", storageClass="StructuredDataDict", dimensions=VISIT)
    columns = InitOutput(name="counted_columns", storageClass="StructuredDataDict")


class CountConfig(PipelineTaskConfig, pipelineConnections=CountConnections):
    pass


class CountTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = CountConfig
    _DefaultName = "count"

    def __init__(self, config: Any = None, *, initInputs: Any = None, **names: Any) -> None:
        super().__init__(config, initInputs=initInputs, **names)
        self.columns = {"names": list(initInputs["inputSchema"].colnames)}

    def run(self, sources: Table) -> Struct:
        assert sources.colnames == self.columns["names"]
        return Struct(counts={"rows": len(sources), "columns": self.columns["names"]})


TASKS = {"count": f"{__name__}:CountTask", "measure": f"{__name__}:MeasureTask"}


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def plan(
    butler: Butler,
    *labels: str,
    run: str = "out",
    inputs: tuple[str, ...] = ("in",),
    skip: bool = False,
    **measure: Any,
) -> QuantumGraph:
    chosen = {label: TASKS[label] for label in labels or TASKS}
    overrides = {"measure": measure} if "measure" in chosen else {}
    pipeline = Pipeline.from_values({"description": "measure and count", "tasks": chosen}, overrides)
    return build_graph(pipeline, butler, collections=inputs, run=run, skip_existing=skip)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_schema_goes_from_task_to_task(butler: Butler, processes: int) -> None:
    """One task's init output is the next one's init input, at the start and in every quantum."""
    report = run_graph(plan(butler), butler, processes=processes)
    assert report.succeeded, report.failures
    schema = butler.get("sources_schema", collections="out")
    assert len(schema) == 0
    assert schema["flux"].unit == units.nJy
    assert butler.get("counted_columns", collections="out") == {"names": ["name", "flux"]}
    counts = butler.get("counts", instrument="Cam", visit=3, collections="out")
    assert counts == {"rows": 1, "columns": ["name", "flux"]}
    assert len(butler.query_datasets("sources_schema", "out")) == 1


def test_a_schema_of_another_run_is_found(butler: Butler) -> None:
    """A pipeline of the second task alone reads the schema that an earlier run wrote."""
    run_graph(plan(butler, "measure", run="first"), butler)
    graph = plan(butler, "count", inputs=("first", "in"))
    assert graph.init_inputs["count"]["inputSchema"].run == "first"
    assert run_graph(graph, butler).succeeded


def test_a_missing_schema_is_told_when_the_graph_is_built(butler: Butler) -> None:
    """What a task needs to be made must exist before anything is planned."""
    run_graph(plan(butler, "measure", run="first"), butler)
    butler.pruneDatasets(
        butler.query_datasets("sources_schema", "first"), disassociate=True, unstore=True, purge=True
    )
    with pytest.raises(MissingPrerequisiteError, match="first, in has no sources_schema of count; run what"):
        plan(butler, "count", inputs=("first", "in"))


def test_the_init_phase_is_done_once(butler: Butler) -> None:
    """A second time in the same run it changes nothing, and needs no new files."""
    prepare_run(plan(butler), butler)
    before = {ref.id for ref in butler.query_all_datasets("out")}
    assert len(before) == 5
    objects = prepare_run(plan(butler, skip=True), butler).init_inputs
    assert {ref.id for ref in butler.query_all_datasets("out")} == before
    assert objects["count"]["inputSchema"].colnames == ["name", "flux"]


def test_another_schema_is_refused_with_its_columns(butler: Butler) -> None:
    """Units and columns that differ are told, and nothing of the second attempt is written."""
    run_graph(plan(butler, "measure"), butler)
    butler.pruneDatasets(
        butler.query_datasets("measure_config", "out"), disassociate=True, unstore=True, purge=True
    )
    with pytest.raises(ConflictingDefinitionError) as caught:
        prepare_run(plan(butler, "measure", skip=True, unit="mJy", withError=True), butler)
    told = str(caught.value).splitlines()
    assert told[1:3] == [
        "sources_schema: flux: float64 nJy Flux. -> float64 mJy Flux.",
        "sources_schema: fluxErr: absent -> float32",
    ]
    assert not butler.query_datasets("measure_config", "out", explain=False)


def test_another_config_is_refused_with_who_set_what(butler: Butler) -> None:
    """All fields of all tasks that differ are told at once, like a history."""
    run_graph(plan(butler, "measure"), butler)
    with pytest.raises(ConflictingDefinitionError) as caught:
        prepare_run(plan(butler, "measure", skip=True, unit="mJy", withError=True), butler)
    assert str(caught.value).splitlines() == [
        "run 'out' was made with another config:",
        "measure:unit = 'mJy'",
        "  'nJy'  # in out, default",
        "  'mJy'  # the call",
        "measure:withError = True",
        "  False  # in out, default",
        "  True  # the call",
        "a run has one config for each task: use a new run",
    ]


def test_the_config_that_a_run_keeps_knows_its_history(butler: Butler) -> None:
    """Who set what can be read from the repository."""
    run_graph(plan(butler, "measure", unit="mJy"), butler)
    record = ConfigRecord.from_simple("measure", butler.get("measure_config", collections="out"))
    assert [(o.field, o.value, o.source) for o in record.history] == [("unit", "mJy", "the call")]
    assert record.config["unit"] == "mJy"
    assert record.task == TASKS["measure"]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1.0, 1, True),
        (1.0, 1.001, False),
        (float("nan"), float("nan"), True),
        ([1, 2.0], [1, 2.0 + 1e-12], True),
        ([1, 2], [1, 2, 3], False),
        ({"a": [0.3]}, {"a": [0.1 + 0.2]}, True),
        ("1", 1, False),
        (None, 0.0, False),
    ],
)
def test_configs_are_compared_as_numbers_are_written(old: Any, new: Any, same: bool) -> None:
    """Rounding is no difference."""
    found = ConfigRecord("t", "m:T", {"x": old}).differences(ConfigRecord("t", "m:T", {"x": new}), "r")
    assert (found == []) == same


def test_another_class_and_fields_that_only_one_has_differ() -> None:
    """A task of another class has another config, whatever its values."""
    one, other = ConfigRecord("t", "m:A", {"x": 1}), ConfigRecord("t", "m:B", {"y": 1})
    assert one.differences(other, "r") == [
        "t: m:B", "  m:A  # in r",
        "t:x = (no such field)", "  1  # in r, default", "  (no such field)  # default",
        "t:y = 1", "  (no such field)  # in r, default", "  1  # default",
    ]  # fmt: skip


def test_a_long_list_of_differences_is_cut(butler: Butler) -> None:
    """A message has a beginning and an end, and says how much is left out."""
    run_graph(plan(butler, "measure"), butler)
    ref = butler.query_datasets("measure_config", "out")[0]
    known = butler.get(ref)
    butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
    known["config"] |= {f"old{i}": i for i in range(30)}
    butler.put(known, "measure_config", run="out")
    with pytest.raises(ConflictingDefinitionError, match="and 66 lines more\na run has one config"):
        prepare_run(plan(butler, "measure", skip=True), butler)


def test_columns_in_another_order_are_another_schema() -> None:
    """Texts of other lengths are not; neither is the byte order of numbers."""
    one = Table([Column(dtype="U4", name="a"), Column(dtype=">f8", name="b")])
    assert schema_differences(one, Table([Column(dtype="U9", name="a"), Column(dtype="<f8", name="b")])) == []
    assert schema_differences(one, one["b", "a"]) == ["columns: a, b -> b, a"]
    assert schema_differences({"x": [1, 2]}, {"x": (1, 2)}) == []
    assert schema_differences({"x": 1}, {"y": 2}) == ["x: 1 -> absent", "y: absent -> 2"]
    assert schema_differences("a", "b") == ["'a' -> 'b'"]


def test_dataset_types_are_registered_or_required(butler: Butler) -> None:
    """Without leave to register, the ones that are missing are named, and the run is not made."""
    with pytest.raises(
        MissingDatasetTypeError, match=r"no dataset type sources_schema, sources, .*--register"
    ):
        prepare_run(plan(butler, "measure"), butler, InitOptions(register_dataset_types=False))
    assert "out" not in butler.collections.query("*")
    prepare_run(plan(butler, "measure", run="other"), butler)
    prepare_run(plan(butler, "measure"), butler, InitOptions(register_dataset_types=False))
    butler.registry.registerDatasetType(DatasetType("counts", ("instrument",), "StructuredDataDict"))
    with pytest.raises(ConflictingDefinitionError, match="the repository has <"):
        prepare_run(plan(butler), butler)


def test_nothing_is_written_without_leave(butler: Butler) -> None:
    """What the run has is compared all the same."""
    prepare_run(plan(butler, "measure"), butler, InitOptions(save_init_outputs=False))
    assert not butler.query_all_datasets("out")
    prepare_run(plan(butler, "measure"), butler)
    with pytest.raises(ConflictingDefinitionError, match="measure:unit"):
        prepare_run(plan(butler, "measure", unit="mJy"), butler, InitOptions(save_init_outputs=False))


def test_a_task_that_forgets_its_init_output_is_told(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names class and attribute."""
    monkeypatch.setattr(MeasureTask, "__init__", PipelineTask.__init__)
    with pytest.raises(TaskError, match="MeasureTask has no attribute 'outputSchema'"):
        prepare_run(plan(butler, "measure"), butler)


def test_a_task_without_init_inputs_is_made_without() -> None:
    """Its constructor need not know of them."""
    [node] = [node for node in toy_pipeline().nodes if node.label == "double"]
    assert make_task(node, {}).getName() == "double"


class TreeConnections(PipelineTaskConnections, dimensions=VISIT):
    number = Input(name="number", storageClass="TaskMetadata", dimensions=VISIT)
    kind = Output(name="kind", storageClass="StructuredDataDict", dimensions=VISIT)


class TreeConfig(PipelineTaskConfig, pipelineConnections=TreeConnections):
    pass


class TreeTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = TreeConfig
    _DefaultName = "tree"

    def run(self, number: Any) -> Struct:
        return Struct(kind={"kind": type(number).__name__})


def test_an_input_is_had_as_the_task_wants_it(butler: Butler) -> None:
    """The storage class of an input may be another one than that of the repository."""
    pipeline = Pipeline.from_values({"description": "x", "tasks": {"tree": f"{__name__}:TreeTask"}})
    graph = build_graph(pipeline, butler, collections=("in",), run="out")
    assert run_graph(graph, butler).succeeded
    assert butler.get("kind", instrument="Cam", visit=1, collections="out") == {"kind": "TaskMetadata"}


def pipetask(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, ["run", "-b", "repo", "-p", "plan.yaml", "-i", "in", *words])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


def test_the_command_line_prepares_a_run_and_goes_on(
    butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--init-only writes what a run needs once; --extend-run finds it, or says what differs."""
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text(yaml.safe_dump({"description": "x", "tasks": TASKS}))
    words = ("--output-run", "out")
    assert "no dataset type" in pipetask(*words, "--no-register", status=1)
    assert "out" not in butler.collections.query("*")
    assert "is prepared" in pipetask(*words, "--init-only")
    made = {"count_config", "counted_columns", "measure_config", "packages", "sources_schema"}
    assert {ref.datasetType.name for ref in butler.query_all_datasets("out")} == made
    told = pipetask(*words, "--extend-run", "-c", "measure:unit=mJy", status=1)
    assert "  'mJy'  # -c measure:unit=mJy" in told
    assert "use a new run" in told
    pipetask(*words, "--extend-run", "--skip-init-writes", "--no-register")
    assert len(butler.query_datasets("counts", "out")) == 4
    assert "give one of them" in pipetask(*words, "--init-only", "--skip-init-writes", status=2)
