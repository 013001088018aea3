"""Repository: the butler.yaml that says where registry and files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .datastore import DEFAULT_TEMPLATE, DatastoreConfig, FileCache, FileDatastore, LocalStore, TemplateSet
from .errors import ButlerUserError, FileFormatError, RepositoryNotFoundError

__all__ = ["CONFIG_NAME", "RepositoryConfig"]

CONFIG_NAME: Final = "butler.yaml"
_REGISTRY: Final = "gen3.sqlite3"


class RepositoryConfig(BaseModel):
    """What ``butler.yaml`` holds: plain values, no code, no credentials.

    Parameters
    ----------
    version
        Version of this file's form.
    registry
        Name of the SQLite file, relative to the repository.
    templates
        Path templates by dataset type, dimensions (``visit+detector``) or storage class; ``default`` for the
        others; under ``instrument<NAME>`` those of one instrument.
    datastore
        Where files are, if not in the directory of the repository; a text is its root.
    checksum
        Whether written files get a SHA-256 sum.
    compression
        How the pixels of a dataset type are written: ``lossless`` or ``lossy16``; as they are if not named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(default=1, ge=1, le=1)
    registry: str = Field(default=_REGISTRY, pattern=r"^[A-Za-z0-9_\-]+\.sqlite3$")
    templates: dict[str, str | dict[str, str]] = {"default": DEFAULT_TEMPLATE}
    datastore: DatastoreConfig | None = None
    checksum: bool = True
    compression: dict[str, Literal["noCompression", "lossless", "lossy16"]] = Field(default_factory=dict)

    @field_validator("datastore", mode="before")
    @classmethod
    def _read_root(cls, value: Any) -> Any:
        return {"root": value} if isinstance(value, str) else value

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the file of a repository.

        Raises
        ------
        RepositoryNotFoundError
            Raised if there is none.
        ButlerUserError
            Raised if it cannot be read.
        FileFormatError
            Raised if it is not understood.
        """
        path = root / CONFIG_NAME
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RepositoryNotFoundError(
                f"no repository at {root}: there is no {CONFIG_NAME}; make one with `butler create {root}`"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
        try:
            return cls.model_validate(yaml.safe_load(content))
        except yaml.YAMLError as error:
            raise FileFormatError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise FileFormatError(f"{path}: {where or 'content'}: {fault['msg']}") from error

    def save(self, root: Path) -> None:
        """Write the file of a repository, whole or not at all."""
        temporary = root / f".{CONFIG_NAME}.part"
        temporary.write_text(
            yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False), encoding="utf-8"
        )
        temporary.replace(root / CONFIG_NAME)

    def file_datastore(self, root: Path, *, writeable: bool) -> FileDatastore:
        """Return the datastore.

        Parameters
        ----------
        root
            Directory of the repository.
        writeable
            Whether files shall be written and removed.

        Raises
        ------
        RepositoryCorruptionError
            Raised if files are elsewhere, and the place is not marked as that of this repository.
        ButlerUserError
            Raised if the place cannot be reached.
        """
        templates = TemplateSet.from_patterns(self.templates)
        if self.datastore is None:
            return FileDatastore(LocalStore(root), templates, self.checksum, compression=self.compression)
        store = self.datastore.store(root)
        if writeable:
            try:
                self.datastore.require_own(store)
            except OSError as error:
                raise ButlerUserError(
                    f"cannot reach {store.locate('')}: {error.strerror or error}"
                ) from error
        cache = FileCache.from_environment(self.datastore.cache_size)
        return FileDatastore(store, templates, self.checksum, cache, self.compression)

    def claimed(self, root: Path) -> Self:
        """Return the settings of a repository that is being made, its datastore marked as its own.

        Raises
        ------
        RepositoryExistsError
            Raised if the datastore is another repository's.
        ButlerUserError
            Raised if it cannot be written.
        """
        if self.datastore is None:
            return self
        store = self.datastore.store(root)
        try:
            return self.model_copy(update={"datastore": self.datastore.claim(store)})
        except OSError as error:
            if isinstance(error, ButlerUserError):
                raise
            raise ButlerUserError(f"cannot write {store.locate('')}: {error.strerror or error}") from error
