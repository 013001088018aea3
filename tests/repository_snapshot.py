"""Everything that a repository holds, to tell that nothing was changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

REGISTRY = "gen3.sqlite3"


class Snapshot(NamedTuple):
    """Rows by table and bytes by path, of files and links other than the registry's."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: dict[str, bytes]


def snapshot(root: Path) -> Snapshot:
    """Read all rows and all files, past the code under test."""
    with closing(sqlite3.connect(root / REGISTRY)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for (name,) in tables
        }
    paths = sorted(path for path in root.rglob("*") if not path.is_dir())
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() if path.exists() else b""
        for path in paths
        if not path.name.startswith(REGISTRY)
    }
    return Snapshot(rows, files)
