"""FileDatastore: the bytes of datasets, in files below one root."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..datasets import DatasetRef, DatasetType, StorageClass
from ..errors import ArtifactMissingError, ButlerUserError, FileFormatError, TemplateError
from ..formatters import (
    NO_COMPRESSION,
    FileLayout,
    Formatter,
    LocalFile,
    ReadRequest,
    formatter_for,
    get_formatter,
)
from ..handles import check_request
from ..registry import FileRecord
from .bringing import LINK_MODES, bring_file, flush
from .templates import FileTemplate

__all__ = ["TRANSFER_MODES", "FileDatastore", "StagedFile", "StoredDataset"]

TRANSFER_MODES: Final = ("auto", "move", *LINK_MODES, "direct")
"""How `FileDatastore.stage_file` brings files in."""
PART_SUFFIX: Final = ".part"
"""End of the names of files that are not complete."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A complete file that waits under a temporary name.

    Parameters
    ----------
    temporary
        The name it has; None for a file that stays where it is.
    final
        The name it gets.
    record
        What the registry will know about it.
    moved_from
        The file that it takes the place of, if any.
    """

    temporary: Path | None
    final: Path
    record: FileRecord
    moved_from: Path | None = None

    def publish(self) -> None:
        """Give the file its final name; under the lock of a transaction, so that no other can take it.

        It keeps the temporary one, too, until `finish`: a kill before the commit leaves both, by which
        `verify` knows what nobody owns even in the directory of a run that was never registered.

        Raises
        ------
        TemplateError
            Raised if another dataset has taken the name since this one was staged.
        ArtifactMissingError
            Raised if somebody has removed the file since it was staged.
        ButlerUserError
            Raised if the system refuses.
        """
        if self.temporary is None:
            return
        try:
            _add_name(self.temporary, self.final)
        except FileExistsError as error:
            raise TemplateError(
                f"two datasets have the path {self.final}; add a dimension to the template"
            ) from error
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"the staged file {self.temporary} is gone; repair only while nothing else writes"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot write {self.final}: {error.strerror or error}") from error

    def discard(self) -> None:
        """Remove the file before it is published."""
        if self.temporary is not None:
            self.temporary.unlink(missing_ok=True)

    def finish(self) -> None:
        """Remove the temporary name, and what the file takes the place of; once nothing can be undone."""
        self.discard()
        if self.moved_from is not None:
            self.moved_from.unlink(missing_ok=True)

    def retract(self) -> None:
        """Remove the file after it was published."""
        if self.temporary is not None:
            self.final.unlink(missing_ok=True)
            self.discard()


@dataclass(frozen=True)
class FileDatastore:
    """Writes, reads and removes files; knows no registry.

    Parameters
    ----------
    root
        Root directory of the repository.
    templates
        Path templates by dataset type name; ``default`` for the others.
    checksum
        Whether to compute SHA-256 sums of written files.
    compression
        Recipes for the pixels of dataset types, by name; those of others are written as they are.
    """

    root: Path
    templates: Mapping[str, FileTemplate] = field(default_factory=dict)
    checksum: bool = True
    compression: Mapping[str, str] = field(default_factory=dict)

    def path_for(self, ref: DatasetRef, formatter: Formatter | None = None) -> str:
        """Return the path, relative to the root, that a dataset gets."""
        name = ref.datasetType.name
        template = self.templates.get(name) or self.templates.get("default") or FileTemplate()
        chosen = formatter or formatter_for(ref.datasetType.storageClass)
        return template.format(ref, chosen.extension)

    def resolve(self, path: str) -> Path:
        """Return the place of a recorded path.

        Raises
        ------
        TemplateError
            Raised if a relative path would leave the root.
        """
        if os.path.isabs(path):  # noqa: PTH117 (a text, not a Path)
            return Path(path)
        if ".." in path.split("/"):
            raise TemplateError(f"the recorded path {path!r} leaves the repository {self.root}")
        return self.root / path

    def stage(self, obj: Any, ref: DatasetRef) -> StagedFile:
        """Write an object to a temporary file next to its final place, flushed to disk.

        Raises
        ------
        StorageClassError
            Raised if the object does not fit the storage class.
        ButlerUserError
            Raised if the file cannot be written.
        """
        storage_class = ref.datasetType.storageClass
        formatter = formatter_for(storage_class)
        obj = storage_class.coerce_type(obj)
        relative, final = self._place(ref, formatter)
        temporary = _temporary_name(final)
        with _staging(temporary, f"cannot write {final}"):
            final.parent.mkdir(parents=True, exist_ok=True)
            recipe = self.compression.get(ref.datasetType.name, NO_COMPRESSION)
            if recipe == NO_COMPRESSION:
                formatter.write(obj, temporary)
            else:
                formatter.write_compressed(obj, temporary, recipe)
            flush(temporary)
            return StagedFile(temporary, final, self._record(temporary, relative, formatter))

    def stage_file(self, source: Path, ref: DatasetRef, formatter: Formatter, transfer: str) -> StagedFile:
        """Bring a file into the repository under a temporary name.

        Parameters
        ----------
        source
            The file.
        ref
            What it holds.
        formatter
            What reads it.
        transfer
            One of `LINK_MODES`; ``direct``: the file stays where it is, and is never removed; ``move``: it
            is removed once the dataset is registered; ``auto``: ``direct`` for a file in the repository,
            else ``link``.

        Raises
        ------
        ButlerUserError
            Raised for another transfer mode, or if the file cannot be brought in.
        FileFormatError
            Raised if the file is broken.
        """
        if transfer not in TRANSFER_MODES:
            raise ButlerUserError(f"transfer is one of {', '.join(TRANSFER_MODES)}, not {transfer!r}")
        if not source.is_file():
            raise ArtifactMissingError(f"no file {source}")
        if transfer == "auto":
            inside = source.resolve().is_relative_to(self.root.resolve())
            transfer = "direct" if inside else "link"
        if transfer == "direct":
            return StagedFile(None, source, self._record(source, str(source.resolve()), formatter))
        relative, final = self._place(ref, formatter)
        temporary = _temporary_name(final)
        with _staging(temporary, f"cannot {transfer} {source} to {final}"):
            final.parent.mkdir(parents=True, exist_ok=True)
            bring_file(source, temporary, "copy" if transfer == "move" else transfer)
            record = self._record(temporary, relative, formatter)
            return StagedFile(temporary, final, record, source if transfer == "move" else None)

    def stage_in_place(self, path: str, formatter: Formatter) -> StagedFile:
        """Take a file that lies below the root as it is.

        Parameters
        ----------
        path
            Relative to the root.
        formatter
            What reads it.

        Raises
        ------
        TemplateError
            Raised if the path is not that of a file in a folder below the root.
        ArtifactMissingError
            Raised if there is no such file.
        """
        place = self.resolve(path)
        relative = Path(path)
        # In the root itself lie the registry and the configuration.
        if relative.is_absolute() or len(relative.parts) < 2 or relative.as_posix() != path:
            raise TemplateError(f"{path!r} is no path of a file in a folder of the repository {self.root}")
        if not place.is_file():
            raise ArtifactMissingError(f"no file {place}")
        return StagedFile(None, place, self._record(place, path, formatter))

    def send(self, record: FileRecord, target: Path, transfer: str) -> None:
        """Bring a stored file out of the repository; an older file in its place is replaced.

        Parameters
        ----------
        record
            The file.
        target
            The name it gets.
        transfer
            One of `LINK_MODES`.

        Raises
        ------
        ArtifactMissingError
            Raised if the file is gone.
        ButlerUserError
            Raised if the target cannot be written.
        """
        source = self.resolve(record.path)
        if not source.is_file():
            raise ArtifactMissingError(f"the file {source} is registered but gone; see `butler verify`")
        temporary = _temporary_name(target)
        with _staging(temporary, f"cannot {transfer} {source} to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            bring_file(source, temporary, transfer)
            temporary.replace(target)

    def _place(self, ref: DatasetRef, formatter: Formatter) -> tuple[str, Path]:
        """Return the path for a dataset, with its UUID if the plain one is taken.

        Taken by a file that a kill left, or by a dataset whose values differ only in characters that have
        no place in file names.
        """
        relative = self.path_for(ref, formatter)
        if os.path.lexists(self.resolve(relative)):
            relative = f"{relative.removesuffix(formatter.extension)}_{ref.id}{formatter.extension}"
        return relative, self.resolve(relative)

    def _record(self, path: Path, recorded: str, formatter: Formatter) -> FileRecord:
        layout = formatter.layout(LocalFile(path))
        return FileRecord(
            path=recorded,
            formatter=formatter.name,
            size=path.stat().st_size,
            checksum=file_checksum(path) if self.checksum else None,
            layout=None if layout is None else layout.to_json(),
        )

    def stored(self, record: FileRecord, dataset_type: DatasetType, component: str | None) -> StoredDataset:
        """Return the reader of one dataset whose file is known.

        Parameters
        ----------
        record
            Its file.
        dataset_type
            Dataset type of the whole.
        component
            Component that is meant; None for the whole.
        """
        return StoredDataset(self, record, dataset_type.storageClass, component)

    def read(
        self,
        record: FileRecord,
        storage_class: StorageClass,
        component: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read a stored dataset or a part of it.

        Raises
        ------
        ArtifactMissingError
            Raised if the file is gone.
        FileFormatError
            Raised if it is broken, or not as long as when it was stored.
        ButlerUserError
            Raised if the system refuses to read it.
        """
        given = dict(parameters or {})
        check_request(storage_class, component, given)
        path = self.resolve(record.path)
        try:
            size = path.stat().st_size
            if size != record.size:
                raise FileFormatError(
                    f"{path} has {size} bytes, it had {record.size} when it was stored; see `butler verify`"
                )
            layout = None if record.layout is None else FileLayout.from_json(record.layout)
            request = ReadRequest(storage_class, component, given, layout)
            return get_formatter(record.formatter).read(LocalFile(path), request)
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"the file {path} is registered but gone; `butler verify --repair` removes such entries"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot read {path}: {error.strerror or error}") from error

    def remove(self, record: FileRecord) -> None:
        """Remove a file, if it belongs to the repository; what was ingested in place stays."""
        if not os.path.isabs(record.path):  # noqa: PTH117 (a text, not a Path)
            self.resolve(record.path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """Reads one dataset without asking the registry again."""

    datastore: FileDatastore
    record: FileRecord
    storage_class: StorageClass
    component: str | None = None

    def read(self, ref: DatasetRef, component: str | None, parameters: Mapping[str, Any]) -> Any:
        """Read the dataset or a part of it; see `FileDatastore.read`."""
        if component and self.component:
            self.storage_class.component(self.component).component(component)
        return self.datastore.read(self.record, self.storage_class, component or self.component, parameters)


def file_checksum(path: Path) -> str:
    """Return the SHA-256 sum of a file in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_temporary(path: Path) -> bool:
    """Tell whether a file has the name of one that is not complete."""
    return bool(re.fullmatch(r"\..+\.[0-9a-f]{32}" + re.escape(PART_SUFFIX), path.name))


def _temporary_name(final: Path) -> Path:
    return final.with_name(f".{final.name[:150]}.{uuid.uuid4().hex}{PART_SUFFIX}")


def _add_name(temporary: Path, final: Path) -> None:
    """Give a file a second name, or, on a file system without hard links, another one."""
    try:
        os.link(temporary, final, follow_symlinks=False)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        if os.path.lexists(final):
            raise FileExistsError(final) from None
        temporary.replace(final)


@contextmanager
def _staging(temporary: Path, message: str) -> Iterator[None]:
    """Remove a temporary file if its making fails, and say what the system said."""
    try:
        yield
    except BaseException as error:
        # Where its directory could not be made there is nothing to remove.
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, ButlerUserError):
            raise ButlerUserError(f"{message}: {error.strerror or error}") from error
        raise
