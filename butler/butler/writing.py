"""Writing: put, ingest, verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..datasets import DatasetRef, FileDataset
from ..datastore import StagedFile, VerifyReport
from ..dimensions import DataId
from ..errors import (
    UnknownComponentError,
)
from .core import ButlerCore, DatasetName

__all__ = ["WritingButler"]


class WritingButler(ButlerCore):
    """The part of the butler that changes the repository."""

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
        if isinstance(dataset, DatasetRef):
            return self._writer.put(obj, dataset)
        registered, component = self._named_type(dataset)
        if component:
            raise UnknownComponentError(f"components cannot be put; put the whole {registered.name!r}")
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
        """Compare the registry with the files.

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
