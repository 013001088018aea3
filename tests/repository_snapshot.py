"""Everything that a repository holds, to tell that nothing was changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import yaml

REGISTRY = "gen3.sqlite3"


class Snapshot(NamedTuple):
    """Rows by table and bytes by path, of files and links other than the registry's."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: dict[str, bytes]


def snapshot(root: Path) -> Snapshot:
    """Read all rows and all files, past the code under test."""
    rows = _postgres_rows(root) or _sqlite_rows(root)
    paths = sorted(path for path in root.rglob("*") if not path.is_dir())
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() if path.exists() else b""
        for path in paths
        if not path.name.startswith(REGISTRY)
    }
    return Snapshot(rows, files)


def _sqlite_rows(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(root / REGISTRY)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for (name,) in tables
        }


def _postgres_rows(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of a repository whose registry is on a server; none if it is not."""
    settings = yaml.safe_load((root / "butler.yaml").read_bytes())
    if "://" not in settings["registry"]:
        return {}
    with psycopg.connect(settings["registry"]) as connection:
        schema = settings["namespace"]
        named = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
        tables = connection.execute(named, [schema]).fetchall()
        return {
            name: sorted(connection.execute(f'SELECT * FROM {schema}."{name}"'.encode()).fetchall(), key=repr)
            for (name,) in tables
        }
