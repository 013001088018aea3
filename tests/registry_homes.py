"""Where the tests' repositories keep their registries: the same contract for SQLite and PostgreSQL."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Protocol

from postgres_server import PostgresServer

from butler import Butler
from butler.registry import Database, check_postgres_url
from butler.repository import RepositoryConfig

__all__ = ["PostgresHome", "RegistryHome", "SqliteHome"]


class RegistryHome(Protocol):
    """A kind of registry."""

    def make(self, root: Path) -> None:
        """Make a repository without anything in it."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy a repository that nobody has open."""

    def remove(self, root: Path) -> None:
        """Give back the room that the registry of a repository takes."""

    def empty_database(self, folder: Path) -> Database:
        """Return a database without tables."""


class SqliteHome:
    """Registries in files."""

    def make(self, root: Path) -> None:
        """Make a repository without anything in it."""
        Butler.makeRepo(root)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a repository that nobody has open."""
        shutil.copytree(source, target)

    def remove(self, root: Path) -> None:
        """Do nothing: the file goes with the directory."""

    def empty_database(self, folder: Path) -> Database:
        """Return a database without tables."""
        return Database.sqlite(folder / f"{uuid.uuid4().hex}.sqlite3", writeable=True)


class PostgresHome:
    """Registries in databases of a server, one in each."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def make(self, root: Path) -> None:
        """Make a repository without anything in it."""
        url = self._server.url(self._server.make_database())
        Butler.makeRepo(root, RepositoryConfig(registry=url))

    def copy(self, source: Path, target: Path) -> None:
        """Copy a repository that nobody has open."""
        shutil.copytree(source, target)
        url = self._server.url(self._server.make_database(_database_of(source)))
        RepositoryConfig.load(target).model_copy(update={"registry": url}).save(target)

    def remove(self, root: Path) -> None:
        """Remove the database of a repository."""
        self._server.remove_database(_database_of(root))

    def empty_database(self, folder: Path) -> Database:
        """Return a database without tables."""
        url = check_postgres_url(self._server.url(self._server.make_database()))
        with self._server.connect(str(url.database)) as connection:
            connection.execute("CREATE SCHEMA butler")
        return Database.postgresql(url, "butler", writeable=True)


def _database_of(root: Path) -> str:
    return str(check_postgres_url(RepositoryConfig.load(root).registry).database)
