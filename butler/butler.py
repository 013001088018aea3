"""Butler: the front door, where registry and datastore meet."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .datasets import DatasetRef, DatasetType, FileDataset
from .datastore import FileDatastore, StagedFile, VerifyReport
from .defaults import RegistryDefaults
from .dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup, DimensionRecord
from .errors import (
    ArtifactMissingError,
    ButlerUserError,
    CollectionError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
    RepositoryExistsError,
    UnknownComponentError,
)
from .handles import DeferredDatasetHandle
from .registry import Database, DatasetSearch, FileRecord, QuerySpec, Registry, Where
from .repository import CONFIG_NAME, RepositoryConfig
from .writer import DatasetWriter

__all__ = ["Butler"]

DatasetName = str | DatasetType | DatasetRef


class Butler:
    """Finds and keeps datasets.

    Parameters
    ----------
    config
        Directory of a repository, or its ``butler.yaml``.
    collections
        Collections to search when a call names none, in order.
    run
        RUN that datasets are put into when a call names none; made if needed.
    writeable
        Whether anything may be changed; by default only if `run` is given.
    **data_id
        Default values for ``instrument`` and ``skymap``.

    Attributes
    ----------
    registry, collections, datastore
        What exists; its collections, to register, query and chain; where the files are.

    Raises
    ------
    RepositoryNotFoundError
        Raised if there is no repository.
    ReadOnlyButlerError
        Raised if it is to be changed, but cannot.
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
        if not (self.root / settings.registry).is_file():
            raise RepositoryCorruptionError(f"the registry {self.root / settings.registry} is gone")
        self.registry = Registry(Database.sqlite(self.root / settings.registry, writeable=writeable))
        self.collections = self.registry.collections
        self.datastore = FileDatastore(self.root, settings.file_templates(), settings.checksum)
        self._writer = DatasetWriter(self.registry, self.datastore)
        self.defaults = RegistryDefaults(self.registry, collections, run, data_id)
        if run is not None:
            self.registry.registerRun(run)

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
            database = Database.sqlite(directory / settings.registry, writeable=True)
            registry = Registry(database) if database.has_tables() else Registry.create(database)
            registry.database.close()
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

    def clone(self, *, collections: str | Iterable[str] | None = None, run: str | None = None) -> Butler:
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

    # Reading.

    def get(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Read a dataset.

        Parameters
        ----------
        dataset
            Name (``type`` or ``type.component``), dataset type or ref.
        dataId
            Data ID; keyword arguments add to it.
        parameters
            Read parameters, for example ``{"bbox": Box2I(...)}``.
        collections
            Collections to search, in order.

        Raises
        ------
        DatasetNotFoundError
            Raised if there is no such dataset.
        ArtifactMissingError
            Raised if its file is gone.
        """
        handle = self.getDeferred(dataset, dataId, parameters=parameters, collections=collections, **kwargs)
        return handle.get()

    def getDeferred(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DeferredDatasetHandle:
        """Return a handle that reads a dataset, or parts of it, later; arguments as `get`."""
        ref = self._resolve(dataset, dataId, collections, kwargs)
        registered, component = self._named_type(ref.datasetType)
        stored = self.datastore.stored(self._file_record(ref), registered, component)
        return DeferredDatasetHandle(stored, ref, dict(parameters or {}))

    def find_dataset(
        self,
        dataset_type: str | DatasetType,
        data_id: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along the search path, None if there is none."""
        registered, component = self._named_type(dataset_type)
        coordinate = self.defaults.data_id(registered, {**(data_id or {}), **kwargs})
        ref = self.registry.find_dataset(registered.name, coordinate, self.defaults.path(collections))
        return ref.makeComponentRef(component) if ref is not None and component else ref

    def get_dataset(self, id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none."""
        return self.registry.datasets.get(id)

    def get_dataset_type(self, name: str) -> DatasetType:
        """Return a dataset type by name, also of a component.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none.
        """
        registered, component = self._named_type(name)
        return registered.makeComponentDatasetType(component) if component else registered

    def exists(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Tell whether a dataset is registered and its file is there."""
        try:
            ref = self._resolve(dataset, dataId, collections, kwargs)
            return self.datastore.resolve(self._file_record(ref).path).exists()
        except (CollectionError, MissingDatasetTypeError, DatasetNotFoundError, ArtifactMissingError):
            return False

    def getURI(self, dataset: DatasetName, /, dataId: DataId | None = None, **kwargs: Any) -> Path:
        """Return where the file of a dataset is; arguments as `get`."""
        collections = kwargs.pop("collections", None)
        ref = self._resolve(dataset, dataId, collections, kwargs)
        return self.datastore.resolve(self._file_record(ref).path)

    # Asking.

    def query_datasets(
        self,
        dataset_type: str | DatasetType,
        collections: str | Iterable[str] | None = None,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DatasetRef]:
        """Return the datasets of a type that fulfil a condition, in data ID order.

        Of several collections the first that has a data ID counts.

        Parameters
        ----------
        dataset_type
            Registered dataset type.
        collections
            Collections to search, in order; the butler's own by default.
        where
            Expression, for example ``"visit IN (1..9) AND band = 'i'"``.
        bind
            Values for the ``:names`` in it.
        data_id
            Values that the data ID must have; keyword arguments add to it.
        order_by
            Names to sort by, ``-name`` for descending.
        limit
            Most datasets to return; 0 checks the query only, and ``-n`` logs if there are more than n.
        explain
            Whether an empty result is an error that says why.

        Raises
        ------
        InvalidQueryError
            Raised if the expression is wrong.
        EmptyQueryResultError
            Raised if there are none and `explain` is set.
        """
        registered, component = self._named_type(dataset_type)
        if component:
            raise UnknownComponentError(f"components are not queried; ask for {registered.name!r}")
        spec = self._spec(registered.dimensions, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        search = self.registry.search(registered.name, self.defaults.path(collections))
        return self.registry.query_datasets(spec, search, explain=explain)

    def query_data_ids(
        self,
        dimensions: Iterable[str] | DimensionGroup,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        joined: Sequence[DatasetSearch] = (),
        **kwargs: Any,
    ) -> list[DataCoordinate]:
        """Return the data IDs of some dimensions; observations and sky map join where they overlap.

        Arguments as `query_datasets`; `joined` restricts to data IDs for which datasets exist.
        """
        group = UNIVERSE.conform([dimensions] if isinstance(dimensions, str) else dimensions)
        spec = self._spec(group, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        return self.registry.query_data_ids(replace(spec, joined=joined), explain=explain)

    def query_dimension_records(
        self,
        element: str,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DimensionRecord]:
        """Return the records of a dimension element; arguments as `query_datasets`."""
        group = UNIVERSE.conform(UNIVERSE[element].required)
        spec = self._spec(group, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        return self.registry.query_dimension_records(spec, element, explain=explain)

    # Writing.

    def put(
        self,
        obj: Any,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        run: str | None = None,
        **kwargs: Any,
    ) -> DatasetRef:
        """Store an object as a new dataset; return its ref with an expanded data ID.

        Parameters
        ----------
        obj
            The object; must fit the storage class.
        dataset, dataId
            What it is, as for `get`; a ref also gives run and UUID.
        run
            RUN; the butler's own by default.

        Raises
        ------
        ConflictingDefinitionError
            Raised if the run has such a dataset already.
        DataIdValueError
            Raised if a dimension record is missing.
        NoDefaultCollectionError
            Raised if there is no run.
        """
        named = dataset.datasetType if isinstance(dataset, DatasetRef) else dataset
        registered, component = self._named_type(named)
        if component:
            raise UnknownComponentError(f"components cannot be put; put the whole {registered.name!r}")
        if isinstance(dataset, DatasetRef):
            return self._writer.put(obj, dataset)
        data_id = self.defaults.data_id(registered, {**(dataId or {}), **kwargs})
        return self._writer.put(obj, DatasetRef(registered, data_id, self.defaults.run_or(run)))

    def store_staged(self, datasets: Sequence[tuple[DatasetRef, StagedFile]]) -> None:
        """Register files that workers wrote under temporary names, all or none.

        Raises
        ------
        ConflictingDefinitionError
            Raised if one of the datasets exists; the files are removed.
        """
        self._writer.store(datasets)

    def ingest(
        self, *datasets: FileDataset, transfer: str = "copy", skip_existing: bool = False
    ) -> list[DatasetRef]:
        """Register files as datasets, and return those; dataset types and runs are made as needed.

        Parameters
        ----------
        *datasets
            Files and what they are.
        transfer
            ``copy``, ``symlink``, ``hardlink``, or ``direct``: the file stays where it is.
        skip_existing
            Whether to leave out datasets that exist already.

        Raises
        ------
        FileNotFoundError
            Raised if a file is missing.
        FileFormatError
            Raised if a file is broken.
        ConflictingDefinitionError
            Raised if a dataset exists already.
        """
        return self._writer.ingest(datasets, transfer=transfer, skip_existing=skip_existing)

    def verify(self, *, repair: bool = False, checksums: bool = True) -> VerifyReport:
        """Compare the registry with the files; with `repair` only while nothing else writes.

        Parameters
        ----------
        repair
            Whether to remove files without dataset, and datasets whose file is gone or damaged.
        checksums
            Whether to read all files and compare their sums.

        Returns
        -------
        report
            What was found, before the repair.
        """
        return self._writer.verify(repair=repair, checksums=checksums)

    def _spec(
        self,
        dimensions: DimensionGroup,
        where: str,
        bind: Mapping[str, Any] | None,
        data_id: DataId,
        order_by: str | Iterable[str],
        limit: int | None,
    ) -> QuerySpec:
        condition = Where.parse(where, bind)
        values = self.defaults.query_values(dimensions, data_id, condition)
        names = (order_by,) if isinstance(order_by, str) else tuple(order_by)
        return QuerySpec(dimensions, condition, values, (), names, limit)

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
    ) -> DatasetRef:
        if isinstance(dataset, DatasetRef):
            return dataset
        found = self.find_dataset(dataset, data_id, collections=collections, **kwargs)
        if found is None:
            name = dataset if isinstance(dataset, str) else dataset.name
            path = ", ".join(self.defaults.path(collections)) or "no collection at all"
            shown = {**(data_id or {}), **kwargs}
            raise DatasetNotFoundError(f"no {name} with data ID {shown} in {path}; query what there is")
        return found

    def _file_record(self, ref: DatasetRef) -> FileRecord:
        record = self.registry.files.get([ref.id]).get(ref.id)
        if record is None:
            raise ArtifactMissingError(f"{ref} has no stored file")
        return record
