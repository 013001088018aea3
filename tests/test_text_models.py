"""Text formats: plain values and models as JSON and YAML, logs as lines; pictures and bytes as they are."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pydantic import BaseModel
from stored_files import read, write

from butler.datasets import StorageClass, get_storage_class
from butler.errors import FileFormatError, StorageClassError
from butler.formatters import LocalFile, ReadRequest, get_formatter
from butler.log_records import ButlerLogRecord, ButlerLogRecords


class Threshold(BaseModel):
    """A model as a task's config may be."""

    value: float
    planes: list[str] = []


THRESHOLD = StorageClass(
    "Threshold",
    Threshold,
    formatter="Json",
    converters={"builtins:dict": f"{__name__}:Threshold.model_validate"},
)


def read_as(path: Path, formatter: str, storage_class: StorageClass) -> Any:
    return get_formatter(formatter).read(LocalFile(path), ReadRequest(storage_class))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), plain, max_size=4))
def test_plain_values_come_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    """Whatever JSON can say comes back from JSON and from YAML."""
    path = tmp_path_factory.getbasetemp() / "values"
    for name in ("Json", "Yaml"):
        get_formatter(name).write(values, path)
        assert read_as(path, name, get_storage_class("StructuredDataDict")) == values


def test_lists_are_stored_as_such(tmp_path: Path) -> None:
    """A list comes back as the storage class of lists, and is no dictionary."""
    path = write([1, {"a": None}], tmp_path / "l", "StructuredDataList")
    assert read(path, "StructuredDataList") == [1, {"a": None}]
    with pytest.raises(FileFormatError, match="holds a list, not a dict"):
        read(path, "StructuredDataDict")


@pytest.mark.parametrize("name", ["Json", "Yaml"])
def test_models(tmp_path: Path, name: str) -> None:
    """A model is validated when it is read; a dictionary of its fields can be put, and had."""
    path = tmp_path / "model"
    get_formatter(name).write(Threshold(value=5, planes=["DETECTED"]), path)
    assert read_as(path, name, THRESHOLD) == Threshold(value=5.0, planes=["DETECTED"])
    assert THRESHOLD.coerce_type({"value": 2}) == Threshold(value=2.0)
    assert get_storage_class("Config").coerce_type(Threshold(value=2)) == {"value": 2.0, "planes": []}
    get_formatter(name).write({"value": "much"}, path)
    with pytest.raises(FileFormatError, match="is no Threshold: value: "):
        read_as(path, name, THRESHOLD)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [echo]",
        "a: !!python/name:os.system",
        "a: !mine {b: 1}",
        "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30)),
        "&a [*a]",
        "a: [1\n",
        "a: b: c",
        "[" * 5000,
        "\x00",
    ],
)
def test_hostile_yaml(tmp_path: Path, text: str) -> None:
    """Tags, aliases and endless nesting are refused, and nothing is run."""
    (tmp_path / "hostile.yaml").write_text(text)
    with pytest.raises(FileFormatError, match=r"hostile\.yaml"):
        read_as(tmp_path / "hostile.yaml", "Yaml", get_storage_class("StructuredDataDict"))


def test_what_occurs_twice_is_written_twice(tmp_path: Path) -> None:
    """No YAML that we write has an alias; what holds itself, or nests too deeply, is refused."""
    shared = [1, 2]
    get_formatter("Yaml").write({"a": shared, "b": shared}, tmp_path / "v")
    assert read_as(tmp_path / "v", "Yaml", get_storage_class("StructuredDataDict")) == {
        "a": shared,
        "b": shared,
    }
    endless: dict[str, Any] = {}
    endless["again"] = endless
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"a": deep}
    for values in (endless, deep, {"a": object()}):
        with pytest.raises(StorageClassError, match="as YAML"):
            get_formatter("Yaml").write(values, tmp_path / "v")


# Logs.


def make_log() -> ButlerLogRecords:
    records = ButlerLogRecords()
    logger = logging.Logger("tasks.coadd")
    logger.addHandler(handler := logging.Handler())
    handler.emit = records.append  # type: ignore[method-assign]
    logger.info("%d warps, ü\n", 3)
    try:
        raise ValueError("bad pixel")
    except ValueError:
        logger.exception("failed")
    return records


def test_logs_come_back(tmp_path: Path) -> None:
    """Messages, levels, times and tracebacks survive; each is one line."""
    log = make_log()
    path = write(log, tmp_path / "log", "ButlerLogRecords")
    found = read(path, "ButlerLogRecords")
    assert found == log
    assert len(found) == len(path.read_text().splitlines()) == 2
    assert (found[0].message, found[0].levelname, found[0].name) == ("3 warps, ü\n", "INFO", "tasks.coadd")
    assert abs((found[0].asctime - datetime.now(UTC)).total_seconds()) < 60
    assert "ValueError: bad pixel" in found[1].exc_info
    assert "3 warps" in str(found)
    assert [record.levelno for record in found] == [20, 40]


def test_logs_of_lsst(tmp_path: Path) -> None:
    """A JSON list of messages, as LSST wrote them, is read, too."""
    record = json.loads(make_log()[0].model_dump_json())
    (tmp_path / "old.json").write_text(json.dumps([record, {**record, "MDC": {"LABEL": "isr"}}]))
    found = read(tmp_path / "old.json", "ButlerLogRecords")
    assert [r.MDC for r in found] == [{}, {"LABEL": "isr"}]
    assert isinstance(found[0], ButlerLogRecord)


@pytest.mark.parametrize("text", ["{}\n", "not a log", "[{}]", "[", '{"name": 3}\n'])
def test_broken_logs(tmp_path: Path, text: str) -> None:
    """What is no log is one clear error."""
    (tmp_path / "broken.log").write_text(text)
    with pytest.raises(FileFormatError, match=r"broken\.log is no log"):
        read(tmp_path / "broken.log", "ButlerLogRecords")


# Pictures and bytes.


@pytest.mark.parametrize(
    ("kind", "start"), [("Plot", b"\x89PNG"), ("MatplotlibFigure", b"\x89PNG"), ("PdfDocument", b"%PDF-1")]
)
def test_figures_become_files(tmp_path: Path, kind: str, start: bytes) -> None:
    """A figure is stored as a picture, which is read as its bytes; so is a file that is one already."""
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([1, 2])
    content = read(write(figure, tmp_path / "f", kind), kind)
    assert content.startswith(start)
    assert content == (tmp_path / "f").read_bytes()
    assert read(write(content, tmp_path / "g", kind), kind) == content
    with pytest.raises(StorageClassError, match="these bytes are no"):
        write(b"GIF89a", tmp_path / "h", kind)
    (tmp_path / "h").write_bytes(b"GIF89a")
    with pytest.raises(FileFormatError, match="h is no P"):
        read(tmp_path / "h", kind)
    with pytest.raises(StorageClassError, match=r"expected bytes, or one of matplotlib\.figure\.Figure"):
        write({}, tmp_path / "h", kind)


def test_any_bytes(tmp_path: Path) -> None:
    """Bytes come back as they are."""
    content = bytes(range(256))
    assert read(write(content, tmp_path / "b", "Bytes"), "Bytes") == content
