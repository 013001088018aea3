"""The steps from each schema version to the next.

A change of `Schema` needs a step here and one more in `SCHEMA_VERSION`; a test compares what all steps make
with what the schema says. A step gets alembic's operations, and should go on with both databases: on SQLite
``op.batch_alter_table`` rebuilds a table where there is no other way, and the tables that are made with the
first dataset type of their dimensions are reached by `tables_on_demand`. All steps run in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["STEPS", "MigrationStep", "pending_steps", "tables_on_demand"]


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """What makes a schema version of the one before.

    Parameters
    ----------
    version
        The version that it leads to.
    title
        What it does, in a few words.
    upgrade
        Does it.
    """

    version: int
    title: str
    upgrade: Callable[[Operations], None]


def pending_steps(version: int) -> Sequence[MigrationStep]:
    """Return the steps that a registry of a version needs; 0 stands for an empty database."""
    return [step for step in STEPS if step.version > version]


def tables_on_demand(op: Operations) -> list[str]:
    """Return the names of the tables that say which dataset a collection holds for a data ID, or when."""
    names = sa.inspect(op.get_bind()).get_table_names()
    return sorted(name for name in names if name.startswith(("dataset_tags_", "dataset_calibs_")))


def _make_baseline(op: Operations) -> None:
    name = f"baseline_{op.get_context().dialect.name}.sql"
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.execute(sa.text(statement))


def _make_quanta(op: Operations) -> None:
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "quantum_task",
        sa.Column("id", number, sa.Identity(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("run", text, nullable=False, index=True),
        sa.Column("label", text, nullable=False),
        sa.Column("task_class", text, nullable=False),
        sa.Column("settings", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "quantum",
        sa.Column("id", number, sa.Identity(), primary_key=True),
        sa.Column("uuid", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("task_id", number, sa.ForeignKey("quantum_task.id"), nullable=False, index=True),
        sa.Column("data_id", text, nullable=False),
        sa.Column("status", text, nullable=False),
        sa.Column("message", text, nullable=False),
        sa.Column("begin_ns", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("datasets", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "quantum_dataset",
        sa.Column("dataset_uuid", sa.LargeBinary(16), primary_key=True),
        sa.Column("is_output", sa.Boolean, primary_key=True),
        sa.Column("quantum_id", number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


STEPS: Final = (
    MigrationStep(1, "make the tables of the first version", _make_baseline),
    MigrationStep(2, "make the tables of quanta", _make_quanta),
)
"""All steps, the version that they lead to being their place."""
