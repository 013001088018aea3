"""ButlerCore: an open repository, and what all verbs of the butler share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any, Self, cast

from ..datastore import FileDatastore, TemplateSet
from ..dimensions import UNIVERSE, DimensionUniverse
from ..errors import (
    ButlerUserError,
    ReadOnlyButlerError,
    RepositoryExistsError,
    RepositoryNotFoundError,
)
from ..registry import MigrationStep, RegistryDefaults, migrate
from ..remover import DatasetRemover
from ..repository import CONFIG_NAME, RepositoryConfig
from ..user_paths import checked_path
from ..writer import DatasetWriter
from .aliases import known_aliases
from .no_datastore import NoDatastore

__all__ = ["ButlerCore"]

Config = str | os.PathLike[str] | RepositoryConfig
"""What says which repository to open."""


class ButlerCore:
    """An open repository.

    The parameters are those of `Butler`.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        run: str | None = None,
        writeable: bool | None = None,
        inferDefaults: bool = True,
        without_datastore: bool = False,
        searchPaths: object = None,
        **data_id: str,
    ) -> None:
        if searchPaths:
            warnings.warn("searchPaths has no effect: all settings are in butler.yaml", stacklevel=2)
        path = _located(config)
        self.root = (path.parent if path.name == CONFIG_NAME else path).absolute()
        settings = RepositoryConfig.load(self.root)
        writeable = run is not None if writeable is None else writeable
        if writeable and not os.access(self.root, os.W_OK):
            raise ReadOnlyButlerError(f"the directory {self.root} cannot be written")
        self.registry = settings.open_registry(self.root, writeable=writeable)
        with ExitStack() as undo:
            # Nobody else can close what was not opened, and its locks would stay.
            undo.callback(self.close)
            self.datastore = (
                cast(FileDatastore, NoDatastore())
                if without_datastore
                else settings.file_datastore(self.root, writeable=writeable)
            )
            self.registry.defaults = RegistryDefaults(
                self.registry, collections, run, data_id, infer=inferDefaults
            )
            if run is not None:
                self.registry.registerRun(run)
            undo.pop_all()
        self.collections = self.registry.collections
        self._writer = DatasetWriter(self.registry, self.datastore)
        self._remover = DatasetRemover(self.registry, self.datastore)

    @classmethod
    def from_config(cls, config: Config | None = None, **kwargs: Any) -> Self:
        """Open a repository; the same as the constructor."""
        return cls(config, **kwargs)

    @staticmethod
    def get_known_repos() -> set[str]:
        """Return the labels of the repositories that the environment names; raises as `known_aliases`."""
        return set(known_aliases())

    @staticmethod
    def get_repo_uri(label: str, return_label: bool = False) -> str:
        """Return where the repository of a label is.

        Parameters
        ----------
        label
            Label from ``DAF_BUTLER_REPOSITORIES`` or ``DAF_BUTLER_REPOSITORY_INDEX``.
        return_label
            Whether a label that is not known comes back as it is.

        Raises
        ------
        RepositoryNotFoundError
            Raised if the label is not known.
        """
        aliases = known_aliases()
        if label not in aliases and not return_label:
            raise RepositoryNotFoundError(f"no repository is called {label!r}{_told_aliases()}")
        return aliases.get(label, label)

    @staticmethod
    def has_repo_config(root: str | os.PathLike[str]) -> bool:
        """Tell whether there is a repository in a directory."""
        return (checked_path(root) / CONFIG_NAME).is_file()

    @classmethod
    def makeRepo(
        cls,
        root: str | os.PathLike[str],
        config: RepositoryConfig | None = None,
        *,
        overwrite: bool = False,
    ) -> RepositoryConfig:
        """Make a repository; a registry that has lost its ``butler.yaml`` is kept.

        Parameters
        ----------
        root
            Directory; made if needed.
        config
            Settings other than the defaults.
        overwrite
            Whether the settings of a repository that is there may be replaced; what it holds is kept.

        Raises
        ------
        RepositoryExistsError
            Raised if there is a repository, and `overwrite` is not set.
        ButlerUserError
            Raised if the directory cannot be written.
        """
        directory = checked_path(root).absolute()
        settings = config or RepositoryConfig()
        TemplateSet.from_patterns(settings.templates)
        try:
            if (directory / CONFIG_NAME).exists() and not overwrite:
                raise RepositoryExistsError(f"there is a repository at {directory} already")
            directory.mkdir(parents=True, exist_ok=True)
            registry = settings.make_registry(directory)
            registry.database.close()
            settings = settings.model_copy(update={"id": registry.repository_id}).claimed(directory)
            settings.save(directory)
        except OSError as error:
            if isinstance(error, ButlerUserError):
                raise
            raise ButlerUserError(f"cannot make a repository at {directory}: {error.strerror}") from error
        return settings.model_copy(update={"root": directory})

    @property
    def defaults(self) -> RegistryDefaults:
        """What is filled in where a call says nothing."""
        return self.registry.defaults

    @property
    def dimensions(self) -> DimensionUniverse:
        """All dimensions and how they hang together."""
        return UNIVERSE

    @classmethod
    def migrate(
        cls, root: str | os.PathLike[str], *, dry_run: bool = False
    ) -> tuple[Sequence[MigrationStep], list[str]]:
        """Bring a repository to the schema version of this program; nobody else should have it open.

        Parameters
        ----------
        root
            Directory of the repository.
        dry_run
            Whether to undo all in the end.

        Returns
        -------
        steps
            What was done, all or nothing.
        statements
            The SQL statements that did it.

        Raises
        ------
        RepositoryNotFoundError
            Raised if there is no repository.
        SchemaVersionError
            Raised if the registry is newer than this program.
        """
        directory = Path(root).absolute()
        settings = RepositoryConfig.load(directory)
        database = settings.open_database(directory, writeable=True)
        try:
            return migrate(database, dry_run=dry_run)
        finally:
            database.close()

    @property
    def run(self) -> str | None:
        """RUN that datasets are put into when a call names none."""
        return self.defaults.run

    def isWriteable(self) -> bool:
        """Tell whether anything may be changed."""
        return self.registry.database.writeable

    def clone(
        self,
        *,
        collections: str | Iterable[str] | EllipsisType | None = ...,
        run: str | EllipsisType | None = ...,
        inferDefaults: bool | EllipsisType = ...,
        dataId: Mapping[str, str] | EllipsisType | None = ...,
    ) -> Self:
        """Open the same repository with other defaults; what is not given, or is ``...``, stays as it is.

        Parameters
        ----------
        collections
            Collections to search; None for those that follow from the run.
        run
            RUN to put into; None for none.
        inferDefaults
            Whether instrument and sky map are inferred where there is only one.
        dataId
            Default values of instrument and sky map; None for none that are given.
        """
        own = self.defaults
        given: Mapping[str, Any] = own.given if dataId is ... else dataId or {}
        return type(self)(
            self.root,
            collections=own.searched if collections is ... else collections,
            run=own.run if run is ... else run,
            writeable=self.isWriteable(),
            inferDefaults=own.infers if inferDefaults is ... else inferDefaults,
            **given,
        )

    def close(self) -> None:
        """Close the registry's connections."""
        self.registry.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block whose rows and files are kept whole or undone whole; blocks may nest."""
        with self.registry.database.transaction():
            yield


def _located(config: Config | None) -> Path:
    """Return the place of a repository that is told by path, ``file:`` URI, label or its settings."""
    if config is None:
        raise RepositoryNotFoundError(f"say which repository to open{_told_aliases()}")
    if isinstance(config, RepositoryConfig):
        if config.root is None:
            raise RepositoryNotFoundError("these settings are not those of a repository; give its directory")
        return config.root
    place = known_aliases().get(config, config) if isinstance(config, str) else config
    return checked_path(place.removeprefix("file://") if isinstance(place, str) else place)


def _told_aliases() -> str:
    labels = ", ".join(sorted(known_aliases()))
    return f"; known labels: {labels or 'none'}"
