"""TaskMetadata: a tree of values, how it is stored, and what timers put into it."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butler import Butler, DatasetType
from butler.errors import FileFormatError, StorageClassError
from butler.task_metadata import TaskMetadata
from tasks.task import Task
from tasks.timer import timeMethod

NAMES = st.text("abcXYZ_:0123", min_size=1, max_size=6)
SCALARS = [st.text(max_size=5), st.booleans(), st.integers(), st.floats(allow_nan=False)]
VALUES = st.one_of(*SCALARS, *(st.lists(kind, max_size=4) for kind in SCALARS))
TREES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=4),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(values=TREES)
@settings(max_examples=60, deadline=None)
def test_a_tree_survives_dictionaries_and_json(values: dict[str, Any]) -> None:
    """What goes in comes out, and every path of it is a key."""
    tree = TaskMetadata.from_dict(values)
    assert tree.to_dict() == values
    assert TaskMetadata.from_dict(json.loads(json.dumps(tree.to_dict()))) == tree
    for path in tree.names():
        assert path in tree


def test_paths_lead_through_branches() -> None:
    """A subtask's value and a branch of the same name do not collide."""
    tree = TaskMetadata()
    tree["top:sub.n"] = 1
    tree["top.sub"] = 2
    tree["top.more.deep"] = [1, 2, 3]
    assert tree.to_dict() == {"top:sub": {"n": 1}, "top": {"sub": 2, "more": {"deep": [1, 2, 3]}}}
    assert tree["top"]["more"]["deep"] == tree["top.more.deep"] == tree.getScalar("top.more.deep") == 3
    assert tree.get_dict("top.more") == {"deep": [1, 2, 3]}
    assert tree.names() == {"top", "top.sub", "top.more", "top.more.deep", "top:sub", "top:sub.n"}
    assert "top.nothing" not in tree
    assert tree.get("top.sub.x", 7) == 7
    del tree["top.more"]
    assert tree == {"top:sub": {"n": 1}, "top": {"sub": 2}}
    tree.set_dict("top.set", {"a.b": 1})
    assert tree["top.set.a.b"] == 1


def test_values_are_added_to_lists() -> None:
    """The last member stands for the list; all of it is an own list."""
    tree = TaskMetadata()
    tree.add("a", 1)
    assert (tree["a"], tree.getArray("a")) == (1, [1])
    tree.add("a", 2)
    tree.add("a", [3, 4.5])
    assert (tree["a"], tree.getArray("a")) == (4.5, [1, 2, 3, 4.5])
    tree.getArray("a").append(9)
    assert len(tree.getArray("a")) == 4
    with pytest.raises(TypeError, match="one type, not float, str"):
        tree.add("a", "x")
    with pytest.raises(TypeError, match="is set, not added"):
        tree.add("a", {"b": 1})  # type: ignore[arg-type]


def test_lists_are_whole_when_trees_are_joined() -> None:
    """An update takes all of a list, and a copy that is changed leaves the original alone."""
    one = TaskMetadata({"n": [1, 2], "inner": {"m": [3, 4]}, "empty": []})
    other = TaskMetadata({"old": True})
    other |= one
    other.update(more="x")
    assert other.to_dict() == {"old": True, **one.to_dict(), "more": "x"}
    assert dict(one.items())["n"] == next(iter(one.values())) == [1, 2]
    other["inner.m"] = 5
    assert one.getArray("inner.m") == [3, 4]
    assert one.getArray("empty") == []
    with pytest.raises(KeyError, match="empty list"):
        _ = one["empty"]


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [(np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True), (Colour.RED, "red"), ((1, 2), [1, 2])],
)
def test_what_is_as_good_as_a_plain_value_becomes_one(value: object, kept: object) -> None:
    """Numbers of numpy, members of enumerations and tuples can be stored."""
    found = TaskMetadata({"a": value}).to_dict()["a"]
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize("value", [None, object(), np.zeros(2), {"a": None}, [[1]], b"x", 1j])
def test_what_cannot_be_stored_is_refused_at_once(value: object) -> None:
    """The message names the key; the tree stays as it was."""
    tree = TaskMetadata({"a": 1})
    with pytest.raises(TypeError, match="'a' cannot be"):
        tree["a"] = value
    assert tree == {"a": 1}


@pytest.mark.parametrize("key", ["", ".", "a..b", "a.x", "nope", "a.x.y"])
def test_keys_that_lead_nowhere(key: str) -> None:
    """A value has no branches below it, and a name has a character at least."""
    tree = TaskMetadata({"a": 1})
    with pytest.raises(KeyError):
        _ = tree[key]
    if key != "nope":
        with pytest.raises(KeyError):
            tree[key] = 2
    with pytest.raises(KeyError, match="is no branch"):
        tree.get_dict("a")
    with pytest.raises(KeyError, match="is a branch"):
        TaskMetadata({"b": {}}).getArray("b")
    assert tree == {"a": 1}


def test_a_tree_is_a_dataset(tmp_path: Path) -> None:
    """It is stored as nested JSON, from a tree or a dictionary, and read as either."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True, run="r") as butler:
        for run in ("r", "other", "third"):
            butler.registry.registerRun(run)
        butler.registry.registerDatasetType(DatasetType("t_metadata", (), "TaskMetadata"))
        tree = TaskMetadata({"t": {"n": [1, 2]}, "quantum": {"outputs": []}})
        butler.put(tree, "t_metadata")
        assert butler.get("t_metadata") == tree
        assert isinstance(butler.get("t_metadata"), TaskMetadata)
        assert butler.get("t_metadata", storageClass="StructuredDataDict") == tree.to_dict()
        assert json.loads(Path(butler.getURI("t_metadata")).read_text()) == tree.to_dict()
        butler.put({"t.n": 3}, "t_metadata", run="other")
        assert butler.get("t_metadata", collections="other")["t"]["n"] == 3
        with pytest.raises(StorageClassError):
            butler.put([1], "t_metadata", run="third")
        Path(butler.getURI("t_metadata")).write_text('{"t": null}'.ljust(48))
        with pytest.raises(FileFormatError, match="holds no task metadata"):
            butler.get("t_metadata")


class InnerTask(Task):
    _DefaultName = "inner"

    @timeMethod
    def run(self, n: int, *, fail: bool = False) -> int:
        """Count."""
        if fail:
            raise RuntimeError("failed")
        return sum(range(n))


def test_a_timed_method_tells_what_it_took() -> None:
    """Start and end are there under LSST's names, also of a call that raised; calls make lists."""
    task = InnerTask()
    assert task.run(200_000) == sum(range(200_000))
    assert InnerTask.run.__doc__ == "Count."
    metadata = task.getFullMetadata()
    took = metadata["inner.runEndCpuTime"] - metadata["inner.runStartCpuTime"]
    assert took > 0
    begin, end = (datetime.fromisoformat(metadata[f"inner.run{edge}Utc"]) for edge in ("Start", "End"))
    assert 0 <= (end - begin).total_seconds() < 60
    assert begin.tzinfo is not None
    assert metadata["inner.runEndMaxResidentSetSize"] > 1000
    with pytest.raises(RuntimeError):
        task.run(1, fail=True)
    assert len(task.metadata.getArray("runEndUtc")) == 2
    kinds = ("Utc", "CpuTime", "UserTime", "SystemTime", "MaxResidentSetSize", "MinorPageFaults",
             "MajorPageFaults", "BlockInputs", "BlockOutputs", "VoluntaryContextSwitches",
             "InvoluntaryContextSwitches")  # fmt: skip
    assert set(task.metadata) == {f"run{edge}{kind}" for edge in ("Start", "End") for kind in kinds}
