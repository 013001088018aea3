"""Moving: export, import, and transfers between repositories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .. import transfer as transfers
from ..datasets import DatasetRef
from ..dimensions import UNIVERSE, DataCoordinate
from ..errors import ArtifactMissingError, ButlerUserError
from ..user_paths import checked_path
from .reading import ReadingButler

__all__ = ["MovingButler"]

_Path = str | os.PathLike[str]


class MovingButler(ReadingButler):
    """The part of the butler that moves datasets between repositories."""

    @contextmanager
    def export(
        self,
        *,
        directory: _Path | None = None,
        filename: _Path | None = None,
        format: str | None = None,
        transfer: str | None = None,
    ) -> Iterator[transfers.RepositoryExport]:
        """Export what a block saves; the file is written at its end, unless the block fails.

        Parameters
        ----------
        directory
            Where files go; a relative `filename` lies there, too.
        filename
            The export file; ``export.yaml`` in the directory if not given.
        format
            ``yaml``, which there is only.
        transfer
            ``copy``, ``link``, ``hardlink``, ``symlink`` or ``relsymlink`` files into the directory;
            ``direct``: name them where they are, absolutely; None: the same, relative to the repository.

        Raises
        ------
        ButlerUserError
            Raised if neither directory nor filename is given, or something cannot be written.
        ArtifactMissingError
            Raised if the file of a dataset is gone.
        """
        if directory is None and filename is None:
            raise ButlerUserError("an export needs a directory or a filename")
        _check_format(format)
        folder = None if directory is None else checked_path(directory)
        target = (folder or Path()) / checked_path(filename or transfers.DEFAULT_NAME)
        if not target.name:
            raise ButlerUserError(f"{target} is no name of a file")
        export = transfers.RepositoryExport(self.registry, self.datastore, folder, transfer)
        yield export
        export.write(target)

    def import_(
        self,
        *,
        directory: _Path | None = None,
        filename: _Path | TextIO | None = None,
        format: str | None = None,
        transfer: str | None = None,
        skip_dimensions: Iterable[str] | None = None,
        without_datastore: bool = False,
    ) -> transfers.ImportReport:
        """Import an export of ours or LSST's, whole or not at all.

        Dimension records that exist are kept as they are, even if the file's differ; datasets that exist
        under the same UUID are left alone; chains get the children that they have in the file.

        Parameters
        ----------
        directory
            Where the export and its files lie.
        filename
            The export file, looked for in the directory and then in the current one, or an open one;
            ``export.yaml`` if not given.
        format
            ``yaml``, which there is only.
        transfer
            How files come, as for `Butler.ingest`; None: they are in their places in this repository already.
        skip_dimensions
            Dimension elements whose records are left out.
        without_datastore
            Whether to register the datasets without their files.

        Returns
        -------
        report
            What was new, and which records differ.

        Raises
        ------
        FileNotFoundError
            Raised if there is no such file.
        FileFormatError
            Raised if the export or a data file is broken.
        ConflictingDefinitionError
            Raised if something exists with another definition.
        DataIdValueError
            Raised if a dimension record is missing.
        """
        self.registry.database.require_writeable()
        _check_format(format)
        folder = None if directory is None else checked_path(directory)
        skipped = [UNIVERSE[name].name for name in skip_dimensions or ()]
        return transfers.import_contents(
            self._writer,
            _read(filename or transfers.DEFAULT_NAME, folder),
            directory=folder,
            transfer=transfer,
            skip_dimensions=skipped,
            without_datastore=without_datastore,
        )

    def transfer_from(
        self,
        source_butler: ReadingButler,
        source_refs: Iterable[DatasetRef],
        transfer: str = "copy",
        skip_missing: bool = True,
        register_dataset_types: bool = False,
        transfer_dimensions: bool = False,
        dry_run: bool = False,
    ) -> list[DatasetRef]:
        """Bring datasets of another repository in, with their UUIDs; those that are here already stay.

        Parameters
        ----------
        source_butler
            Where they are.
        source_refs
            The datasets.
        transfer
            How files come, as for `Butler.ingest`, but not ``move``; ``direct``: they stay in the other
            repository.
        skip_missing
            Whether datasets without a file stay behind; if not, they are registered without one.
        register_dataset_types, transfer_dimensions
            Whether dataset types, and dimension records with all they refer to, come too.
        dry_run
            Whether to change nothing, and only say what would come.

        Returns
        -------
        refs
            The datasets, also those that were here before.

        Raises
        ------
        MissingDatasetTypeError
            Raised if a dataset type is missing here and may not be registered.
        DataIdValueError
            Raised if a dimension record is missing here and may not come.
        ConflictingDefinitionError
            Raised if a dataset is here under another UUID, or something exists with another definition.
        """
        self.registry.database.require_writeable()
        arrivals = transfers.departures(
            source_butler.registry, source_butler.datastore, source_refs, skip_missing=skip_missing
        )
        transfers.settle(
            self._writer,
            source_butler.registry,
            arrivals,
            transfer=transfer,
            register_dataset_types=register_dataset_types,
            transfer_dimensions=transfer_dimensions,
            dry_run=dry_run,
        )
        return [arrival.ref for arrival in arrivals]

    def transfer_dimension_records_from(
        self, source_butler: ReadingButler, source_refs: Iterable[DatasetRef | DataCoordinate]
    ) -> None:
        """Bring the dimension records of datasets or data IDs in, with all they refer to.

        Records that are here already stay as they are.

        Parameters
        ----------
        source_butler
            Where they are.
        source_refs
            Datasets or data IDs of that repository.

        Raises
        ------
        DataIdValueError
            Raised if a dimension has no record there.
        """
        closure = transfers.RecordClosure(source_butler.registry)
        for source in source_refs:
            closure.add_data_id(source.dataId if isinstance(source, DatasetRef) else source)
        transfers.take_in_records(self.registry, closure.records)


def _check_format(format: str | None) -> None:
    if format not in (None, "yaml"):
        raise ButlerUserError(f"an export is written in YAML, not in {format!r}")


def _read(filename: _Path | TextIO, directory: Path | None) -> transfers.ExportContents:
    """Read an export file, given by name or open."""
    if isinstance(filename, str | os.PathLike):
        given = checked_path(filename)
        here = [] if directory is None else [directory / given]
        try:
            path = next((p for p in (*here, given) if p.is_file()), None)
        except OSError as error:
            raise ButlerUserError(f"cannot read {given}: {error.strerror}") from error
        if path is None:
            raise ArtifactMissingError(
                f"no export file {' or '.join(map(str, dict.fromkeys([*here, given])))}"
            )
        try:
            with path.open(encoding="utf-8") as stream:
                return transfers.read_export(stream, str(path))
        except OSError as error:
            raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
    return transfers.read_export(filename, str(getattr(filename, "name", "the stream")))
