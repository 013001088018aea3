"""Astropy tables as arrow tables, with units, descriptions, missing values and metadata."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pyarrow as pa
from astropy.table import Column, MaskedColumn, Table
from astropy.table.meta import get_header_from_yaml
from yaml import AliasEvent, YAMLError, parse

from ..errors import FileFormatError, StorageClassError

__all__ = ["arrow_to_astropy", "astropy_to_arrow"]

_META: Final = b"coadd-butler"
_ASTROPY_META: Final = b"table_meta_yaml"
"""Where astropy and LSST keep units, descriptions and metadata."""


def astropy_to_arrow(table: Table) -> pa.Table:
    """Return an arrow table.

    Units and descriptions become metadata of the fields, missing values nulls, vectors fixed-size lists.

    Raises
    ------
    StorageClassError
        Raised for columns of objects or metadata that JSON does not have.
    """
    arrays, fields = [], []
    for name in table.colnames:
        array = _array(table[name], name)
        told = {"unit": str(table[name].info.unit or ""), "description": table[name].info.description or ""}
        metadata = {key: value for key, value in told.items() if value}
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=metadata or None))
    try:
        meta = {_META: json.dumps({"meta": dict(table.meta)})} if table.meta else None
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageClassError(f"the metadata of this table cannot be stored: {error}") from error
    return pa.table(arrays, schema=pa.schema(fields, metadata=meta))


def _array(column: Any, name: str) -> pa.Array:
    """Return a column as an arrow array; a column of rows as one of lists."""
    values = np.asarray(getattr(column, "value", column))
    mask = np.ma.getmaskarray(column) if isinstance(column, MaskedColumn) else None
    if values.dtype.kind not in "biufUSM" or values.ndim > 2:
        raise StorageClassError(f"the column {name!r} of type {values.dtype} has no form in parquet")
    if values.ndim == 2:
        if mask is not None and mask.any():
            raise StorageClassError(f"the vectors of column {name!r} have missing values")
        flat = pa.array(values.astype(values.dtype.newbyteorder("=")).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "backslashreplace")
    if values.dtype.kind == "U":
        return pa.array(values.astype(object), pa.string(), mask=mask)
    return pa.array(values.astype(values.dtype.newbyteorder("=")), mask=mask)


def arrow_to_astropy(table: pa.Table) -> Table:
    """Return an astropy table; nulls become missing values.

    Raises
    ------
    FileFormatError
        Raised if the metadata is broken.
    """
    meta, told = _metadata(table.schema)
    columns = {name: _column(table[name]) for name in table.column_names}
    found = Table(columns, meta=meta, copy=False)
    for field in table.schema:
        own = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        known = {**told.get(field.name, {}), **own}
        if known.get("unit"):
            found[field.name].unit = known["unit"]
        if known.get("description"):
            found[field.name].description = known["description"]
    return found


def _column(chunks: pa.ChunkedArray) -> Any:
    if pa.types.is_fixed_size_list(chunks.type):
        length = chunks.type.list_size
        flat = chunks.combine_chunks().flatten() if len(chunks) else pa.array([], chunks.type.value_type)
        return Column(flat.to_numpy(zero_copy_only=False).reshape(-1, length))
    if not chunks.null_count:
        return _plain(chunks)
    mask = chunks.is_null().to_numpy()
    filler = "" if _is_text(chunks.type) else False if pa.types.is_boolean(chunks.type) else 0
    if not _is_text(chunks.type) and not pa.types.is_boolean(chunks.type):
        filler = pa.scalar(0).cast(chunks.type)
    return MaskedColumn(_plain(chunks.fill_null(filler)), mask=mask)


def _plain(chunks: pa.ChunkedArray) -> Any:
    values = chunks.to_numpy()
    if _is_text(chunks.type):
        return values.astype(str)
    # Of no values pyarrow makes objects.
    return values if len(values) else values.astype(chunks.type.to_pandas_dtype())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _metadata(schema: pa.Schema) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return the metadata of a table, and of its columns where astropy or LSST wrote it."""
    metadata = schema.metadata or {}
    try:
        if _META in metadata:
            return json.loads(metadata[_META])["meta"], {}
        text = metadata.get(_ASTROPY_META, b"").decode()
        if not text or any(isinstance(event, AliasEvent) for event in parse(text)):
            return {}, {}
        header = get_header_from_yaml(text.splitlines())
        told = {column["name"]: column for column in header.get("datatype", [])}
        return dict(header.get("meta") or {}), told
    except (ValueError, KeyError, TypeError, YAMLError, RecursionError) as error:
        raise FileFormatError(f"the metadata of a table is broken: {' '.join(str(error).split())}") from error
