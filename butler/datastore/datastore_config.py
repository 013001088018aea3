"""DatastoreConfig: where the files of a repository are, if not in its own directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import RepositoryCorruptionError, RepositoryExistsError
from .contract import Store
from .file_cache import DEFAULT_CACHE_SIZE, FileCache
from .local_store import LocalStore
from .memory_store import MemoryStore
from .object_store import ObjectStore
from .paths import is_url, standardized

__all__ = ["IN_MEMORY", "DatastoreConfig", "is_marker"]

IN_MEMORY: Final = "in-memory"
"""Root of a datastore that is gone with its process: for tests."""

_MARKER_NAME: Final = "coadd-butler-datastore.json"
_MARKER: Final = re.compile(r"coadd-butler-datastore(_[0-9a-f]+)?\.json")
_SECRET: Final = re.compile(
    r"(^|_)(key|secret|password|passwd|token|credentials?|user|username|account|sas)(_|$)", re.IGNORECASE
)


class DatastoreConfig(BaseModel):
    """Where files are: a section of ``butler.yaml``.

    Parameters
    ----------
    root
        URL as ``s3://bucket/prefix``, or anything that fsspec knows; a directory; or ``in-memory``.
    options
        Options of the file system, for example ``{"endpoint_url": "https://..."}``. Secrets are refused:
        they come from the environment, or from where the client library looks for them.
    cache_size
        Most bytes of local copies of whole files; ``$BUTLER_CACHE_SIZE`` goes before it.
    marker
        File in the root that says whose it is, so that no two repositories share one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: str
    options: dict[str, Any] = {}
    cache_size: int = Field(default=DEFAULT_CACHE_SIZE, ge=0)
    marker: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_\-]+\.json$")

    @field_validator("root")
    @classmethod
    def _check_root(cls, root: str) -> str:
        if "::" in root or ".." in root.split("/"):
            raise ValueError(f"{root!r} is no URL of a place, and no plain directory")
        if is_url(root):
            parts = urlsplit(root)
            if "@" in parts.netloc or parts.query or parts.fragment:
                raise ValueError("credentials and parameters have no place in the URL of a datastore")
        return standardized(root)

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in _names_in(options):
            if _SECRET.search(name):
                raise ValueError(f"{name!r} has no place in butler.yaml: give credentials in the environment")
        return options

    def store(self, repository: Path) -> Store:
        """Return the store; nothing is looked up yet.

        Parameters
        ----------
        repository
            Directory of the repository, which a relative root counts from.
        """
        if self.root == IN_MEMORY:
            return MemoryStore(str(repository))
        if is_url(self.root):
            return ObjectStore(self.root, self.options, FileCache.from_environment(self.cache_size))
        return LocalStore((repository / self.root).absolute())

    def claim(self, store: Store) -> Self:
        """Mark the root as that of the repository which is being made; return the settings with the mark.

        Raises
        ------
        RepositoryExistsError
            Raised if it is another repository's.
        OSError
            Raised if it cannot be written.
        """
        for file in store.walk():
            if is_marker(file.path):
                raise RepositoryExistsError(
                    f"the datastore {store.locate('')} is another repository's: it is marked with {file.path}"
                )
        with store.write(_MARKER_NAME) as pending:
            pending.local.write_text("{}\n", encoding="utf-8")
        store.publish(pending.temporary, pending.final)
        store.settle([pending.final, *pending.folders])
        if pending.temporary != pending.final:
            store.remove(pending.temporary)
        return self.model_copy(update={"marker": pending.final})

    def require_own(self, store: Store) -> None:
        """Refuse to change a root that is not this repository's.

        Raises
        ------
        RepositoryCorruptionError
            Raised if it does not have the mark.
        OSError
            Raised if it cannot be read.
        """
        if self.marker is None or store.size(self.marker) is None:
            raise RepositoryCorruptionError(
                f"the datastore {store.locate('')} has no mark {self.marker} of this repository: it is gone, "
                "or the wrong one"
            )


def is_marker(path: str) -> bool:
    """Tell whether a path is that of a file which says whose a datastore is."""
    return _MARKER.fullmatch(path) is not None


def _names_in(value: Any) -> Iterator[str]:
    """Yield all keys of nested mappings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names_in(inner)
