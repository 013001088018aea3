"""Saved graphs: what is read of them, who may load them, damage and malice, and running them."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_pipeline import VISITS, make_toy_repo, toy_pipeline

from butler import Butler
from connections import (
    EmptyQuantumGraphError,
    ExistingOutputs,
    GraphFile,
    GraphFileError,
    OutputExistsError,
    QuantumGraph,
    QuantumGraphError,
    RunCollections,
    build_graph,
    graph_file,
    graph_writer,
    load_graph,
    save_graph,
)
from tasks.cli import main
from tasks.execution import run_graph

TOTAL = {"value": 2 * sum(10 * visit for visit in VISITS)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have blocks of two quanta."""
    monkeypatch.setattr(graph_writer, "_MAX_QUANTA", 2)


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def saved(butler: Butler, path: Path, **config: Any) -> QuantumGraph:
    """Save the graph of the toy pipeline, whose outputs go to run ``out``."""
    graph = build_graph(toy_pipeline(**config), butler, collections=["in"], run="out")
    assert butler.registry.repository_id is not None
    save_graph(graph, path, RunCollections("out", ("in",)), butler.registry.repository_id)
    return graph


def load(path: Path, butler: Butler, **options: Any) -> QuantumGraph:
    with GraphFile(path) as file:
        return load_graph(file, butler, **options)


@pytest.fixture
def path(butler: Butler, tmp_path: Path) -> Path:
    """Return the file of a saved graph."""
    saved(butler, tmp_path / "plan.qg")
    return tmp_path / "plan.qg"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    """Return a butler of a repository that nobody changes; beside it lies a saved graph."""
    place = tmp_path_factory.mktemp("unchanged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_writer, "_MAX_QUANTA", 2)
        butler = make_toy_repo(place / "repo")
        saved(butler, place / "plan.qg")
    yield butler
    assert butler.collections.query("*") == ["in"]


@pytest.fixture
def copy(unchanged: Butler, tmp_path: Path) -> Path:
    """Return a copy of that saved graph."""
    return Path(shutil.copy(Path(unchanged.root).parent / "plan.qg", tmp_path / "plan.qg"))


def test_a_graph_survives_its_file(butler: Butler, tmp_path: Path) -> None:
    """Quanta, datasets, implied values, pipeline and place are those that were saved."""
    graph = saved(butler, tmp_path / "plan.qg")
    again = load(tmp_path / "plan.qg", butler)
    assert again.quanta == graph.quanta
    for one, other in zip(graph.quanta, again.quanta, strict=True):
        assert other.dataId.full_values == one.dataId.full_values
        assert [ref.run for ref in other.input_refs()] == [ref.run for ref in one.input_refs()]
        assert [ref.dataId.full_values for ref in other.input_refs()] == [
            ref.dataId.full_values for ref in one.input_refs()
        ]
    assert again.dependencies == graph.dependencies
    assert [(n.label, n.config) for n in again.pipeline.nodes] == [
        (n.label, n.config) for n in graph.pipeline.nodes
    ]
    assert {p.name for p in tmp_path.iterdir()} == {"plan.qg", "repo"}


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ({"labels": ["sum"]}, {"quanta/00002.json", "datasets/00002.json"}),
        ({"data_id": {"visit": range(3, 5)}}, {"datasets/00001.json"}),
        ({"data_id": {"visit": {1}, "instrument": {"Cam"}}}, {"datasets/00000.json"}),
        ({"data_id": {"band": {"r"}}}, set()),
        ({"ids": [uuid.uuid4()]}, set()),
    ],
)
def test_only_what_is_asked_for_is_read(copy: Path, asked: dict[str, Any], members: set[str]) -> None:
    """Blocks without a quantum that is wanted stay packed."""
    with GraphFile(copy) as file:
        everything = list(file.quanta())
        read: list[str] = []
        archive = file._archive
        unpack = archive.read
        archive.read = lambda name, *more: read.append(name) or unpack(name, *more)  # type: ignore[method-assign, func-returns-value]
        found = list(file.quanta(**asked))
    assert {name for name in read if name in members or name.startswith("datasets")} == members
    wanted = {
        "labels": lambda q, v: q.label in v,
        "ids": lambda q, v: q.id in v,
        "data_id": lambda q, v: all(name in q.dataId and q.dataId[name] in v[name] for name in v),
    }
    assert found == [q for q in everything if all(wanted[name](q, value) for name, value in asked.items())]


def test_quanta_by_their_ids(copy: Path, unchanged: Butler) -> None:
    """The quanta that are named are loaded, in task order."""
    graph = load(copy, unchanged)
    chosen = [graph.quanta[2], graph.quanta[0]]
    assert load(copy, unchanged, quanta=[q.id for q in chosen]).quanta == (graph.quanta[0], graph.quanta[2])
    with pytest.raises(EmptyQuantumGraphError, match="no such quanta"):
        load(copy, unchanged, quanta=[uuid.uuid4()])


def test_reading_a_file_runs_nothing_of_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that the file names is not imported to show its quanta."""
    (tmp_path / "evil_task.py").write_text("from pathlib import Path\nPath('pwned').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def bewitch(header: dict[str, Any]) -> None:
        header["pipeline"] = header["pipeline"].replace("toy_pipeline:DoubleTask", "evil_task:Task")
        header["tasks"]["double"]["class_name"] = "evil_task:Task"

    rewritten(path, "graph.json", bewitch)
    result = CliRunner().invoke(main, ["qgraph", "-b", "repo", "-g", f"{path}#double", "--show", "graph"])
    assert result.exit_code == 0, result.output
    assert result.stdout.count("double {") == len(VISITS)
    assert not Path("pwned").exists()
    assert "evil_task" not in sys.modules


def rewritten(path: Path, member: str, change: Callable[[Any], None]) -> None:
    """Change the values of one member of a saved graph."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    values = json.loads(members[member])
    change(values)
    members[member] = json.dumps(values).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repository": str(uuid.uuid4())}, "of another repository"),
        ({"universe": 7}, "dimensions of version 7"),
        ({"program": "0.0"}, r"made by version 0.0 .*\(--no-versions\)"),
        ({"version": 99}, "has version 99, and 1 can be read"),
        ({"format": "a picture"}, "that of something else"),
        ({"pipeline": "description: x\ntasks: {sum: toy_pipeline:SumTask}"}, "other tasks than its quanta"),
        ({"blocks": [{"label": "x", "n_quanta": 1, "n_datasets": 1}]}, "quanta of x"),
    ],
)
def test_a_graph_must_fit(copy: Path, unchanged: Butler, change: dict[str, Any], message: str) -> None:
    """A graph of another repository, version or pipeline is refused, and says so."""
    rewritten(copy, "graph.json", lambda header: header.update(change))
    with pytest.raises(GraphFileError, match=message):
        load(copy, unchanged)


def test_versions_can_be_passed_over(copy: Path, unchanged: Butler) -> None:
    """Who means it loads a graph of another version of the program."""
    rewritten(copy, "graph.json", lambda header: header.update(program="0.0"))
    assert len(load(copy, unchanged, check_versions=False).quanta) == len(VISITS) + 1


def test_tasks_must_be_those_of_the_graph(copy: Path, unchanged: Butler) -> None:
    """A task whose config or connections are others now is named, with the fields that differ."""
    rewritten(copy, "graph.json", lambda h: h["tasks"]["double"]["config"].update(fail=[3]))
    with pytest.raises(GraphFileError, match=r"double has another config \(fail\)"):
        load(copy, unchanged)


def test_inputs_must_still_be_there(path: Path, butler: Butler) -> None:
    """An input that was removed since is named."""
    gone = butler.query_datasets("number", "in", where="visit = 3")
    butler.pruneDatasets(gone, disassociate=True, unstore=True, purge=True)
    with pytest.raises(GraphFileError, match=r"1 inputs .* are no longer there, such as number@.*3"):
        load(path, butler)
    assert len(load(path, butler, data_id={"visit": {1, 2}}).quanta) == 2


def block(values: dict[str, Any]) -> Any:
    return values["types"]["number"]


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("quanta/00000.json", lambda v: v.update(ids=v["ids"][:-4])),
        ("quanta/00000.json", lambda v: v.update(ids=17)),
        ("quanta/00000.json", lambda v: v["values"].pop()),
        ("quanta/00000.json", lambda v: v["values"][0].append("Cam")),
        ("quanta/00000.json", lambda v: v["values"].__setitem__(0, [1, 2])),
        ("quanta/00000.json", lambda v: v["values"].__setitem__(1, ["1", "2"])),
        ("quanta/00000.json", lambda v: v["values"].__setitem__(1, [1, 2**64])),
        ("quanta/00000.json", lambda v: v["values"].__setitem__(1, [1, [2]])),
        ("datasets/00000.json", lambda v: v.update(more=1)),
        ("datasets/00000.json", lambda v: v["inputs"].pop("number")),
        ("datasets/00000.json", lambda v: v["inputs"].update(strange=v["inputs"]["number"])),
        ("datasets/00000.json", lambda v: v["inputs"]["number"].update(counts=[1, -1])),
        ("datasets/00000.json", lambda v: v["inputs"]["number"].update(counts=[10**18, 10**18])),
        ("datasets/00000.json", lambda v: v["inputs"]["number"].update(counts=[1])),
        ("datasets/00000.json", lambda v: v["inputs"]["number"].update(places=[0, 9])),
        ("datasets/00000.json", lambda v: v["inputs"]["number"].update(places=[0, 10**30])),
        ("datasets/00000.json", lambda v: block(v).update(run=[0, 5])),
        ("datasets/00000.json", lambda v: block(v).update(runs="in")),
        ("datasets/00000.json", lambda v: v["types"].update(strange=block(v))),
        ("graph.json", lambda v: v.update(types=[])),
        ("graph.json", lambda v: v["types"][0].update(dimensions=["nonsense"])),
        ("graph.json", lambda v: v["tasks"]["double"].update(dimensions=["nonsense"])),
        ("graph.json", lambda v: v.update(blocks=[*v["blocks"], v["blocks"][0]])),
        ("graph.json", lambda v: v.update(pipeline="a: [1,")),
        ("graph.json", lambda v: v.update(pipeline="!!python/object/apply:os.system ['touch pwned']")),
        ("graph.json", lambda v: v.update(place=None)),
    ],
)
def test_hostile_values_are_one_error(
    copy: Path, unchanged: Butler, tmp_path: Path, member: str, change: Callable[[Any], None]
) -> None:
    """Whatever stands in a file, it is loaded or refused with an error that names the file."""
    rewritten(copy, member, change)
    with pytest.raises((GraphFileError, QuantumGraphError), match=r"plan\.qg"):
        load(copy, unchanged)
    assert not (tmp_path / "pwned").exists()


def test_members_that_would_fill_the_memory_are_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that is small in the file, and large when it is unpacked, stays packed."""
    monkeypatch.setattr(graph_file, "_MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("graph.json", bytes((1 << 20) + 1))
    with pytest.raises(GraphFileError, match="would take"):
        GraphFile(copy)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_one_error(unchanged: Butler, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    """A file that was cut off or in which bytes were changed is read as it was, or refused."""
    original = (Path(unchanged.root).parent / "plan.qg").read_bytes()
    damaged = bytearray(original)
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(original) - 1)) :]
    else:
        for place in data.draw(st.lists(st.integers(0, len(original) - 1), min_size=1, max_size=5)):
            damaged[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.qg"
    path.write_bytes(damaged)
    told = ""
    try:
        with GraphFile(path) as file:
            assert sum(1 for _ in file.quanta()) <= len(VISITS) + 1
    except GraphFileError as error:
        told = str(error)
    assert not told or "damaged.qg" in told


def test_no_file_and_no_archive(tmp_path: Path) -> None:
    """A missing file, a directory and another file are refused."""
    (tmp_path / "text.qg").write_text("hello")
    for name in ("none.qg", "text.qg", "."):
        with pytest.raises(GraphFileError):
            GraphFile(tmp_path / name)


def test_a_saved_graph_runs(path: Path, butler: Butler) -> None:
    """What it plans is made under the UUIDs that it says."""
    graph = load(path, butler)
    assert run_graph(graph, butler).succeeded
    assert butler.get("total", instrument="Cam", collections="out") == TOTAL
    planned = {ref.id for quantum in graph.quanta for ref in quantum.output_refs()}
    assert planned == {ref.id for name in ("doubled", "total") for ref in butler.query_datasets(name, "out")}


SKIP, CLOBBER = ExistingOutputs(["out"], planned_before=True), ExistingOutputs(clobber=True)


def test_running_it_again(path: Path, butler: Butler) -> None:
    """What exists is refused, skipped or replaced; a complete quantum is done, with metadata or without."""
    run_graph(load(path, butler), butler)
    with pytest.raises(OutputExistsError, match="--resume"):
        load(path, butler)
    assert load(path, butler, existing=SKIP).n_skipped == {"double": len(VISITS), "sum": 1}
    purge(butler, "double_metadata", "visit = 2")
    assert load(path, butler, existing=SKIP).quanta == ()
    purge(butler, "double_metadata", "visit = 3")
    purge(butler, "doubled", "visit = 3")
    purge(butler, "sum_metadata", "")
    purge(butler, "total", "")
    graph = load(path, butler, existing=SKIP)
    assert [str(q) for q in graph.quanta] == [str(q) for q in load(path, butler, existing=SKIP).quanta]
    assert graph.count_by_label() == {"double": 1, "sum": 1}
    again = load(path, butler, existing=CLOBBER)
    assert again.count_by_label() == {"double": len(VISITS), "sum": 1}
    assert run_graph(again, butler).succeeded
    assert butler.get("total", instrument="Cam", collections="out") == TOTAL
    assert butler.verify().is_clean


def purge(butler: Butler, dataset_type: str, where: str) -> None:
    refs = butler.query_datasets(dataset_type, "out", where=where)
    butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)


def test_task_by_task(butler: Butler, tmp_path: Path) -> None:
    """A part needs what comes before it to have run; what that had no work for is left out."""
    path = tmp_path / "plan.qg"
    saved(butler, path, noWork=[2])
    with pytest.raises(GraphFileError, match="4 quanta that come before have not succeeded, such as double"):
        load(path, butler, labels="sum")
    assert run_graph(load(path, butler, labels="double"), butler).succeeded
    last = load(path, butler, labels="sum")
    assert [ref.dataId["visit"] for ref in last.quanta[0].inputs["parts"]] == [1, 3, 4]
    assert run_graph(last, butler).succeeded


def pipetask(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


PLAN = ("-b", "repo", "-t", "toy_pipeline:DoubleTask", "-t", "toy_pipeline:SumTask", "-i", "in", "-o", "out")


def test_from_the_command_line(butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-q saves, -g runs, once, and --resume does what is left; a part of a part can be saved."""
    monkeypatch.chdir(tmp_path)
    made = pipetask("qgraph", *PLAN, "-q", "all.qg", "--summary", "all.json", "--qgraph-dot", "a.dot")
    assert made.exit_code == 0, made.output
    assert json.loads(Path("all.json").read_text())["qgraphTaskSummaries"]["sum"]["numInputs"] == {
        "doubled": 4
    }
    assert Path("a.dot").read_text().count("->") == len(VISITS)
    assert not butler.collections.query("out*")
    part = pipetask("qgraph", "-b", "repo", "-g", "all.qg", "--qgraph-data-id", "visit=1..2", "-q", "part.qg")
    assert part.exit_code == 0, part.output
    table = pipetask("qgraph", "-b", "repo", "-g", "part.qg", "--summary-table")
    assert table.stdout.splitlines()[-2].split() == ["double", "2", "0", "0", "2", "2"]
    assert pipetask("run", "-b", "repo", "-g", "part.qg").exit_code == 0
    assert "exists; --resume" in pipetask("run", "-b", "repo", "-g", "all.qg").stderr
    rest = pipetask("run", "-b", "repo", "-g", "all.qg", "--resume")
    assert rest.exit_code == 0, rest.output
    assert "double: 2 quanta (2 done before)" in rest.stderr
    assert butler.get("total", instrument="Cam", collections="out") == TOTAL
    done = pipetask("run", "-b", "repo", "-g", "all.qg", "--resume")
    assert done.exit_code == 0
    assert "nothing to do" in done.stderr
    assert "outputs will be" not in done.stderr
    first, second = butler.collections.get_info("out").children
    assert (first[:4], second) == ("out/", "in")


def test_the_same_plan_for_another_run(
    path: Path, butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs go to the other run under new UUIDs, and are handed on; the first plan still runs."""
    monkeypatch.chdir(tmp_path)
    assert pipetask("update-graph-run", "plan.qg", "other", "other.qg").exit_code == 0
    first, second = load(path, butler), load(Path("other.qg"), butler)
    assert (first.run, second.run) == ("out", "other")
    assert [str(quantum) for quantum in second.quanta] == [str(quantum) for quantum in first.quanta]
    for graph in (first, second):
        assert [len(graph.dependencies[q.id]) for q in graph.quanta] == [0, 0, 0, 0, len(VISITS)]
        assert run_graph(graph, butler).succeeded
        assert butler.get("total", instrument="Cam", collections=graph.run) == TOTAL
    made = [{ref.id for quantum in g.quanta for ref in quantum.output_refs()} for g in (first, second)]
    assert not made[0] & made[1]
    assert not {quantum.id for quantum in first.quanta} & {quantum.id for quantum in second.quanta}
    assert pipetask("update-graph-run", "none.qg", "other", "x.qg").exit_code == 1


@pytest.mark.parametrize("source", [PLAN, ("-b", "repo", "-g", "plan.qg")])
@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("graph", {"double {": 4, "sum {": 1, "  <- parts: doubled@": 4, "  -> total: total@": 1}),
        ("workflow", {"double {": 8, "  after double {": 4}),
        ("inputs", {"number@": 4, "doubled@": 0}),
        ("uri", {"number@": 4, "doubled@": 4, "total@": 1, "/repo/out": 5}),
    ],
)
def test_what_is_shown(
    unchanged: Butler, monkeypatch: pytest.MonkeyPatch, source: tuple[str, ...], item: str, expected: Any
) -> None:
    """A graph looks the same whether it was just built or is in a file."""
    monkeypatch.chdir(Path(unchanged.root).parent)
    result = pipetask("qgraph", *source, "--show", item)
    assert result.exit_code == 0, result.output
    assert {text: result.stdout.count(text) for text in expected} == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-g", "plan.qg", "-i", "in"), "leave out -i"),
        (("-g", "plan.qg", "-t", "toy_pipeline:SumTask"), "leave out -p, -t"),
        (("-g", "plan.qg", "--output-run", "other"), "leave out --output-run"),
        (("-g", "none.qg"), "no saved graph 'none.qg'"),
        (("-g", "plan.qg#doubel"), "did you mean 'double'"),
        (("-g", "plan.qg", "--qgraph-id", "x"), "not x"),
        (("-g", "plan.qg", "--qgraph-node-id", "x"), "takes UUIDs"),
        (("-g", "plan.qg", "--qgraph-data-id", "vist=1"), "did you mean 'visit'"),
        (("-g", "plan.qg", "--extend-run"), "no run 'out' to extend"),
        (("--qgraph-id", "x"), "need -g"),
        ((*PLAN[2:], "-q", "nowhere/plan.qg"), "no such directory"),
        ((), "give -p PIPELINE"),
    ],
)
def test_mistakes_on_the_command_line(
    unchanged: Butler, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    """Each is one message, and nothing is made."""
    monkeypatch.chdir(Path(unchanged.root).parent)
    result = pipetask("run", "-b", "repo", *words)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert message in result.stderr
    assert result.stderr.count("Error: ") == 1


def test_a_copy_of_the_repository_is_the_same(path: Path, butler: Butler, tmp_path: Path) -> None:
    """What tells a repository is in it, and not where it lies."""
    butler.close()
    shutil.move(tmp_path / "repo", tmp_path / "moved")
    with Butler(tmp_path / "moved", writeable=True) as moved:
        assert run_graph(load(path, moved), moved).succeeded
