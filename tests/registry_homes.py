"""Where the tests' repositories keep their registries: the same contract for SQLite and PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from postgres_server import PostgresServer

from butler import Butler
from butler.repository import RepositoryConfig

__all__ = ["PostgresHome", "RegistryHome", "SqliteHome"]


class RegistryHome(Protocol):
    """A kind of registry."""

    def make(self, root: Path) -> None:
        """Make a repository without anything in it."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy a repository that nobody has open."""


class SqliteHome:
    """Registries in files."""

    def make(self, root: Path) -> None:
        """Make a repository without anything in it."""
        Butler.makeRepo(root)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a repository that nobody has open."""
        shutil.copytree(source, target)


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
        settings = RepositoryConfig.load(target)
        database = settings.registry.split("?")[0].rpartition("/")[2]
        url = self._server.url(self._server.make_database(database))
        settings.model_copy(update={"registry": url}).save(target)
