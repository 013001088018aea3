"""Migrations: tables of an older version become those of this one, whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import migration_steps
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from migration_steps import NEXT, next_version
from registry_homes import RegistryHome
from repository_snapshot import Snapshot, snapshot
from small_repository import CALEXP, NOTE

from butler import Butler, DatasetType
from butler.cli import main
from butler.errors import ButlerError, SchemaVersionError
from butler.registry import Database, Registry
from butler.registry.migrations import STEPS, pending_steps
from butler.registry.migrations.migrate import run_steps
from butler.registry.schema import SCHEMA_VERSION
from butler.repository import RepositoryConfig

pytestmark = pytest.mark.both_databases


@pytest.fixture
def filled(repository: Path) -> Path:
    """Return a repository with two notes in a run that a chain has."""
    with Butler(repository, run="run", instrument="CAM") as butler:
        bias = DatasetType("bias", ("instrument", "detector"), "StructuredDataDict", isCalibration=True)
        butler.registry.registerDatasetType(bias)
        for visit in (1, 2):
            butler.put({"visit": visit}, NOTE, visit=visit)
    return repository


def description(connection: sa.Connection) -> dict[str, Any]:
    """Return all that a database tells of its tables, in an order that does not tell how they were made."""
    inspector = sa.inspect(connection)

    def told(rows: Any) -> list[str]:
        return sorted(repr(sorted((k, str(v)) for k, v in row.items() if k != "comment")) for row in rows)

    return {
        table: (
            told(inspector.get_columns(table)),
            inspector.get_pk_constraint(table)["constrained_columns"],
            told(inspector.get_foreign_keys(table)),
            told(inspector.get_unique_constraints(table)),
            told(inspector.get_indexes(table)),
        )
        for table in sorted(inspector.get_table_names())
    }


def describe(database: Database, make: Callable[[sa.Connection], None]) -> dict[str, Any]:
    """Return what a database has once something was made in it."""
    with database.rebuilding() as connection:
        make(connection)
        told = description(connection)
    database.close()
    return told


def test_all_steps_lead_to_the_schema(registry_home: RegistryHome, tmp_path: Path) -> None:
    """An empty database that goes all steps has the tables that a new repository has."""
    new, migrated = registry_home.empty_database(tmp_path), registry_home.empty_database(tmp_path)
    Registry.create(new)
    made = describe(new, lambda connection: None)
    stepped = describe(migrated, lambda connection: run_steps(connection, pending_steps(0)))
    assert stepped == made
    assert len(made) > 20
    assert any("sky_cell" in text for columns, *_ in made.values() for text in columns)
    assert [step.version for step in STEPS] == list(range(1, SCHEMA_VERSION + 1))


def test_a_repository_of_the_first_version(filled: Path) -> None:
    """What has no tables of quanta is refused until it is brought up; then it can do without their rows."""
    before = snapshot(filled)
    database = RepositoryConfig.load(filled).open_database(filled, writeable=True)
    with database.rebuilding() as connection:
        for table in ("quantum_dataset", "quantum", "quantum_task"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        connection.execute(sa.text("UPDATE butler_attributes SET value = '1' WHERE name = 'schema_version'"))
    database.close()
    with pytest.raises(SchemaVersionError, match=r"version 1, this program needs \d; .*butler migrate"):
        Butler(filled)
    steps, _ = Butler.migrate(filled)
    assert [step.version for step in steps] == list(range(2, SCHEMA_VERSION + 1))
    assert snapshot(filled) == before
    with Butler(filled, run="run", instrument="CAM") as butler:
        butler.pruneDatasets(butler.query_datasets(NOTE), purge=True, unstore=True)


def test_a_repository_is_brought_up(filled: Path) -> None:
    """Columns come, tables are rebuilt, those made on demand are reached, and no row is lost."""
    before = snapshot(filled)
    with next_version():
        with pytest.raises(
            SchemaVersionError, match=rf"version {SCHEMA_VERSION}, this program needs {NEXT}; .*migrate"
        ):
            Butler(filled)
        steps, _ = Butler.migrate(filled)
        assert [step.version for step in steps] == [NEXT]
        after = snapshot(filled)
        with Butler(filled, run="run", instrument="CAM") as butler:
            assert butler.get(NOTE, visit=2) == {"visit": 2}
            assert butler.registry.getCollectionDocumentation("run") == "migrated"
            butler.put({"visit": 3}, NOTE, visit=3)
        assert Butler.migrate(filled) == ([], [])
    counts = [{name: len(rows) for name, rows in state.rows.items()} for state in (before, after)]
    assert counts[0] == counts[1]
    tags = [name for name in after.rows if name.startswith("dataset_tags_")]
    tags += [name for name in after.rows if name.startswith("dataset_calibs_")]
    assert len(tags) > 4
    for name in ("collection", *tags):
        widths = [{len(row) for row in state.rows[name]} for state in (before, after)]
        assert widths[1] == {width + 1 for width in widths[0]}
    with pytest.raises(
        SchemaVersionError, match=f"version {NEXT}, this program knows {SCHEMA_VERSION}; upgrade"
    ):
        Butler(filled)


def test_a_dry_run_tells_and_changes_nothing(filled: Path) -> None:
    """The statements are those that would be run."""
    before = snapshot(filled)
    with next_version():
        steps, statements = Butler.migrate(filled, dry_run=True)
        assert [step.version for step in steps] == [NEXT]
        assert snapshot(filled) == before
        _, run = Butler.migrate(filled)
    # Alembic rebuilds a table with its constraints in any order.
    assert [sorted(text) for text in statements] == [sorted(text) for text in run]
    assert any("ADD COLUMN owner" in text for text in statements)
    assert any(text.startswith("ALTER TABLE dataset_tags_") for text in statements)


def fails(root: Path) -> None:
    with next_version(migration_steps.fail), pytest.raises(ZeroDivisionError):
        Butler.migrate(root)


def breaks_references(root: Path) -> None:
    with (
        next_version(migration_steps.break_references),
        pytest.raises(ButlerError, match=r"rows refer|still needs this"),
    ):
        Butler.migrate(root)


def is_killed(root: Path) -> None:
    script = Path(migration_steps.__file__)
    done = subprocess.run([sys.executable, script, root], check=False, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("mishap", [fails, breaks_references, is_killed])
def test_a_mishap_leaves_the_old_version(filled: Path, mishap: Callable[[Path], None]) -> None:
    """An error, rows that lose what they refer to, or a kill amid the changes: nothing has changed."""
    before: Snapshot = snapshot(filled)
    mishap(filled)
    assert snapshot(filled) == before
    with Butler(filled, run="run", instrument="CAM") as butler:
        assert butler.get(NOTE, visit=1) == {"visit": 1}
        assert butler.get_dataset_type("calexp") == CALEXP
        # Foreign keys are heeded again.
        butler.pruneDatasets(butler.query_datasets(NOTE), purge=True, unstore=True)
    assert len(snapshot(filled).rows["file_record"]) == len(before.rows["file_record"]) - 2


def test_command(filled: Path) -> None:
    """The command says what it did, or would do."""
    runner = CliRunner()
    with next_version():
        tried = runner.invoke(main, ["migrate", str(filled), "--dry-run"])
        assert "ADD COLUMN owner" in tried.stdout
        assert f"would be done: to schema version {NEXT}: what never was" in tried.stderr
        done = runner.invoke(main, ["migrate", str(filled)])
        assert done.stderr == f"done: to schema version {NEXT}: what never was\n"
        assert "already" in runner.invoke(main, ["migrate", str(filled)]).stderr
    refused = runner.invoke(main, ["migrate", str(filled)])
    assert refused.exit_code == 1
    assert "upgrade coadd-butler" in refused.stderr
