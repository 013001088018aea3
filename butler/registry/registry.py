"""Registry: what exists, where on the sky, and in which collection."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..datasets import DatasetRef
from ..dimensions import UNIVERSE, DataCoordinate, Timespan
from ..errors import (
    RepositoryExistsError,
)
from .attributes import check_version, has_registry, read_attributes
from .calibration_store import CalibrationStore
from .collections import CollectionInfo, CollectionStore, CollectionType
from .database import Database
from .dataset_store import DatasetSearchPath, DatasetStore, FoundDataset, RegisteredType
from .defaults import RegistryDefaults
from .dimension_store import DimensionRecordStore
from .file_store import FileRecordStore
from .lsst_queries import LsstQueries
from .memory import MARK, Memory
from .quantum_store import QuantumStore
from .schema import SCHEMA_VERSION, Schema
from .tag_store import TagStore

if TYPE_CHECKING:
    from .queries import DatasetSearch, QueryRunner, QuerySpec

__all__ = ["Registry"]


class Registry(LsstQueries):
    """Collections, dataset types, dimension records and datasets of one repository.

    Parameters
    ----------
    database
        Where they are kept.

    Attributes
    ----------
    repository_id
        Random number that the repository was given when it was made.

    Raises
    ------
    RepositoryCorruptionError
        Raised if the database has no registry.
    SchemaVersionError
        Raised if it has one of another schema version.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.schema = Schema()
        attributes = read_attributes(database)
        check_version(attributes)
        self.repository_id = attributes.get("repository_id")
        memory = self._memory = Memory(database, self.schema)
        self.collections = CollectionStore(database, self.schema, memory)
        self.datasets = DatasetStore(database, self.schema, memory)
        self.tags = TagStore(database, self.schema, self.datasets)
        self.calibrations = CalibrationStore(database, self.schema, self.tags)
        self.records = DimensionRecordStore(database, self.schema, memory)
        self.files = FileRecordStore(database, self.schema, memory)
        self.quanta = QuantumStore(database, self.schema, memory)
        self._defaults = RegistryDefaults(self)

    @classmethod
    def create(cls, database: Database) -> Registry:
        """Make the tables of a new registry.

        Raises
        ------
        RepositoryExistsError
            Raised if the database has a registry.
        """
        schema = Schema()
        attributes = {
            "schema_version": SCHEMA_VERSION,
            "universe_version": UNIVERSE.version,
            "repository_id": uuid.uuid4(),
            MARK: "",
        }
        with database.transaction():
            database.lock("create")
            if has_registry(database):
                raise RepositoryExistsError(
                    f"{database.place} has the registry of another repository; choose another namespace"
                )
            database.create_tables(schema.metadata)
            rows = [{"name": name, "value": str(value)} for name, value in attributes.items()]
            database.execute(schema.attributes.insert(), rows)
        return cls(database)

    @cached_property
    def queries(self) -> QueryRunner:
        """What runs queries; a process that only finds and gets datasets needs none of it."""
        from .queries import QueryRunner

        return QueryRunner(self.database, self.schema)

    @property
    def defaults(self) -> RegistryDefaults:
        """What is filled in where a call says nothing."""
        return self._defaults

    @defaults.setter
    def defaults(self, defaults: RegistryDefaults) -> None:
        self._defaults = defaults
        self.collections.defaults = defaults.collections

    def refresh(self) -> None:
        """Forget what was remembered; other processes' changes are seen without it."""
        self._memory.forget()

    def expanded(self, refs: Sequence[DatasetRef]) -> list[DatasetRef]:
        """Return refs with expanded data IDs; see `DimensionRecordStore.expand_many`."""
        data_ids = self.records.expand_many([ref.dataId for ref in refs])
        return [ref.expanded(data_id) for ref, data_id in zip(refs, data_ids, strict=True)]

    def insert_datasets(self, run: str, refs: Sequence[DatasetRef]) -> None:
        """Insert datasets into a run; see `DatasetStore.insert`."""
        self.datasets.insert(self._run(run), refs)

    def add_datasets(self, run: str, refs: Sequence[DatasetRef]) -> None:
        """Insert datasets into a run; see `DatasetStore.add`."""
        self.datasets.add(self._run(run), refs)

    def check_datasets(self, run: str, refs: Sequence[DatasetRef]) -> None:
        """Refuse datasets that `insert_datasets` would refuse; see `DatasetStore.check`."""
        self.datasets.check(self._run(run), refs)

    def hold(self, runs: Iterable[str]) -> None:
        """Let nobody else who holds a run look what it has, until the transaction ends.

        For those who insert what is missing: two of them could miss the same. Others may put into the runs.

        Parameters
        ----------
        runs
            Their names.
        """
        # All in the same order, so that none waits for one that waits for it.
        for name in sorted(runs):
            self.database.lock(f"contents of {name}")

    def find_dataset(
        self, dataset_type: str, data_id: DataCoordinate, collections: Sequence[str]
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along a search path."""
        found = self.find_stored(dataset_type, data_id, collections)
        return None if found is None else found.ref

    def find_stored(
        self,
        dataset_type: str,
        data_id: DataCoordinate,
        collections: Sequence[str],
        timespan: Timespan | None = None,
    ) -> FoundDataset | None:
        """Return the first dataset of a data ID along a search path, with its file.

        CALIBRATION collections are passed over if there is no timespan.
        """
        if timespan is not None:
            registered = self.datasets.get_type(dataset_type)
            if registered.calibs is not None:
                return self._find_valid(registered, self.collections.flatten(collections), data_id, timespan)
        key = ("search path", dataset_type, *collections)
        path = self._memory.recall(key, lambda: self._search_path(dataset_type, collections))
        assert path is not None
        return self.datasets.find(path, data_id)

    def _search_path(self, dataset_type: str, collections: Sequence[str]) -> DatasetSearchPath:
        registered = self.datasets.get_type(dataset_type)
        return self.datasets.search_path(registered, self.collections.flatten(collections))

    def _find_valid(
        self,
        registered: RegisteredType,
        path: Sequence[CollectionInfo],
        data_id: DataCoordinate,
        timespan: Timespan,
    ) -> FoundDataset | None:
        for collection in path:
            if collection.type is CollectionType.CALIBRATION:
                ref = self.calibrations.find(registered, collection, data_id, timespan)
                if ref is not None:
                    return FoundDataset(ref, self.files.get_one(ref.id))
            else:
                alone = self.datasets.search_path(registered, [collection])
                if (found := self.datasets.find(alone, data_id)) is not None:
                    return found
        return None

    def search(
        self, dataset_type: str, collections: Sequence[str], *, find_first: bool = True
    ) -> DatasetSearch:
        """Return the search for a dataset type along a path of collections."""
        from .queries import DatasetSearch

        runs = self.collections.flatten(collections)
        return DatasetSearch(self.datasets.get_type(dataset_type), runs, find_first)

    def why_empty(self, spec: QuerySpec, searches: tuple[DatasetSearch, ...] = ()) -> list[str]:
        """Say why a query finds nothing; see `queries.explain`."""
        from .queries import why_empty

        return why_empty(self._find_any, spec, searches, self.records)

    def _find_any(self, spec: QuerySpec, searches: tuple[DatasetSearch, ...]) -> Sequence[Any]:
        from .queries import Output

        return self.queries.rows(spec, Output(spec.dimensions.required), searches)
