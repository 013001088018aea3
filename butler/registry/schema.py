"""The tables of a registry."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from ..dimensions import UNIVERSE, DimensionElement, DimensionGroup

__all__ = ["BOUND_COLUMNS", "SCHEMA_VERSION", "UNBOUNDED", "Schema"]

SCHEMA_VERSION: Final = 2
"""Version of these tables; a repository of another version is refused."""

BOUND_COLUMNS: Final = ("bound_x0", "bound_x1", "bound_y0", "bound_y1", "bound_z0", "bound_z1")
"""Box of unit vectors around a region: a prefilter for overlaps that needs no care at the poles or at 0 h."""

# Texts are compared byte by byte, as SQLite does, whatever the language of a PostgreSQL database.
_TEXT: Final = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UNBOUNDED: Final = 2**63 - 1
"""Time of a validity that never ends; with a minus sign, of one that has no begin."""

_TYPES: Final[dict[type, Any]] = {
    int: sa.BigInteger,
    float: sa.Double,
    str: _TEXT,
    bool: sa.Boolean,
}
# SQLite numbers rows by itself only for a column of exactly this type.
_ID: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class Schema:
    """The tables, as SQLAlchemy knows them.

    Attributes
    ----------
    attributes, collection, chain, dataset_type, tag_group, dataset, file_format, file_record, quantum_task, \
quantum, quantum_dataset
        The tables that every registry has.
    elements
        Tables of dimension records, by element.
    """

    def __init__(self) -> None:
        self.metadata = sa.MetaData()
        self.attributes = sa.Table(
            "butler_attributes",
            self.metadata,
            sa.Column("name", _TEXT, primary_key=True),
            sa.Column("value", _TEXT, nullable=False),
        )
        self._define_collections()
        self._define_datasets()
        self._define_files()
        self._define_quanta()
        self.elements = {
            element.name: self._element_table(element)
            for element in UNIVERSE.elements.values()
            if element.has_table
        }
        self._groups: dict[str, tuple[tuple[str, ...], sa.Table]] = {}

    def _define_collections(self) -> None:
        self.collection = sa.Table(
            "collection",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("name", _TEXT, nullable=False, unique=True),
            sa.Column("type", _TEXT, nullable=False),
            sa.Column("doc", _TEXT, nullable=False, default=""),
        )
        self.chain = sa.Table(
            "collection_chain",
            self.metadata,
            sa.Column("parent_id", sa.ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True),
            sa.Column("position", sa.Integer, primary_key=True),
            sa.Column("child_id", sa.ForeignKey("collection.id"), nullable=False, index=True),
        )

    def _define_datasets(self) -> None:
        self.tag_group = sa.Table(
            "tag_group",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("dimensions", _TEXT, nullable=False, unique=True),
        )
        self.dataset_type = sa.Table(
            "dataset_type",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("name", _TEXT, nullable=False, unique=True),
            sa.Column("tag_group_id", sa.ForeignKey("tag_group.id"), nullable=False),
            sa.Column("dimensions", _TEXT, nullable=False),
            sa.Column("storage_class", _TEXT, nullable=False),
            sa.Column("is_calibration", sa.Boolean, nullable=False),
        )
        self.dataset = sa.Table(
            "dataset",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("uuid", sa.LargeBinary(16), nullable=False, unique=True),
            sa.Column("dataset_type_id", sa.ForeignKey("dataset_type.id"), nullable=False),
            sa.Column("run_id", sa.ForeignKey("collection.id"), nullable=False, index=True),
            sa.Column("ingest_date", sa.BigInteger, nullable=False),
        )

    def _define_files(self) -> None:
        self.file_format = sa.Table(
            "file_format",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            # The layout itself can be too long for an index.
            sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
            sa.Column("formatter", _TEXT, nullable=False),
            sa.Column("layout", _TEXT),
        )
        self.file_record = sa.Table(
            "file_record",
            self.metadata,
            sa.Column(
                "dataset_id",
                _ID,
                sa.ForeignKey("dataset.id", ondelete="CASCADE"),
                primary_key=True,
                autoincrement=False,
            ),
            sa.Column("path", _TEXT, nullable=False),
            sa.Column("path_key", sa.BigInteger, nullable=False, index=True),
            sa.Column("size", sa.BigInteger, nullable=False),
            sa.Column("checksum", sa.LargeBinary(32)),
            sa.Column("format_id", sa.ForeignKey("file_format.id"), nullable=False),
        )

    def _define_quanta(self) -> None:
        self.quantum_task = sa.Table(
            "quantum_task",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
            sa.Column("run", _TEXT, nullable=False, index=True),
            sa.Column("label", _TEXT, nullable=False),
            sa.Column("task_class", _TEXT, nullable=False),
            sa.Column("settings", sa.LargeBinary, nullable=False),
        )
        self.quantum = sa.Table(
            "quantum",
            self.metadata,
            sa.Column("id", _ID, sa.Identity(), primary_key=True),
            sa.Column("uuid", sa.LargeBinary(16), nullable=False, unique=True),
            sa.Column("task_id", sa.ForeignKey("quantum_task.id"), nullable=False, index=True),
            sa.Column("data_id", _TEXT, nullable=False),
            sa.Column("status", _TEXT, nullable=False),
            sa.Column("message", _TEXT, nullable=False),
            sa.Column("begin_ns", sa.BigInteger, nullable=False),
            sa.Column("duration", sa.Double, nullable=False),
            sa.Column("datasets", sa.LargeBinary, nullable=False),
        )
        # Its datasets may be gone, or have never been here: that is when it is asked for.
        self.quantum_dataset = sa.Table(
            "quantum_dataset",
            self.metadata,
            sa.Column("dataset_uuid", sa.LargeBinary(16), primary_key=True),
            sa.Column("is_output", sa.Boolean, primary_key=True),
            sa.Column("quantum_id", _ID, primary_key=True, autoincrement=False),
            sqlite_with_rowid=False,
        )

    def _element_table(self, element: DimensionElement) -> sa.Table:
        keys = [_key_column(name, primary=True) for name in element.required]
        implied = [_key_column(name, primary=False) for name in element.implies]
        fields: list[sa.Column[object]] = [
            sa.Column(f.name, _TYPES[f.type], nullable=f.nullable) for f in element.fields
        ]
        extra: list[sa.Column[object]] = []
        if element.spatial:
            extra += [sa.Column("region", sa.LargeBinary)]
            extra += [sa.Column(name, sa.Double) for name in BOUND_COLUMNS]
            extra += [sa.Column("sky_cell", sa.BigInteger, index=True)]
        if element.temporal:
            extra += [sa.Column("timespan_begin", sa.BigInteger), sa.Column("timespan_end", sa.BigInteger)]
        constraints = [
            sa.ForeignKeyConstraint(
                UNIVERSE[name].required, [f"dim_{name}.{column}" for column in UNIVERSE[name].required]
            )
            for name in (*element.requires, *element.implies)
            if UNIVERSE[name].has_table
        ]
        unique = [sa.UniqueConstraint(*element.requires, alternate.name) for alternate in element.alternates]
        return sa.Table(
            f"dim_{element.name}", self.metadata, *keys, *implied, *fields, *extra, *constraints, *unique
        )

    def tags(self, group_id: int, dimensions: DimensionGroup) -> sa.Table:
        """Return the table that says which dataset a collection holds for a data ID.

        All dataset types with the same required dimensions share one; its primary key is the index for
        every look-up by data ID.
        """
        return self._of_group(f"dataset_tags_{group_id}", dimensions)

    def calibs(self, group_id: int, dimensions: DimensionGroup) -> sa.Table:
        """Return the table that says which dataset a CALIBRATION collection holds for a data ID, and when.

        It stands beside the `tags` of the same dimensions once there is a calibration among their dataset
        types. Times are TAI nanoseconds, `UNBOUNDED` of them where there is no bound.
        """
        begin = sa.Column("valid_begin", sa.BigInteger, primary_key=True, autoincrement=False)
        end = sa.Column("valid_end", sa.BigInteger, nullable=False)
        return self._of_group(f"dataset_calibs_{group_id}", dimensions, begin, end)

    def _of_group(self, name: str, dimensions: DimensionGroup, *more: sa.Column[int]) -> sa.Table:
        known = self._groups.get(name)
        if known is not None and known[0] == dimensions.required:
            return known[1]
        if known is not None:
            # The transaction that gave this number to other dimensions was rolled back.
            self.metadata.remove(known[1])
        table = sa.Table(
            name,
            self.metadata,
            sa.Column("dataset_type_id", sa.ForeignKey("dataset_type.id"), primary_key=True),
            sa.Column("collection_id", sa.ForeignKey("collection.id"), primary_key=True),
            *[_key_column(key, primary=True) for key in dimensions.required],
            *more,
            sa.Column(
                "dataset_id", sa.ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False, index=True
            ),
            sqlite_with_rowid=False,
        )
        self._groups[name] = dimensions.required, table
        return table


def _key_column(name: str, *, primary: bool) -> sa.Column[object]:
    key = UNIVERSE[name].key
    return sa.Column(
        name, _TYPES[key.type if key else str], primary_key=primary, nullable=False, autoincrement=False
    )
