"""Writing: put, ingest, remove, verify."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from ..datasets import DatasetRef, FileDataset
from ..datastore import StagedFile, VerifyReport
from ..dimensions import DataId
from ..errors import DatasetTypeError, PruneError, UnknownComponentError
from ..ingester import ingest_files
from ..provenance import DatasetProvenance, QuantumRecord, with_provenance
from ..registry import FileRecord, repeated
from .reading import DatasetName, ReadingButler, merged

__all__ = ["WritingButler"]


class WritingButler(ReadingButler):
    """The part of the butler that changes the repository."""

    @repeated("registry.database")
    def put(
        self,
        obj: Any,
        datasetRefOrType: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        run: str | None = None,
        provenance: DatasetProvenance | None = None,
        **kwargs: Any,
    ) -> DatasetRef:
        """Store an object as a new dataset; return its ref with an expanded data ID.

        Parameters
        ----------
        obj
            The object; must fit the storage class.
        datasetRefOrType, dataId
            What it is, as for `get`; a ref also gives run and UUID, and may be of a dataset that was
            registered before but has no file any more.
        run
            RUN; the butler's own by default.
        provenance
            What it was made from; written into its metadata, if it has any.

        Raises
        ------
        ConflictingDefinitionError
            Raised if the run has such a dataset already.
        DataIdValueError
            Raised if a dimension record is missing.
        NoDefaultCollectionError
            Raised if there is no run.
        UnknownComponentError
            Raised for a component.
        """
        given = datasetRefOrType
        named = given.datasetType if isinstance(given, DatasetRef) else given
        registered, component = self._named_type(named)
        if component:
            raise UnknownComponentError(f"components cannot be put; put the whole {registered.name!r}")
        if isinstance(given, DatasetRef):
            ref = given
        else:
            data_id = self.defaults.data_id(registered.dimensions, merged(dataId, kwargs))
            ref = DatasetRef(registered, data_id, self.defaults.run_or(run))
        obj = with_provenance(obj, provenance, ref)
        if ref is given and self._is_unstored(ref):
            return self._writer.put_again(obj, ref)
        return self._writer.put(obj, ref)

    def _is_unstored(self, ref: DatasetRef) -> bool:
        known = self.registry.datasets.get(ref.id)
        same = known is not None and (known, known.run) == (ref, ref.run)
        return same and self.registry.files.get_one(ref.id) is None

    @repeated("registry.database")
    def put_many(self, datasets: Iterable[tuple[Any, DatasetRef]]) -> list[DatasetRef]:
        """Store objects as new datasets, all or none; return their refs with expanded data IDs.

        The registry is asked and changed once for all of them.

        Parameters
        ----------
        datasets
            Objects, each with the ref that says what it is, in which run, under which UUID.

        Raises
        ------
        ConflictingDefinitionError
            Raised if a run has one of the datasets already.
        DataIdValueError
            Raised if a dimension record is missing.
        """
        pairs = list(datasets)
        _require_whole([ref for _, ref in pairs], "put")
        return self._writer.put_many(pairs)

    def store_staged(
        self,
        datasets: Sequence[tuple[DatasetRef, StagedFile]],
        quanta: Sequence[QuantumRecord] = (),
    ) -> dict[uuid.UUID, FileRecord]:
        """Register files that workers wrote under temporary names, all or none.

        Parameters
        ----------
        datasets
            Datasets and their files.
        quanta
            What became of the quanta that wrote them, kept with them or not at all; also of those that
            wrote nothing.

        Returns
        -------
        records
            What the registry knows of the files now, by the UUIDs of the datasets: a file whose name was
            taken meanwhile has got another one.

        Raises
        ------
        ConflictingDefinitionError
            Raised if one of the datasets exists; the files are removed.
        """
        return self._writer.store(datasets, quanta=quanta)

    @repeated("registry.database")
    def ingest(
        self,
        *datasets: FileDataset,
        transfer: str | None = "auto",
        record_validation_info: bool = True,
        skip_existing: bool = False,
    ) -> list[DatasetRef]:
        """Register files as datasets, and return those; dataset types and runs are made as needed.

        A file that stays where it is, inside the datastore or outside, is never removed.

        Parameters
        ----------
        *datasets
            Files and what they are.
        transfer
            ``copy``; ``hardlink``, ``symlink``, ``relsymlink``, or ``link``: the first of these that works;
            ``move``: the file is removed from where it is, once all is registered; ``direct``: it stays
            there; None: the same for a file in the datastore, and others are refused; ``split``: None for a
            file in the datastore, else ``direct``; ``auto``: None for a file in the datastore, else
            ``link``, or ``copy`` where no links can be.
        record_validation_info
            Whether to look at the files: if not, neither size nor checksum are known later.
        skip_existing
            Whether to leave out datasets that exist already, by UUID, or by type, data ID and run.

        Raises
        ------
        FileNotFoundError
            Raised if a file is missing.
        FileFormatError
            Raised if a file is broken.
        ConflictingDefinitionError
            Raised if a dataset exists already, or is named twice.
        DatasetTypeError
            Raised for a component.
        """
        _require_whole([ref for dataset in datasets for ref in dataset.refs], "ingested")
        return ingest_files(
            self._writer,
            datasets,
            transfer=transfer,
            skip_existing=skip_existing,
            validate=record_validation_info,
        )

    @repeated("registry.database")
    def pruneDatasets(
        self,
        refs: Iterable[DatasetRef],
        *,
        disassociate: bool = True,
        unstore: bool = False,
        tags: Iterable[str] = (),
        purge: bool = False,
    ) -> None:
        """Remove datasets from TAGGED collections, from storage, or altogether.

        All happens or nothing; files are deleted once the outermost transaction is committed. A file that
        another dataset shares stays, and so does one that was ingested in place.

        Parameters
        ----------
        refs
            The datasets; ones that are gone already are no error.
        disassociate
            Whether to take them out of the collections named in `tags`.
        unstore
            Whether to delete their files.
        tags
            TAGGED collections.
        purge
            Whether they shall not be registered any more either; needs `unstore` and `disassociate`.

        Raises
        ------
        PruneError
            Raised if nothing is asked for, or if `purge` is not allowed to do what belongs to it.
        DatasetTypeError
            Raised for a component.
        CollectionTypeError
            Raised if a collection in `tags` is not TAGGED.
        """
        self.registry.database.require_writeable()
        names = [tags] if isinstance(tags, str) else list(tags)
        doomed = list(refs)
        _check_prune(names, disassociate=disassociate, unstore=unstore, purge=purge)
        _require_whole(doomed, "pruned")
        ids = [ref.id for ref in doomed]
        with self.transaction():
            for name in names:
                self.registry.disassociate(name, doomed)
            if purge:
                self._remover.purge(ids)
            elif unstore:
                self._remover.unstore(ids)

    @repeated("registry.database")
    def removeRuns(self, names: str | Iterable[str], *, unlink_from_chains: bool = False) -> None:
        """Remove runs with all datasets, tags and files in them; all of them or none.

        Parameters
        ----------
        names
            RUN collections.
        unlink_from_chains
            Whether to take them out of the chains that they are part of.

        Raises
        ------
        MissingCollectionError
            Raised if one does not exist.
        CollectionTypeError
            Raised if one is no RUN.
        OrphanedRecordError
            Raised if one is part of a chain and `unlink_from_chains` is not set.
        """
        runs = [names] if isinstance(names, str) else list(names)
        self._remover.remove_runs(runs, unlink_from_chains=unlink_from_chains)

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


def _require_whole(refs: Iterable[DatasetRef], verb: str) -> None:
    for ref in refs:
        whole, component = ref.datasetType.nameAndComponent()
        if component:
            raise DatasetTypeError(f"components cannot be {verb} alone; {ref} is part of a {whole}")


def _check_prune(tags: Sequence[str], *, disassociate: bool, unstore: bool, purge: bool) -> None:
    """Refuse options that contradict each other, or that ask for nothing."""
    if purge and not (unstore and disassociate):
        raise PruneError(
            "purge removes datasets with their files and tags: it needs unstore=True, and disassociate=True"
        )
    if tags and not disassociate:
        raise PruneError("tags are given, but disassociate=False")
    if not (tags or unstore):
        raise PruneError(
            "nothing to do: give tags=[...] to take datasets out of TAGGED collections, unstore=True to "
            "delete their files, or purge=True, unstore=True to remove them altogether"
        )
