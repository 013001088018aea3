"""Where datasets come from: up to what no quantum made, down to what was made of them, and made again."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy_pipeline import make_toy_repo, toy_pipeline

from butler import Butler, DatasetRef
from butler.cli import main
from butler.datasets import make_dataset_id
from butler.errors import DatasetNotFoundError
from butler.provenance import QuantumRecord, RecordedDataset, TaskRecord
from connections import QuantumGraphError, build_graph
from connections.provenance import DatasetState, provenance, replay, to_prov, tree_lines
from tasks.execution import run_graph


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose run ``third`` has the sum of doubles of two runs.

    In ``first`` there were doubles of visits 1 to 3, of which 1 and 2 were removed without trace, and made
    again in ``second``, with another config; there they were added up, too.
    """
    root = tmp_path_factory.mktemp("provenance") / "repo"
    with make_toy_repo(root) as butler:
        execute(butler, "first", ["in"], "double", noWork=[4])
        for name in ("doubled", "double_log", "double_metadata"):
            butler.pruneDatasets(found(butler, name, "first")[:2], unstore=True, purge=True)
        execute(butler, "second", ["first", "in"], "double,sum", where="visit < 3")
        execute(butler, "third", ["second", "first"], "sum")
    return root


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "repo"))


@pytest.fixture
def butler(repo: Path) -> Iterator[Butler]:
    with Butler(repo, writeable=True) as butler:
        yield butler


def execute(butler: Butler, run: str, inputs: list[str], labels: str, where: str = "", **config: Any) -> None:
    pipeline = toy_pipeline(**config).only(labels)
    report = run_graph(build_graph(pipeline, butler, collections=inputs, run=run, where=where), butler)
    assert report.succeeded


def found(butler: Butler, name: str, run: str) -> list[DatasetRef]:
    return butler.query_datasets(name, run)


def total(butler: Butler, run: str) -> DatasetRef:
    ref = butler.find_dataset("total", instrument="Cam", collections=run)
    assert ref is not None
    return ref


def invoke(repo: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["provenance", str(repo), *map(str, words)])


def test_up_to_what_was_put(butler: Butler) -> None:
    """A sum of doubles of two runs comes from the numbers that were put, each by its own quantum."""
    graph = provenance(butler, total(butler, "third"))
    labels = sorted(record.task.label for record in graph.quanta.values())
    assert labels == ["double", "double", "double", "sum"]
    sources = [dataset for dataset in graph.sources() if dataset.dataset_type == "number"]
    assert sorted(source.data_id["visit"] for source in sources) == [1, 2, 3]
    assert {record.task.run for record in graph.quanta.values()} == {"first", "second", "third"}
    assert not graph.gone()
    order = [record.task.label for record in graph.quanta_in_order()]
    assert order[-1] == "sum"
    maker = graph.producer(graph.targets[0])
    assert maker is not None
    assert (maker.task.task_class, maker.task.config["doCount"]) == ("toy_pipeline:SumTask", False)
    assert maker.task.versions["python"]
    assert maker.task.versions == butler.get("packages", collections="third")
    by_name = provenance(butler, "total", {"instrument": "Cam"}, collections="third")
    assert by_name == graph
    near = provenance(butler, graph.targets[0], depth=1)
    assert [record.task.label for record in near.quanta.values()] == ["sum"]
    assert not near.sources()
    assert "made by no quantum" not in "".join(tree_lines(near))


def test_down_to_what_was_made_of_it(butler: Butler) -> None:
    """A number has gone into a double, and through that into two sums; what left no trace is not found."""
    source = found(butler, "number", "in")[0]
    graph = provenance(butler, source.id, descendants=True)
    made = {(d.dataset_type, d.run) for key, d in graph.datasets.items() if key in graph.made_by}
    runs = {"second": {"double_log", "double_metadata", "doubled", "sum_log", "sum_metadata", "total"}}
    runs["third"] = {"sum_log", "sum_metadata", "total"}
    assert made == {(name, run) for run, names in runs.items() for name in names}
    assert graph.states[source.id] is DatasetState.STORED
    assert not graph.gone()
    assert len(provenance(butler, source.id, descendants=True, depth=1).quanta) == 1


def test_what_is_gone_is_told(butler: Butler, repo: Path) -> None:
    """What removed intermediates and inputs were stays known, also if their whole run was removed."""
    target = total(butler, "third")
    gone = [*found(butler, "doubled", "second"), *found(butler, "number", "in")[:1]]
    butler.pruneDatasets(gone[1:], unstore=True, purge=True)
    butler.pruneDatasets(gone[:1], unstore=True)
    graph = provenance(butler, target)
    assert graph.states[gone[0].id] is DatasetState.WITHOUT_FILE
    assert {dataset.id for dataset in graph.gone()} == {ref.id for ref in gone[1:]}
    butler.removeRuns("second")
    again = provenance(butler, target)
    assert again.quanta == graph.quanta
    result = invoke(repo, target.id)
    assert result.exit_code == 0, result.output
    assert f"{len(again.gone())} of them gone" in result.stderr
    assert "doubled {instrument=Cam, visit=2} in second (gone)" in result.stdout
    of_the_gone = provenance(butler, gone[1].id)
    assert len(of_the_gone.quanta) == 1
    assert provenance(butler, gone[-1].id, descendants=True).targets == (gone[-1].id,)
    with pytest.raises(DatasetNotFoundError, match="no quantum that is known"):
        provenance(butler, uuid.uuid4())


def test_text_tree(butler: Butler) -> None:
    """Each dataset stands below the quantum that read it, each quantum below what it made."""
    lines = list(tree_lines(provenance(butler, total(butler, "second"))))
    assert lines[0] == "total {instrument=Cam} in second"
    assert lines[1].startswith("  <- sum {instrument=Cam} succeeded 20")
    assert lines[2] == "    doubled {instrument=Cam, visit=1} in second"
    assert lines[3].startswith("      <- double {instrument=Cam, visit=1} succeeded 20")
    assert lines[4] == "        number {instrument=Cam, visit=1} in in (made by no quantum)"
    assert len(lines) == 8


def check_prov(document: dict[str, Any]) -> None:
    """Refuse what the structure of PROV-JSON does not allow: its keys, its names and what they refer to."""
    relations = {
        "used": ("prov:activity", "prov:entity"),
        "wasGeneratedBy": ("prov:entity", "prov:activity"),
        "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity", "prov:activity"),
        "wasAssociatedWith": ("prov:activity", "prov:agent", "prov:plan"),
    }
    homes = {
        "prov:activity": "activity", "prov:agent": "agent", "prov:plan": "entity", "prov:entity": "entity",
        "prov:generatedEntity": "entity", "prov:usedEntity": "entity",
    }  # fmt: skip
    assert set(document) == {"prefix", "entity", "activity", "agent", *relations}
    prefixes = {*document["prefix"], "_"}
    for section in ("entity", "activity", "agent"):
        for name, attributes in document[section].items():
            assert name.partition(":")[0] in prefixes
            assert all(key.partition(":")[0] in prefixes for key in attributes)
    for activity in document["activity"].values():
        assert activity["prov:startTime"] <= activity["prov:endTime"]
    names = [name for relation in relations for name in document[relation]]
    assert len(set(names)) == len(names)
    for relation, keys in relations.items():
        for name, values in document[relation].items():
            assert name.startswith("_:")
            assert set(keys) <= set(values) <= {*keys, "prov:role"}
            for key in keys:
                assert values[key] in document[homes[key]], (relation, key)


def test_prov_json(butler: Butler, repo: Path) -> None:
    """The document is PROV-JSON: entities, activities and agents, and relations between what it has."""
    target = total(butler, "third")
    result = invoke(repo, "total", "--collections", "third", "--format", "json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    check_prov(document)
    assert document == json.loads(json.dumps(to_prov(provenance(butler, target))))
    assert len(document["activity"]) == 4
    used = [v for v in document["used"].values() if v["prov:role"] == "parts"]
    assert len(used) == 3
    derived = {v["prov:usedEntity"] for v in document["wasDerivedFrom"].values()}
    assert len(derived) == 6
    plans = [v for v in document["entity"].values() if "butler:config" in v]
    assert any(json.loads(plan["butler:config"])["noWork"] == [4] for plan in plans if "noWork" in str(plan))
    broken = json.loads(result.stdout)
    next(iter(broken["used"].values()))["prov:entity"] = "uuid:nothing"
    with pytest.raises(AssertionError):
        check_prov(broken)
    check_prov(to_prov(provenance(butler, found(butler, "number", "in")[0], descendants=True)))


def test_command_mistakes(butler: Butler, repo: Path) -> None:
    """Several datasets, none, and no type of that name are one message each."""
    for words, message in (
        (("doubled", "--collections", "second"), "2 datasets doubled are meant"),
        (("total", "instrument=Kam"), "Kam"),
        (("totl",), "did you mean 'total'?"),
        ((uuid.uuid4(),), "no quantum that is known"),
    ):
        result = invoke(repo, *words)
        assert result.exit_code in (1, 2), result.output
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    result = invoke(repo, "doubled", "visit=3", "instrument=Cam", "--descendants")
    assert result.exit_code == 0, result.output
    assert "-> sum {instrument=Cam} succeeded" in result.stdout


def test_replay(butler: Butler) -> None:
    """What is stored is read, what is not is made first; the result is the same, under another UUID."""
    target = total(butler, "third")
    graph = provenance(butler, target)
    again = replay(graph, butler, "again", trusted=["toy_pipeline"])
    assert [quantum.label for quantum in again.quanta] == ["sum"]
    assert run_graph(again, butler).succeeded
    assert butler.get(total(butler, "again")) == butler.get(target)
    butler.pruneDatasets(found(butler, "doubled", "first"), unstore=True, purge=True)
    more = replay(provenance(butler, target), butler, "more", trusted=["toy_pipeline"])
    assert [quantum.label for quantum in more.quanta] == ["double", "sum"]
    assert run_graph(more, butler).succeeded
    assert butler.get(total(butler, "more")) == butler.get(target)
    assert total(butler, "more").id != target.id


def test_replay_of_everything(butler: Butler) -> None:
    """Tasks of different configs in different runs stand side by side, under labels of their own."""
    target = total(butler, "third")
    graph = replay(provenance(butler, target), butler, "all", whole=True, trusted=["toy_pipeline"])
    counts = graph.count_by_label()
    assert counts.pop("sum") == 1
    assert counts.keys() == {"double", "double_2"}
    assert sorted(counts.values()) == [1, 2]
    assert run_graph(graph, butler).succeeded
    assert butler.get(total(butler, "all")) == butler.get(target)


def test_what_cannot_be_replayed(butler: Butler) -> None:
    """An input that nobody can make is named, and strange tasks are not imported unasked."""
    target = total(butler, "third")
    with pytest.raises(QuantumGraphError, match="made by 'toy_pipeline:SumTask'; trust"):
        replay(provenance(butler, target), butler, "again")
    gone = [*found(butler, "number", "in")[:1], *found(butler, "doubled", "second")[:1]]
    butler.pruneDatasets(gone, unstore=True)
    with pytest.raises(QuantumGraphError, match=r"1 datasets cannot be made again.*number \{.*visit=1\}"):
        replay(provenance(butler, target), butler, "again", trusted=["toy_pipeline"])
    with pytest.raises(QuantumGraphError, match="number"):
        replay(provenance(butler, gone[0]), butler, "again")


def test_ten_thousand_inputs(tmp_path: Path) -> None:
    """The way up through ten thousand quanta takes seconds of computing, not minutes."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as butler:
        raw, warps = ([_recorded(name, visit) for visit in range(10_000)] for name in ("raw", "warp"))
        task = TaskRecord("r", "warp", "somewhere:Warp", {})
        coadd = _recorded("coadd", 0)
        empty = QuantumRecord(uuid.uuid4(), task, {"instrument": "Cam"}, "succeeded")
        records = [
            replace(empty, id=uuid.uuid4(), inputs={"a": (read,)}, outputs={"b": (made,)})
            for read, made in zip(raw, warps, strict=True)
        ]
        last = replace(empty, inputs={"warps": tuple(warps)}, outputs={"c": (coadd,)})
        butler.store_staged((), [*records, last])
        begin = time.process_time()
        graph = provenance(butler, coadd.id)
        seconds = time.process_time() - begin
    assert len(graph.quanta) == 10_001
    assert len(graph.sources()) == 10_000
    assert seconds < 10


def _recorded(name: str, visit: int) -> RecordedDataset:
    return RecordedDataset(make_dataset_id(), name, "r", {"instrument": "Cam", "visit": visit})
