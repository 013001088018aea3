"""Many datasets in one go, and UUIDs that follow from what a dataset is."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_repository import CALEXP, NOTE, TOTAL, make_exposure

from butler import Butler, DatasetIdGenEnum, DatasetRef
from butler.datasets import DATASET_NAMESPACE, make_dataset_id
from butler.errors import (
    ButlerUserError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetTypeError,
    StorageClassError,
)

pytestmark = pytest.mark.both_databases


def note(visit: int, run: str = "run", **kwargs: DatasetIdGenEnum) -> DatasetRef:
    """Make the ref of a note."""
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run, **kwargs)


def fail_after(butler: Butler, action: Callable[[], object]) -> None:
    """Do something in a transaction that is rolled back."""
    with butler.transaction():
        action()
        raise RuntimeError("stop")


def count_queries(butler: Butler, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> int:
    """Return how many statements something needs."""
    database, asked = butler.registry.database, []

    def counted(name: str) -> Callable[..., Any]:
        ask = getattr(database, name)

        def call(*arguments: Any) -> Any:
            asked.append(name)
            return ask(*arguments)

        return call

    with monkeypatch.context() as patch:
        for name in ("query", "execute", "run", "run_many"):
            patch.setattr(database, name, counted(name))
        action()
    return len(asked)


def partial_files(root: Path) -> list[Path]:
    """Return what is not finished."""
    return list(root.rglob("*.part"))


def test_put_many_is_put_of_each(butler: Butler) -> None:
    """Datasets of several types and runs come back as they went in, with expanded data IDs."""
    butler.registry.registerRun("other")
    pairs = [
        ({"a": 1}, note(1)),
        ({"a": 2}, note(1, "other")),
        ({"a": 3}, note(2)),
        ({}, DatasetRef(TOTAL, {}, "run")),
        (make_exposure(), DatasetRef(CALEXP, {"instrument": "CAM", "visit": 1, "detector": 0}, "run")),
    ]
    refs = butler.put_many(pairs)
    assert [ref.id for ref in refs] == [ref.id for _, ref in pairs]
    assert all(ref.dataId.hasRecords() for ref in refs)
    assert [butler.get(ref) for ref in refs[:4]] == [obj for obj, _ in pairs[:4]]
    assert butler.get(refs[4], parameters=None).image.array.shape == (12, 17)
    assert butler.put_many([]) == []
    assert butler.verify().is_clean


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (({}, note(1)), ConflictingDefinitionError),
        (({}, note(3)), ConflictingDefinitionError),
        (({}, note(77)), DataIdValueError),
        (("no dict", note(2)), StorageClassError),
        (({"bad": object()}, note(2)), ButlerUserError),
    ],
    ids=["twice in the call", "exists", "no such visit", "wrong type", "cannot be written"],
)
def test_one_bad_dataset_keeps_all_out(
    butler: Butler, last: tuple[object, DatasetRef], error: type[Exception]
) -> None:
    """If one of them cannot be put, none is, and no file is left."""
    old = butler.put({"old": True}, NOTE, visit=3)
    with pytest.raises((error, TypeError)):
        butler.put_many([({"a": 1}, note(1)), last])
    assert butler.query_datasets("note") == [old]
    assert partial_files(butler.root) == []
    assert butler.verify().is_clean


def test_put_many_in_a_transaction(butler: Butler) -> None:
    """What is put in a block that fails is gone, rows and files."""
    with pytest.raises(RuntimeError, match="stop"):
        fail_after(butler, lambda: butler.put_many([({}, note(1)), ({}, note(2))]))
    assert butler.query_datasets("note", explain=False) == []
    assert butler.verify().is_clean
    part = butler.put(make_exposure(), CALEXP, visit=1, detector=0).makeComponentRef("wcs")
    with pytest.raises(DatasetTypeError, match="cannot be put alone"):
        butler.put_many([(None, part)])


def test_rows_do_not_cost_a_query_each(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 datasets are inserted with no more statements than 2."""
    with butler.transaction():
        butler.registry.insertDimensionData("day_obs", {"instrument": "CAM", "id": 20250101})
        for number in range(1000, 1202):
            values = {"instrument": "CAM", "id": number, "name": str(number), "physical_filter": "CAM-g"}
            butler.registry.insertDimensionData("visit", {**values, "day_obs": 20250101})
    few, many = ([note(number) for number in numbers] for numbers in (range(1000, 1002), range(1002, 1202)))
    insert = butler.registry.insert_datasets
    n_queries = [
        count_queries(butler, monkeypatch, lambda refs=refs: insert("run", refs)) for refs in (few, many)
    ]
    assert 0 < n_queries[1] <= n_queries[0]
    with pytest.raises(ConflictingDefinitionError, match="exists in run 'run' as"):
        butler.registry.insert_datasets("run", [note(1), note(1150)])


def test_derived_uuids_follow_from_what_a_dataset_is() -> None:
    """They agree with their documented recipe, and differ in just what counts."""
    by_type = note(1, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE)
    name = json.dumps(["note", [["instrument", "CAM"], ["visit", 1]]], separators=(",", ":"))
    assert by_type.id == uuid.uuid5(DATASET_NAMESPACE, name)
    assert by_type.id.version == 5
    assert by_type.id == note(1, "other", id_generation_mode=DatasetIdGenEnum.DATAID_TYPE).id
    by_run = note(1, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN)
    runs = [note(1, run, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN).id for run in ("run", "b")]
    assert by_run.id == runs[0] != runs[1]
    assert len({by_type.id, *runs, note(2, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE).id}) == 4


def test_new_uuids_are_in_the_order_of_time() -> None:
    """They are of version 7, all different, and sort as they were made, within a millisecond, too."""
    made = [make_dataset_id() for _ in range(2000)]
    assert {number.version for number in made} == {7}
    assert {number.variant for number in made} == {uuid.RFC_4122}
    assert len(set(made)) == len(made)
    n_behind = sum(later < earlier for earlier, later in itertools.pairwise(made))
    assert n_behind < len(made) // 100
    seconds = [(number.int >> 80) / 1000 for number in (made[0], made[-1])]
    assert time.time() - 60 < seconds[0] <= seconds[1] <= time.time()
