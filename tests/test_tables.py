"""Tables: of every library, in every format, whole or only some columns and rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_files import CountedBytes, read, write

from butler import InMemoryDatasetHandle
from butler.datasets import get_storage_class
from butler.errors import ButlerUserError, FileFormatError, StorageClassError
from butler.formatters import ReadRequest, get_formatter
from butler.tables import to_arrow, to_astropy, to_numpy, to_pandas

KINDS = ("ArrowAstropy", "ArrowTable", "ArrowNumpy", "AstropyTable")


def make_table() -> Table:
    """Return a table with the kinds of columns that are hard to keep."""
    table = Table({"id": np.array([1, 2**62, -5]), "flux": [1.5, np.nan, -np.inf] * units.nJy})
    table["name"] = ["a b", "", "é"]
    table["seen"] = MaskedColumn([True, False, True], mask=[False, True, False])
    table["count"] = MaskedColumn(np.array([7, 8, 9], dtype=np.uint16), mask=[True, False, False])
    table["word"] = MaskedColumn(["x", "yy", "z"], mask=[False, False, True])
    table["xy"] = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32)
    table["flux"].description = "Flux of a source"
    table.meta["origin"] = {"visits": [1, 2]}
    return table


def plain_table() -> Table:
    table = make_table()
    table.remove_columns(["seen", "count", "word"])
    # In ECSV an empty text is a missing value.
    table["name"][1] = "b"
    return table


def assert_same(found: Table, expected: Table) -> None:
    """Compare values, types, missing values, units, descriptions and metadata."""
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        got, wanted = found[name], expected[name]
        assert got.dtype.kind == wanted.dtype.kind
        assert got.dtype == wanted.dtype or got.dtype.kind == "U"
        np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(wanted))
        good = ~np.ma.getmaskarray(wanted)
        np.testing.assert_array_equal(np.asarray(got)[good], np.asarray(wanted)[good])
        assert (got.unit, got.description) == (wanted.unit, wanted.description)
    assert dict(found.meta) == dict(expected.meta)


@pytest.mark.parametrize("kind", ["ArrowAstropy", "AstropyTable"])
def test_everything_comes_back(tmp_path: Path, kind: str) -> None:
    """Types, units, missing values, vectors, descriptions and metadata survive parquet and ECSV."""
    table = make_table()
    if kind == "AstropyTable":
        table["name"][1] = "b"
    found = read(write(table, tmp_path / "t", kind), kind)
    assert_same(found, table)


def test_an_empty_table_comes_back(tmp_path: Path) -> None:
    """A table without rows keeps its columns."""
    assert_same(
        read(write(make_table()[:0], tmp_path / "t", "ArrowAstropy"), "ArrowAstropy"), make_table()[:0]
    )


@pytest.mark.parametrize("stored", KINDS)
@pytest.mark.parametrize("wanted", KINDS)
def test_each_kind_as_each_other(tmp_path: Path, stored: str, wanted: str) -> None:
    """What was put as one kind of table is read as another, with the same values."""
    source, target = get_storage_class(stored), get_storage_class(wanted)
    assert target.can_convert(source)
    path = write(source.coerce_type(plain_table()), tmp_path / "t", stored)
    found = target.coerce_type(read(path, stored))
    assert isinstance(found, target.pytype)
    again = to_astropy(found)
    for name in plain_table().colnames:
        np.testing.assert_array_equal(again[name], plain_table()[name])


@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_facts(tmp_path: Path, kind: str) -> None:
    """Some columns in the order of the asking, the names, the number of rows and the schema."""
    path = write(plain_table(), tmp_path / "t", kind)
    assert read(path, kind, "columns") == plain_table().colnames
    assert read(path, kind, "rowcount") == 3
    assert read(path, kind, "schema").names == plain_table().colnames
    for columns in (["name", "id"], "flux", ("xy",)):
        names = [columns] if isinstance(columns, str) else list(columns)
        part = read(path, kind, columns=columns)
        assert isinstance(part, get_storage_class(kind).pytype)
        assert to_astropy(part).colnames == names
    with pytest.raises(StorageClassError, match="no column 'fluks'; did you mean 'flux'"):
        read(path, kind, columns=["id", "fluks"])


FILTERS: dict[str, tuple[Any, Any]] = {
    "equal": ([("id", "=", 2)], lambda t: t["id"] == 2),
    "equal again": ([("id", "==", 2)], lambda t: t["id"] == 2),
    "and": ([("id", ">", 1), ("x", "<=", 0.5)], lambda t: (t["id"] > 1) & (t["x"] <= 0.5)),
    "or": ([[("id", "<", 2)], [("x", ">=", 0.9)]], lambda t: (t["id"] < 2) | (t["x"] >= 0.9)),
    "in": ([("name", "in", {"a", "c"})], lambda t: np.isin(t["name"], ["a", "c"])),
    "not in": ([("id", "not in", [1, 2])], lambda t: ~np.isin(t["id"], [1, 2])),
    "not equal": ([("name", "!=", "b")], lambda t: t["name"] != "b"),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_filters(tmp_path: Path, name: str, kind: str) -> None:
    """Only the rows that fulfil the conditions are read, also with columns that leave theirs out."""
    generator = np.random.default_rng(4)
    table = Table({"id": generator.integers(0, 5, 40), "x": generator.random(40)})
    table["name"] = generator.choice(["a", "b", "c"], 40)
    filters, oracle = FILTERS[name]
    expected = table[oracle(table)]
    assert 0 < len(expected) < 40
    path = write(table, tmp_path / "t", kind)
    assert_rows(to_astropy(read(path, kind, filters=filters)), expected)
    part = to_astropy(read(path, kind, filters=filters, columns=["name"]))
    assert_rows(part, expected[["name"]])
    in_memory = InMemoryDatasetHandle(get_storage_class(kind).coerce_type(table), storageClass=kind)
    part = in_memory.get(parameters={"filters": filters, "columns": "name"})
    assert isinstance(part, get_storage_class(kind).pytype)
    assert_rows(to_astropy(part), expected[["name"]])
    assert in_memory.get(component="rowcount") == 40


def assert_rows(found: Table, expected: Table) -> None:
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        assert found[name].tolist() == expected[name].tolist()


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=12),
    sign=st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "in", "not in"]),
    value=st.integers(-3, 3),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_of_both_formats_agree(
    tmp_path: Path, values: list[int | None], sign: str, value: int
) -> None:
    """A missing value fulfils no condition, whatever keeps the table."""
    mask = [v is None for v in values]
    table = Table({"a": MaskedColumn([v or 0 for v in values], mask=mask), "row": np.arange(len(values))})
    condition = [("a", sign, [value] if "in" in sign else value)]
    rows = [
        read(write(table, tmp_path / kind, kind), kind, filters=condition)["row"].tolist()
        for kind in ("ArrowAstropy", "AstropyTable")
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    "filters", [[], "id > 3", [("id", ">")], [("id", "~", 3)], [("ID", "=", 3)], [[]], [["id", "=", 3]], 5]
)
@pytest.mark.parametrize("kind", ["ArrowAstropy", "AstropyTable"])
def test_filters_that_are_none(tmp_path: Path, filters: Any, kind: str) -> None:
    """Conditions of another form are refused alike."""
    path = write(plain_table(), tmp_path / "t", kind)
    with pytest.raises(StorageClassError):
        read(path, kind, filters=filters)


def test_columns_read_only_their_bytes(tmp_path: Path) -> None:
    """Of a wide table one column is read, and not even the file's other parts."""
    generator = np.random.default_rng(1)
    table = Table({f"c{i}": generator.random(20_000) for i in range(20)})
    path = write(table, tmp_path / "t", "ArrowAstropy")
    source = CountedBytes(path.read_bytes())
    kind = get_storage_class("ArrowAstropy")
    found = get_formatter("Parquet").read(source, ReadRequest(kind, None, {"columns": ["c7"]}))
    np.testing.assert_array_equal(found["c7"], table["c7"])
    # One column of twenty is 5 % of the file; a read is rounded up to the buffer, and the end has the schema.
    assert source.n_bytes < 0.15 * len(source.content)
    source.asked.clear()
    assert get_formatter("Parquet").read(source, ReadRequest(kind, "rowcount")) == 20_000
    assert source.n_bytes < 0.05 * len(source.content)


def test_tables_of_others(tmp_path: Path) -> None:
    """A parquet table of astropy's keeps units and metadata, one of pyarrow alone its values and nulls."""
    plain_table().write(tmp_path / "astropy.parq", format="parquet")
    found = read(tmp_path / "astropy.parq", "ArrowAstropy")
    assert found["flux"].unit == units.nJy
    assert found["flux"].description == "Flux of a source"
    assert found.meta == {"origin": {"visits": [1, 2]}}
    columns = {"a": pa.array([1, None, 3]), "b": pa.array(["x", None, "z"], pa.large_string())}
    pq.write_table(pa.table(columns), tmp_path / "arrow.parq")
    found = read(tmp_path / "arrow.parq", "ArrowAstropy")
    assert found["a"].tolist() == [1, None, 3]
    assert found["b"].tolist() == ["x", None, "z"]
    table = pa.table({"a": [1]}).replace_schema_metadata({"table_meta_yaml": "a: &x [1]\nb: *x\n"})
    pq.write_table(table, tmp_path / "alias.parq")
    assert read(tmp_path / "alias.parq", "ArrowAstropy").meta == {}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"no table at all"])
def test_broken_parquet(tmp_path: Path, content: bytes) -> None:
    """A file that is no parquet table is one clear error that names it."""
    (tmp_path / "broken.parq").write_bytes(content)
    for component in (None, "rowcount"):
        with pytest.raises(FileFormatError, match=r"broken\.parq is not a parquet table"):
            read(tmp_path / "broken.parq", "ArrowAstropy", component)


@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=10))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_parquet(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    """Whatever bytes change, the file reads as something or is a FileFormatError."""
    if not (tmp_path / "good").exists():
        write(make_table(), tmp_path / "good", "ArrowAstropy")
    content = bytearray((tmp_path / "good").read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    (tmp_path / "damaged").write_bytes(content)
    try:
        read(tmp_path / "damaged", "ArrowAstropy")
    except FileFormatError as error:
        assert "damaged" in str(error)  # noqa: PT017


def test_what_no_file_can_hold(tmp_path: Path) -> None:
    """Columns of objects, metadata without form, and arrays without names are refused."""
    with pytest.raises(StorageClassError, match="column 'a' of type object"):
        write(Table({"a": [{}, object()]}), tmp_path / "t", "ArrowAstropy")
    with pytest.raises(StorageClassError, match="metadata of this table"):
        write(Table({"a": [1]}, meta={"f": print}), tmp_path / "t", "ArrowAstropy")
    with pytest.raises(StorageClassError, match="is no table"):
        write(np.zeros(3), tmp_path / "t", "ArrowAstropy")
    with pytest.raises(StorageClassError, match="no missing values"):
        get_storage_class("ArrowNumpy").coerce_type(make_table())
    with pytest.raises(StorageClassError, match="cannot take dict as ArrowAstropy"):
        write({}, tmp_path / "t", "ArrowAstropy")


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is missing, the error says how to install it, and ECSV goes on working."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ButlerUserError, match=r"pip install 'coadd-butler\[parquet\]'"):
        write(plain_table(), tmp_path / "t", "ArrowAstropy")
    assert len(read(write(plain_table(), tmp_path / "t", "AstropyTable"), "AstropyTable")) == 3


def test_data_frames(tmp_path: Path) -> None:
    """Frames of pandas are put and read like other tables, and keep their index."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=pandas.Index([5, 6], name="object"))
    path = write(frame, tmp_path / "t", "DataFrame")
    pandas.testing.assert_frame_equal(read(path, "DataFrame"), frame, check_dtype=False)
    table = get_storage_class("ArrowAstropy").coerce_type(frame)
    assert table.colnames == ["object", "a", "b"]
    assert to_pandas(plain_table()["id", "name"])["name"].tolist() == ["a b", "b", "é"]
    assert to_arrow(frame).num_rows == 2
    assert to_numpy(frame)["a"].tolist() == [1, 2]


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pandas is missing, the error says how to install it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ButlerUserError, match="pip install pandas"):
        to_pandas(plain_table())
