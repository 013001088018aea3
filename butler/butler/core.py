"""ButlerCore: an open repository, and what all verbs of the butler share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..datasets import DatasetRef, DatasetType
from ..datastore import FileDatastore
from ..defaults import RegistryDefaults
from ..dimensions import DataId
from ..errors import (
    ButlerUserError,
    DatasetNotFoundError,
    ReadOnlyButlerError,
    RepositoryExistsError,
)
from ..registry import FoundDataset
from ..remover import DatasetRemover
from ..repository import CONFIG_NAME, RepositoryConfig
from ..writer import DatasetWriter

__all__ = ["ButlerCore", "DatasetName"]

DatasetName = str | DatasetType | DatasetRef


class ButlerCore:
    """An open repository.

    The parameters are those of `Butler`.
    """

    def __init__(
        self,
        config: str | os.PathLike[str],
        *,
        collections: str | Iterable[str] | None = None,
        run: str | None = None,
        writeable: bool | None = None,
        **data_id: str,
    ) -> None:
        path = Path(config)
        self.root = (path.parent if path.name == CONFIG_NAME else path).absolute()
        settings = RepositoryConfig.load(self.root)
        writeable = run is not None if writeable is None else writeable
        if writeable and not os.access(self.root, os.W_OK):
            raise ReadOnlyButlerError(f"the directory {self.root} cannot be written")
        self.registry = settings.open_registry(self.root, writeable=writeable)
        try:
            self.defaults = RegistryDefaults(self.registry, collections, run, data_id)
            if run is not None:
                self.registry.registerRun(run)
        except BaseException:
            # Nobody else can close what was not opened, and its locks would stay.
            self.close()
            raise
        self.collections = self.registry.collections
        self.datastore = FileDatastore(
            self.root, settings.file_templates(), settings.checksum, settings.compression
        )
        self._writer = DatasetWriter(self.registry, self.datastore)
        self._remover = DatasetRemover(self.registry, self.datastore)

    @classmethod
    def from_config(cls, config: str | os.PathLike[str], **kwargs: Any) -> Self:
        """Open a repository; the same as the constructor."""
        return cls(config, **kwargs)

    @classmethod
    def makeRepo(
        cls, root: str | os.PathLike[str], config: RepositoryConfig | None = None
    ) -> RepositoryConfig:
        """Make a repository; a registry that has lost its ``butler.yaml`` is kept.

        Parameters
        ----------
        root
            Directory; made if needed.
        config
            Settings other than the defaults.

        Raises
        ------
        RepositoryExistsError
            Raised if there is a repository.
        ButlerUserError
            Raised if the directory cannot be written.
        """
        directory = Path(root).absolute()
        settings = config or RepositoryConfig()
        settings.file_templates()
        if (directory / CONFIG_NAME).exists():
            raise RepositoryExistsError(f"there is a repository at {directory} already")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            registry = settings.make_registry(directory)
            registry.database.close()
            settings = settings.model_copy(update={"id": registry.repository_id})
            settings.save(directory)
        except OSError as error:
            raise ButlerUserError(f"cannot make a repository at {directory}: {error.strerror}") from error
        return settings

    @property
    def run(self) -> str | None:
        """RUN that datasets are put into when a call names none."""
        return self.defaults.run

    def isWriteable(self) -> bool:
        """Tell whether anything may be changed."""
        return self.registry.database.writeable

    def clone(self, *, collections: str | Iterable[str] | None = None, run: str | None = None) -> Self:
        """Open the same repository with other defaults; what is not given stays as it is."""
        return type(self)(
            self.root,
            collections=self.defaults.searched if collections is None else collections,
            run=run or self.run,
            writeable=self.isWriteable(),
            **self.defaults.given,
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

    def find_dataset(
        self,
        dataset_type: str | DatasetType,
        data_id: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along the search path, None if there is none."""
        found = self._find(dataset_type, data_id, collections, kwargs)
        return None if found is None else found.ref

    def _find(
        self,
        dataset_type: str | DatasetType,
        data_id: DataId | None,
        collections: str | Iterable[str] | None,
        kwargs: Mapping[str, Any],
    ) -> FoundDataset | None:
        registered, component = self._named_type(dataset_type)
        coordinate = self.defaults.data_id(registered, {**(data_id or {}), **kwargs})
        found = self.registry.find_stored(registered.name, coordinate, self.defaults.path(collections))
        if found is not None and component:
            return FoundDataset(found.ref.makeComponentRef(component), found.record)
        return found

    def get_dataset(self, id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none."""
        return self.registry.datasets.get(id)

    def get_many_datasets(self, ids: Iterable[uuid.UUID]) -> list[DatasetRef]:
        """Return the datasets that exist among some UUIDs, by dataset type."""
        return self.registry.datasets.get_many(list(ids))

    def get_dataset_type(self, name: str) -> DatasetType:
        """Return a dataset type by name, also of a component.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none.
        """
        registered, component = self._named_type(name)
        return registered.makeComponentDatasetType(component) if component else registered

    def _named_type(self, name: str | DatasetType) -> tuple[DatasetType, str | None]:
        text = name.name if isinstance(name, DatasetType) else name
        parent, dot, component = text.partition(".")
        registered = self.registry.datasets.get_type(parent).type
        if dot:
            registered.storageClass.component(component)
        return registered, component or None

    def _resolve(
        self,
        dataset: DatasetName,
        data_id: DataId | None,
        collections: str | Iterable[str] | None,
        kwargs: Mapping[str, Any],
    ) -> FoundDataset:
        if isinstance(dataset, DatasetRef):
            return FoundDataset(dataset, self.registry.files.get_one(dataset.id))
        found = self._find(dataset, data_id, collections, kwargs)
        if found is None:
            name = dataset if isinstance(dataset, str) else dataset.name
            path = ", ".join(self.defaults.path(collections)) or "no collection at all"
            shown = {**(data_id or {}), **kwargs}
            raise DatasetNotFoundError(f"no {name} with data ID {shown} in {path}; query what there is")
        return found
