"""DataRef: a data ID with the repository that it is looked up in, as LSST's second generation has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from butler.errors import MissingDatasetTypeError

from .errors import RunConflictError, TaskError

if TYPE_CHECKING:
    from butler import Butler, DatasetRef, DatasetType

__all__ = ["DataRef"]


@dataclass(frozen=True, slots=True)
class DataRef:
    """A data ID, and the repository with what belongs to it: for scripts that run a task without a pipeline.

    Parameters
    ----------
    butler
        The repository.
    dataId
        Data ID, for a patch ``skymap``, ``tract``, ``patch`` and ``band``.
    collections
        Collections to search, in order; those of the butler if there are none.
    run
        RUN to write into; that of the butler if None.
    """

    butler: Butler
    dataId: Mapping[str, Any]
    collections: Sequence[str] = ()
    run: str | None = None

    def query(self, dataset_type: str) -> list[DatasetRef]:
        """Return the datasets of a type that the data ID fits, in data ID order; none of an unknown type."""
        try:
            return self.butler.query_datasets(
                dataset_type,
                list(self.collections) or None,
                data_id=dict(self.dataId),
                with_dimension_records=True,
                explain=False,
            )
        except MissingDatasetTypeError:
            return []

    def handles(self, dataset_type: str) -> list[Any]:
        """Return the handles of what `query` finds."""
        return [self.butler.getDeferred(ref) for ref in self.query(dataset_type)]

    def find_handle(self, dataset_type: str) -> Any:
        """Return the handle of the first dataset that `query` finds, None if there is none."""
        return next(iter(self.handles(dataset_type)), None)

    def get(self, dataset_type: str) -> Any:
        """Read a dataset whose dimensions the data ID has; raises what `Butler.get` raises."""
        return self.butler.get(dataset_type, self.dataId, collections=list(self.collections) or None)

    def prepare_writing(self, dataset_types: Iterable[DatasetType]) -> None:
        """Make sure that datasets of these types can be put, before long work begins.

        Raises
        ------
        TaskError
            Raised if there is no run to write into.
        RunConflictError
            Raised if the run has such a dataset already.
        """
        run = self._run()
        self.butler.registry.registerRun(run)
        for kind in dataset_types:
            self.butler.registry.registerDatasetType(kind)
            if self.butler.query_datasets(kind.name, run, data_id=dict(self.dataId), limit=1, explain=False):
                raise RunConflictError(
                    f"run {run!r} has the {kind.name} of {dict(self.dataId)} already; write into another "
                    "run, or remove it first"
                )

    def put(self, values: Iterable[tuple[Any, DatasetType, Mapping[str, Any]]]) -> None:
        """Write datasets, all of them or none; see `prepare_writing`.

        Parameters
        ----------
        values
            Each with its type, and with what its data ID has more than this one.
        """
        with self.butler.transaction():
            for value, kind, more in values:
                self.butler.put(value, kind, {**self.dataId, **more}, run=self._run())

    def replace(self, value: Any, kind: DatasetType) -> None:
        """Write a dataset of this data ID, in place of the one that the run has.

        Raises
        ------
        TaskError
            Raised if there is no run to write into.
        """
        run = self._run()
        self.butler.registry.registerRun(run)
        self.butler.registry.registerDatasetType(kind)
        known = self.butler.find_dataset(kind.name, self.dataId, collections=run)
        with self.butler.transaction():
            if known is not None:
                self.butler.pruneDatasets([known], disassociate=True, unstore=True, purge=True)
            self.butler.put(value, kind, self.dataId, run=run)

    def _run(self) -> str:
        run = self.run or self.butler.run
        if run is None:
            raise TaskError(
                "there is no run to write into; say DataRef(..., run=RUN), or Butler(REPO, run=RUN)"
            )
        return run
