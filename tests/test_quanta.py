"""What a registry keeps of quanta: with their outputs, found by dataset, as long as it explains something."""

from __future__ import annotations

import io
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from butler import Butler, DatasetRef, DatasetType
from butler.errors import FileFormatError
from butler.provenance import QuantumRecord, RecordedDataset, TaskRecord
from butler.registry.quantum_codec import pack_datasets

pytestmark = pytest.mark.both_databases

THING = DatasetType("thing", ("instrument", "visit"), "StructuredDataDict")


@pytest.fixture
def registered(butler: Butler) -> Butler:
    """Return a butler that knows the dataset type of the tests, and runs a, b and c."""
    butler.registry.registerDatasetType(THING)
    for run in "abc":
        butler.registry.registerRun(run)
    return butler


def put(butler: Butler, run: str, visit: int) -> DatasetRef:
    return butler.put({"visit": visit}, THING, instrument="CAM", visit=visit, run=run)


def made(run: str, inputs: list[DatasetRef], outputs: list[DatasetRef], **more: str) -> QuantumRecord:
    """Return the record of a quantum that made datasets of others."""
    task = TaskRecord(run, "work", "somewhere:Work", {"b": [1, 2.5], "a": None}, {"numpy": "2.0"})
    given = {
        "read": tuple(map(RecordedDataset.of, inputs)),
        "again": tuple(map(RecordedDataset.of, inputs[:1])),
    }
    return QuantumRecord(
        uuid.uuid4(), task, {"instrument": "CAM"}, more.get("status", "succeeded"), more.get("message", ""),
        time.time_ns(), 1.5,
        inputs={name: members for name, members in given.items() if members},
        outputs={"written": tuple(map(RecordedDataset.of, outputs))} if outputs else {},
    )  # fmt: skip


def keep(butler: Butler, *records: QuantumRecord) -> None:
    butler.store_staged((), records)


def kept(butler: Butler, *runs: str) -> set[uuid.UUID]:
    return {record.id for record in butler.registry.quanta.in_runs(runs or ["a", "b", "c"])}


def test_a_record_comes_back_as_it_was(registered: Butler) -> None:
    """By its id, its run, what it wrote and what it read; what nobody made is made by nothing."""
    first, second, third = (put(registered, "a", visit) for visit in (1, 2, 3))
    other = put(registered, "b", 1)
    record = made("a", [second, other], [first])
    planned = (replace(RecordedDataset.of(third), id=uuid.UUID(int=0)),)
    record = replace(record, unwritten={"planned": planned}, message="ein Grund: ½")
    keep(registered, record)
    quanta = registered.registry.quanta
    assert quanta.get([record.id, uuid.uuid4()]) == [record]
    assert quanta.in_runs(["a"]) == [record]
    assert quanta.producers([first.id, second.id]) == {first.id: record}
    assert quanta.consumers([second.id, other.id, first.id]) == {second.id: [record], other.id: [record]}
    assert list(record.inputs) == list(quanta.in_runs(["a"])[0].inputs)


def test_it_is_kept_with_its_outputs_or_not_at_all(registered: Butler) -> None:
    """What is undone leaves no record; a second attempt replaces the first."""
    ref = put(registered, "a", 1)
    record = made("a", [], [ref])

    def keep_and_fail() -> None:
        with registered.transaction():
            keep(registered, record)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        keep_and_fail()
    assert kept(registered) == set()
    keep(registered, replace(record, status="failed", outputs={}), made("a", [ref], []))
    keep(registered, record)
    assert registered.registry.quanta.producers([ref.id]) == {ref.id: record}
    assert len(kept(registered)) == 2


def test_tasks_are_kept_once(registered: Butler) -> None:
    """Quanta of one task share its config and versions, whatever their order."""
    refs = [put(registered, "a", visit) for visit in (1, 2, 3)]
    records = [made("a", [], [ref]) for ref in refs]
    turned = replace(records[2].task, config=dict(reversed(records[2].task.config.items())))
    keep(registered, *records[:2], replace(records[2], task=turned))
    table = registered.registry.schema.quantum_task
    assert len(registered.registry.database.query(table.select())) == 1


def test_what_explains_something_stays(registered: Butler) -> None:
    """Of runs a -> b -> c: whoever goes, how the others came about stays known, and in the end nothing."""
    refs = [put(registered, run, 1) for run in "abc"]
    chain = [
        made("a", [], refs[:1]),
        made("b", refs[:1], refs[1:2]),
        made("c", refs[1:2], refs[2:]),
    ]
    keep(registered, *chain, made("b", refs[:1], [], status="failed"))
    registered.pruneDatasets(refs[:1], unstore=True)
    assert len(kept(registered)) == 4
    registered.pruneDatasets(refs[:1], unstore=True, purge=True)
    assert len(kept(registered)) == 4
    registered.removeRuns("b")
    assert kept(registered) == {record.id for record in chain}
    registered.removeRuns("c")
    assert kept(registered) == set()
    database, schema = registered.registry.database, registered.registry.schema
    for table in (schema.quantum, schema.quantum_task, schema.quantum_dataset):
        assert not database.query(table.select())


def test_quanta_without_outputs_stay_until_their_run_goes(registered: Butler) -> None:
    """A failure is remembered, also by a run that has nothing else."""
    keep(registered, made("a", [], [], status="failed"), made("b", [], [], status="failed"))
    registered.removeRuns("a")
    assert len(kept(registered)) == 1
    assert len(kept(registered, "b")) == 1


def test_many_inputs_take_little_room(registered: Butler) -> None:
    """A data ID and a UUID take less than twice the bytes of the UUID."""
    refs = [
        RecordedDataset(uuid.uuid4(), "calexp", "run", {"instrument": "CAM", "detector": i % 100, "visit": i})
        for i in range(1000)
    ]
    record = replace(made("a", [], []), inputs={"calexps": tuple(refs)})
    assert len(pack_datasets(record)) < 32 * len(refs)
    keep(registered, record)
    assert registered.registry.quanta.in_runs(["a"]) == [record]


@pytest.fixture
def chain(registered: Butler) -> tuple[list[DatasetRef], list[QuantumRecord]]:
    """Return datasets of runs a, b and c, each made of the one before."""
    refs = [put(registered, run, 1) for run in "abc"]
    records = [
        made("a", [], refs[:1]),
        made("b", refs[:1], refs[1:2]),
        made("c", refs[1:2], refs[2:]),
    ]
    keep(registered, *records, made("c", refs[1:2], [], status="failed"))
    return refs, records


def bring(source: Butler, target: Butler, refs: list[DatasetRef], how: str, folder: Path) -> None:
    """Bring datasets of one repository into another."""
    if how == "transfer":
        target.transfer_from(source, refs, register_dataset_types=True, transfer_dimensions=True)
        return
    with source.export(directory=folder, transfer="copy") as export:
        export.saveDatasets(refs)
    target.import_(directory=folder, transfer="copy")


@pytest.mark.parametrize("how", ["export", "transfer"])
def test_provenance_travels_with_datasets(
    registered: Butler,
    chain: tuple[list[DatasetRef], list[QuantumRecord]],
    empty: Butler,
    how: str,
    tmp_path: Path,
) -> None:
    """What made a dataset, and what made that, is known where it arrives, once, and no more."""
    refs, records = chain
    bring(registered, empty, refs[2:], how, tmp_path / "export")
    quanta = empty.registry.quanta
    assert sorted(quanta.in_runs(["a", "b", "c"]), key=lambda r: r.task.run) == records
    bring(registered, empty, refs[1:], how, tmp_path / "again")
    assert len(quanta.in_runs(["a", "b", "c"])) == 3
    assert quanta.ancestry([refs[1].id]) == records[1::-1]
    empty.removeRuns("c")
    assert kept(empty) == {record.id for record in records[:2]}


def test_an_export_without_quanta_has_no_word_of_them(registered: Butler, tmp_path: Path) -> None:
    """It is what LSST's butler writes."""
    with registered.export(filename=tmp_path / "e.yaml") as export:
        export.saveDatasets(put(registered, "a", 1))
    assert "provenance" not in (tmp_path / "e.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"begin_ns": ', '"begin_ns": 9999999999'),
        ('"duration": 1.5', '"duration": NaN'),
        ('"task": 0', '"task": 7'),
        ('"status": "succeeded", ', ""),
        ('"label": ', '"lebal": '),
        ('"config": {', '"config": [' + "[" * 100_000),
        ('"inputs": {"read"', '"inputs": {"read": 1, "x"'),
    ],
)
def test_broken_records_are_refused(
    registered: Butler,
    chain: tuple[list[DatasetRef], list[QuantumRecord]],
    empty: Butler,
    tmp_path: Path,
    old: str,
    new: str,
) -> None:
    """An export whose records say impossible things is refused, and nothing is imported."""
    with registered.export(directory=tmp_path, transfer="copy") as export:
        export.saveDatasets(chain[0])
    path = tmp_path / "export.yaml"
    values = yaml.safe_load("provenance:" + path.read_text().partition("provenance:")[2])["provenance"]
    broken = {key: [text.replace(old, new) for text in texts] for key, texts in values.items()}
    assert broken != values
    text = path.read_text().partition("provenance:")[0] + yaml.safe_dump({"provenance": broken})
    with pytest.raises(FileFormatError, match="record of a quantum"):
        empty.import_(filename=io.StringIO(text), without_datastore=True)
    assert kept(empty) == set()
