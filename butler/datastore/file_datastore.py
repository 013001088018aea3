"""FileDatastore: the files of datasets, in a store and around it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..datasets import STORAGE_CLASSES, DatasetRef, DatasetType, StorageClass
from ..errors import ArtifactMissingError, ButlerUserError, FileFormatError
from ..formatters import (
    NO_COMPRESSION,
    ByteSource,
    ContentFormatter,
    FileLayout,
    Formatter,
    LocalFile,
    ReadRequest,
    formatter_for,
    get_formatter,
)
from ..handles import check_request
from ..registry import FileRecord
from ..user_paths import checked_path
from .bringing import bring_file, copy_bytes
from .contract import PendingFile, Store
from .file_cache import FileCache
from .flushing import flush
from .local_store import temporary_name
from .object_store import ObjectStore
from .paths import is_outside, is_owned, is_url, key_of
from .remote import CHUNK_SIZE, RemoteFile
from .staged_file import StagedFile
from .template_set import TemplateSet

__all__ = ["UNKNOWN_SIZE", "FileDatastore", "StoredDataset", "checksum_of"]

UNKNOWN_SIZE = -1
"""Recorded size of a file that was not looked at."""


@dataclass(frozen=True)
class FileDatastore:
    """Writes, reads and removes the files of datasets; knows no registry.

    Parameters
    ----------
    store
        Where new files go.
    templates
        Which paths they get.
    checksum
        Whether to compute SHA-256 sums of written files; ``all``: also of those that stay where they are.
    cache
        Where copies of files at other places go.
    compression
        Recipes for the pixels of dataset types, by name; those of others are written as they are.
    """

    store: Store
    templates: TemplateSet = field(default_factory=TemplateSet)
    checksum: bool | Literal["all"] = True
    cache: FileCache = field(default_factory=FileCache.from_environment)
    compression: Mapping[str, str] = field(default_factory=dict)

    def path_for(self, ref: DatasetRef, formatter: Formatter | None = None) -> str:
        """Return the path, relative to the root, that a dataset gets if it is free."""
        chosen = formatter or formatter_for(ref.datasetType.storageClass)
        return self.templates.path_of(ref, chosen.extension)

    def locate(self, path: str) -> str:
        """Return the local path or URL that a recorded path means.

        Raises
        ------
        TemplateError
            Raised if a relative path would leave the root.
        """
        if is_outside(path):
            return path
        return self.store.locate(key_of(path))

    def source(self, record: FileRecord) -> ByteSource:
        """Return the bytes of a stored file; nothing is looked up yet.

        Raises
        ------
        TemplateError
            Raised if a relative path would leave the root.
        """
        size = None if record.size == UNKNOWN_SIZE else record.size
        if is_outside(record.path):
            return self.outside(record.path, size, record.checksum)
        return self.store.source(key_of(record.path), size, record.checksum)

    def outside(self, place: str, size: int | None = None, checksum: str | None = None) -> ByteSource:
        """Return the bytes of a file that is named in full.

        Parameters
        ----------
        place
            Local path or URL; one of the store's kind is reached with the options of the store.
        size, checksum
            What is known of it.
        """
        if not is_url(place):
            return LocalFile(checked_path(place))
        options: Mapping[str, Any] = {}
        if isinstance(self.store, ObjectStore) and self.store.scheme == place.partition("://")[0]:
            options = self.store.options
        return RemoteFile(place, options, self.cache, size, checksum)

    def size(self, path: str) -> int | None:
        """Return how many bytes there are under a recorded path, None if there is nothing.

        Raises
        ------
        TemplateError
            Raised if a relative path would leave the root.
        ButlerUserError
            Raised if the system refuses to tell.
        """
        try:
            if is_outside(path):
                return self.outside(path).size()
            return self.store.size(key_of(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ButlerUserError(f"cannot look at {self.locate(path)}: {error.strerror or error}") from error

    def stage(self, obj: Any, ref: DatasetRef, *, settle: bool = True) -> StagedFile:
        """Write an object to a file that waits for its rows.

        Parameters
        ----------
        obj
            The object.
        ref
            The dataset, with an expanded data ID.
        settle
            Whether the file would survive a loss of power; if not, `settle_files` is for the caller.

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
        recipe = self.compression.get(ref.datasetType.name, NO_COMPRESSION)
        path = self.path_for(ref, formatter)
        with self._telling(path, "write"):
            if recipe == NO_COMPRESSION and isinstance(formatter, ContentFormatter):
                staged = self._save(formatter.content(obj), path, formatter)
            else:
                staged = self._write(obj, path, formatter, recipe)
            return self._settled(staged) if settle else staged

    def sweep(
        self, refs: Iterable[DatasetRef], taken: Callable[[Sequence[str]], Set[str]] | None = None
    ) -> int:
        """Remove what writers of datasets have left that died, as far as the store knows it.

        Parameters
        ----------
        refs
            The datasets; nobody writes them now.
        taken
            Returns those of some paths that the registry knows. Without it a file that had got its final
            path is left where it is.

        Returns
        -------
        count
            How many files are gone.
        """
        found = list(self.store.leftovers(map(self.path_for, refs)))
        published = [path for leftover in found for path in leftover.published]
        owned = taken(published) if taken and published else frozenset()
        count = 0
        for leftover in found:
            if leftover.published and taken is None:
                continue
            # The temporary path comes last: it is what tells of the others.
            for path in leftover.published:
                if path not in owned:
                    self.store.remove(path)
            self.store.remove(leftover.temporary)
            count += owned.isdisjoint(leftover.published)
        return count

    @property
    def sums_all(self) -> bool:
        """Whether files that stay where they are get a checksum, too."""
        return self.checksum == "all"

    def is_made_in_memory(self, ref: DatasetRef) -> bool:
        """Tell whether the file of a dataset is so small that it is made before it is written."""
        is_plain = self.compression.get(ref.datasetType.name, NO_COMPRESSION) == NO_COMPRESSION
        return is_plain and isinstance(formatter_for(ref.datasetType.storageClass), ContentFormatter)

    def _save(self, content: bytes, path: str, formatter: Formatter) -> StagedFile:
        new = self.store.save(path, content)
        checksum = hashlib.sha256(content).hexdigest() if self.checksum else None
        record = FileRecord(new.final, formatter.name, len(content), checksum)
        return StagedFile(record, self.store, new.temporary, folders=new.folders)

    def _write(self, obj: Any, path: str, formatter: Formatter, recipe: str) -> StagedFile:
        with self.store.write(path) as pending:
            if recipe == NO_COMPRESSION:
                formatter.write(obj, pending.local)
            else:
                formatter.write_compressed(obj, pending.local, recipe)
            source = LocalFile(pending.local, self.store.locate(pending.final))
            record = self.record_of(source, pending.final, formatter)
        return StagedFile(record, self.store, pending.temporary, folders=pending.folders)

    def _settled(self, staged: StagedFile) -> StagedFile:
        with ExitStack() as undo:
            undo.callback(staged.discard)
            self.store.settle([staged.temporary, *staged.folders])
            undo.pop_all()
        return replace(staged, is_settled=True)

    @contextmanager
    def writing(self, path: str, doing: str) -> Iterator[PendingFile]:
        """Run a block that writes a file for a path of the store, and say what the system said.

        Parameters
        ----------
        path
            Relative to the root.
        doing
            What is done to that path, for messages.
        """
        with self._telling(path, doing), self.store.write(path) as pending:
            yield pending

    @contextmanager
    def _telling(self, path: str, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, ButlerUserError):
                raise
            raise ButlerUserError(
                f"cannot {doing} {self.store.locate(path)}: {error.strerror or error}"
            ) from error

    def record_of(
        self,
        source: ByteSource,
        path: str,
        formatter: Formatter,
        *,
        is_written: bool = True,
        layout: str | None = None,
    ) -> FileRecord:
        """Return what the registry shall know of a file.

        Parameters
        ----------
        source
            Its bytes.
        path
            The path to record.
        formatter
            What reads it.
        is_written
            Whether it was written for the datastore; if not, somebody's file stays where it is.
        layout
            Where its pixels lie, as text, if it is known already.

        Raises
        ------
        FileFormatError
            Raised if the file is broken.
        """
        if layout is None:
            found = formatter.layout(source)
            layout = None if found is None else found.to_json()
        return FileRecord(
            path=path,
            formatter=formatter.recorded_name,
            size=source.size(),
            checksum=checksum_of(source) if self.checksum and (is_written or self.sums_all) else None,
            layout=layout,
        )

    def send(self, record: FileRecord, target: Path, transfer: str) -> None:
        """Bring a stored file out of the repository; an older file in its place is replaced.

        Parameters
        ----------
        record
            The file.
        target
            The name it gets.
        transfer
            One of `LINK_MODES`; only ``copy`` for a file that is not local.

        Raises
        ------
        ArtifactMissingError
            Raised if the file is gone.
        ButlerUserError
            Raised if the target cannot be written.
        """
        source = self.source(record)
        temporary = temporary_name(target)
        try:
            source.size()
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, LocalFile):
                bring_file(source.path, temporary, transfer)
            elif transfer == "copy":
                copy_bytes(source, temporary)
            else:
                raise ButlerUserError(f"cannot {transfer} {source}: it is no local file; copy it")
            if transfer == "copy":
                flush(temporary)
            temporary.replace(target)
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"the file {source} is registered but gone; see `butler verify`"
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise ButlerUserError(f"cannot {transfer} {source} to {target}: {reason}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

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
        return StoredDataset(self, record, STORAGE_CLASSES[dataset_type.storageClass_name], component)

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
        if component is not None or given:
            check_request(storage_class, component, given)
        source = self.source(record)
        try:
            size = source.size()
            if record.size not in (size, UNKNOWN_SIZE):
                raise FileFormatError(
                    f"{source} has {size} bytes, it had {record.size} when it was stored; see `butler verify`"
                )
            layout = None if record.layout is None else FileLayout.from_json(record.layout)
            request = ReadRequest(storage_class, component, given, layout)
            return get_formatter(record.formatter).read(source, request)
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"the file {source} is registered but gone; `butler verify --repair` removes such entries"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot read {source}: {error.strerror or error}") from error

    def condemn(self, record: FileRecord) -> str | None:
        """Mark a file that loses its row; return the mark, if one is needed. See `Store.condemn`."""
        if not is_owned(record.path):
            return None
        with suppress(FileNotFoundError):
            return self.store.condemn(key_of(record.path))
        return None

    def pardon(self, mark: str) -> None:
        """Take back the mark of a file that keeps its row."""
        self.store.remove(mark)

    def remove(self, record: FileRecord, mark: str | None = None) -> None:
        """Remove a file, if it belongs to the repository, and then its mark; what is used in place stays."""
        if is_owned(record.path):
            self.store.remove(key_of(record.path))
        if mark is not None:
            self.store.remove(mark)


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


def checksum_of(source: ByteSource) -> str:
    """Return the SHA-256 sum of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    size = source.size()
    for begin in range(0, size, CHUNK_SIZE):
        digest.update(source.read_ranges([(begin, min(begin + CHUNK_SIZE, size))])[0])
    return digest.hexdigest()
