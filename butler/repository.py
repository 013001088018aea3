"""Repository: the butler.yaml that says where registry and files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .datastore import DEFAULT_TEMPLATE, DatastoreConfig, FileCache, FileDatastore, LocalStore, TemplateSet
from .errors import ButlerUserError, FileFormatError, RepositoryCorruptionError, RepositoryNotFoundError
from .registry import Database, Registry, check_postgres_url, has_registry
from .safe_yaml import load_yaml

__all__ = ["CONFIG_NAME", "RepositoryConfig"]

CONFIG_NAME: Final = "butler.yaml"
_REGISTRY: Final = "gen3.sqlite3"
_IN_ROOT: Final = "sqlite:///<butlerRoot>/"
"""How LSST says that a SQLite file lies in the repository."""


class RepositoryConfig(BaseModel):
    """What ``butler.yaml`` holds: plain values, no code, no credentials.

    LSST's form ``registry: {db: ..., namespace: ...}`` is understood, too.

    Parameters
    ----------
    version
        Version of this file's form.
    id
        The repository's random number, which its registry knows, too.
    registry
        Name of the SQLite file, relative to the repository; or a URL ``postgresql://host/database``. The URL
        has no password: libpq takes that from ``~/.pgpass``, ``PGPASSWORD`` or a service file.
    namespace
        Schema of a PostgreSQL database that has the tables, so that it can have several repositories.
    templates
        Path templates by dataset type, dimensions (``visit+detector``) or storage class; ``default`` for the
        others; under ``instrument<NAME>`` those of one instrument.
    datastore
        Where files are, if not in the directory of the repository; a text is its root.
    checksum
        Whether files that are written get a SHA-256 sum; ``all``: also those that are ingested and stay where
        they are, each of which is read for that.
    compression
        How the pixels of a dataset type are written: ``lossless`` or ``lossy16``; as they are if not named.
    root
        Where the repository is, once it is made or opened; no part of the file.
    """

    # An error must not repeat a password that somebody wrote into a URL.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: int = Field(default=1, ge=1, le=1)
    id: str | None = None
    registry: str = _REGISTRY
    namespace: str = "butler"
    templates: dict[str, str | dict[str, str]] = {"default": DEFAULT_TEMPLATE}
    datastore: DatastoreConfig | None = None
    checksum: bool | Literal["all"] = True
    compression: dict[str, Literal["noCompression", "lossless", "lossy16"]] = Field(default_factory=dict)
    root: Path | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, values: Any) -> Any:
        """Take LSST's section of the registry apart."""
        if isinstance(values, Mapping) and isinstance(section := values.get("registry"), Mapping):
            if unknown := sorted(map(str, section.keys() - {"db", "namespace"})):
                raise ValueError(f"the registry has db and namespace, not {unknown[0]!r}")
            named = {"registry": section.get("db", _REGISTRY), "namespace": section.get("namespace")}
            return {**values, **{name: value for name, value in named.items() if value is not None}}
        return values

    @field_validator("registry")
    @classmethod
    def _check_registry(cls, address: str) -> str:
        name = address.removeprefix(_IN_ROOT)
        if re.fullmatch(r"[A-Za-z0-9_\-]+\.sqlite3", name):
            return name
        if "://" not in address:
            raise ValueError("the registry is a file name.sqlite3, or a URL postgresql://host/database")
        check_postgres_url(address)
        return address

    @field_validator("namespace")
    @classmethod
    def _check_namespace(cls, name: str) -> str:
        system = name.startswith("pg_") or name == "information_schema"
        if system or not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
            raise ValueError(
                f"write a name of lower-case letters, digits and _, not {name!r}; pg_... is PostgreSQL's own"
            )
        return name

    @classmethod
    def make(cls, **values: Any) -> Self:
        """Make settings from values that a user gives.

        Raises
        ------
        ButlerUserError
            Raised if one is wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ButlerUserError(_first_fault(error)) from None

    @field_validator("datastore", mode="before")
    @classmethod
    def _read_root(cls, value: Any) -> Any:
        return {"root": value} if isinstance(value, str) else value

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the file of a repository.

        Raises
        ------
        RepositoryNotFoundError
            Raised if there is none.
        ButlerUserError
            Raised if it cannot be read.
        FileFormatError
            Raised if it is not understood.
        """
        path = root / CONFIG_NAME
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RepositoryNotFoundError(
                f"no repository at {root}: there is no {CONFIG_NAME}; make one with `butler create {root}`"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
        try:
            return cls.model_validate(load_yaml(content, str(path))).model_copy(update={"root": root})
        except ValidationError as error:
            raise FileFormatError(f"{path}: {_first_fault(error)}") from error

    def save(self, root: Path) -> None:
        """Write the file of a repository, whole or not at all."""
        temporary = root / f".{CONFIG_NAME}.part"
        temporary.write_text(yaml.safe_dump(self._told(), sort_keys=False), encoding="utf-8")
        temporary.replace(root / CONFIG_NAME)

    def _told(self) -> dict[str, Any]:
        """Return the values for the file; a SQLite file has no namespace."""
        hidden = {"namespace"} if self.sqlite_name else None
        return self.model_dump(mode="json", exclude=hidden, exclude_none=True)

    @property
    def sqlite_name(self) -> str | None:
        """Name of the SQLite file; None if the registry is elsewhere."""
        return None if "://" in self.registry else self.registry

    def open_registry(self, root: Path, *, writeable: bool) -> Registry:
        """Open the registry of a repository.

        Raises
        ------
        RepositoryCorruptionError
            Raised if there is none, or that of another repository.
        """
        if self.sqlite_name and not (root / self.sqlite_name).is_file():
            raise RepositoryCorruptionError(f"the registry {root / self.sqlite_name} is gone")
        with ExitStack() as undo:
            # Nobody else can close what was not opened, and its locks would stay.
            database = undo.enter_context(closing(self.open_database(root, writeable=writeable)))
            registry = Registry(database)
            if self.id not in (None, registry.repository_id):
                raise RepositoryCorruptionError(
                    f"the registry {self.registry} is that of another repository: its id is "
                    f"{registry.repository_id}, but {root / CONFIG_NAME} says {self.id}"
                )
            undo.pop_all()
        return registry

    def make_registry(self, root: Path) -> Registry:
        """Make the registry of a new repository; a SQLite file that is there already is kept.

        Raises
        ------
        RepositoryExistsError
            Raised if the PostgreSQL schema has the tables of another repository.
        """
        with ExitStack() as undo:
            database = undo.enter_context(closing(self.open_database(root, writeable=True)))
            is_there = self.sqlite_name is not None and has_registry(database)
            registry = Registry(database) if is_there else Registry.create(database)
            undo.pop_all()
        return registry

    def open_database(self, root: Path, *, writeable: bool) -> Database:
        """Connect to the database, whatever it has."""
        if self.sqlite_name:
            return Database.sqlite(root / self.sqlite_name, writeable=writeable)
        return Database.postgresql(check_postgres_url(self.registry), self.namespace, writeable=writeable)

    def file_datastore(self, root: Path, *, writeable: bool) -> FileDatastore:
        """Return the datastore.

        Parameters
        ----------
        root
            Directory of the repository.
        writeable
            Whether files shall be written and removed.

        Raises
        ------
        RepositoryCorruptionError
            Raised if files are elsewhere, and the place is not marked as that of this repository.
        ButlerUserError
            Raised if the place cannot be reached.
        """
        templates = TemplateSet.from_patterns(self.templates)
        if self.datastore is None:
            return FileDatastore(LocalStore(root), templates, self.checksum, compression=self.compression)
        store = self.datastore.store(root)
        if writeable:
            try:
                self.datastore.require_own(store)
            except OSError as error:
                raise ButlerUserError(
                    f"cannot reach {store.locate('')}: {error.strerror or error}"
                ) from error
        cache = FileCache.from_environment(self.datastore.cache_size)
        return FileDatastore(store, templates, self.checksum, cache, self.compression)

    def claimed(self, root: Path) -> Self:
        """Return the settings of a repository that is being made, its datastore marked as its own.

        Raises
        ------
        RepositoryExistsError
            Raised if the datastore is another repository's.
        ButlerUserError
            Raised if it cannot be written.
        """
        if self.datastore is None:
            return self
        store = self.datastore.store(root)
        try:
            return self.model_copy(update={"datastore": self.datastore.claim(store)})
        except OSError as error:
            if isinstance(error, ButlerUserError):
                raise
            raise ButlerUserError(f"cannot write {store.locate('')}: {error.strerror or error}") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where or 'content'}: {fault['msg'].removeprefix('Value error, ')}"
