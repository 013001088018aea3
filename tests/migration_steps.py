"""A step to a schema version that never was, to test what carries it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import sqlalchemy as sa

from butler import Butler
from butler.registry.migrations import STEPS, MigrationStep
from butler.registry.migrations.steps import tables_on_demand
from butler.registry.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from alembic.operations import Operations


NEXT = SCHEMA_VERSION + 1


def alter(op: Operations) -> None:
    """Add a column, rebuild a table that others refer to, and reach those made on demand."""
    op.add_column("collection", sa.Column("owner", sa.String))
    with op.batch_alter_table("dataset", recreate="auto") as batch:
        batch.alter_column("ingest_date", nullable=True)
    for name in tables_on_demand(op):
        op.add_column(name, sa.Column("weight", sa.Double))
    op.execute(sa.text("UPDATE collection SET doc = 'migrated'"))


def fail(op: Operations) -> None:
    """Fail after a change."""
    alter(op)
    raise ZeroDivisionError


def die(op: Operations) -> None:
    """Be killed after a change."""
    alter(op)
    os.kill(os.getpid(), signal.SIGKILL)


def break_references(op: Operations) -> None:
    """Leave datasets without the collection that owns them."""
    op.execute(sa.text("DELETE FROM collection"))


@contextmanager
def next_version(upgrade: Callable[[Operations], None] = alter) -> Iterator[None]:
    """Pretend that this program has the schema version after its own."""
    steps = (*STEPS, MigrationStep(NEXT, "what never was", upgrade))
    rooms = "butler.registry.attributes", "butler.registry.migrations.migrate"
    with ExitStack() as patches:
        patches.enter_context(mock.patch("butler.registry.migrations.steps.STEPS", steps))
        for room in rooms:
            patches.enter_context(mock.patch(f"{room}.SCHEMA_VERSION", NEXT))
        yield


if __name__ == "__main__":
    with next_version(die):
        Butler.migrate(sys.argv[1])
