"""Repository: the butler.yaml that says where registry and files are."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .datastore import DEFAULT_TEMPLATE, FileTemplate
from .errors import ButlerUserError, FileFormatError, RepositoryNotFoundError
from .safe_yaml import load_yaml

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
        Path templates by dataset type; ``default`` for the others.
    checksum
        Whether written files get a SHA-256 sum.
    compression
        How the pixels of a dataset type are written: ``lossless`` or ``lossy16``; as they are if not named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(default=1, ge=1, le=1)
    registry: str = Field(default=_REGISTRY, pattern=r"^[A-Za-z0-9_\-]+\.sqlite3$")
    templates: dict[str, str] = Field(default_factory=lambda: {"default": DEFAULT_TEMPLATE})
    checksum: bool = True
    compression: dict[str, Literal["noCompression", "lossless", "lossy16"]] = Field(default_factory=dict)

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
            return cls.model_validate(load_yaml(content, str(path)))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise FileFormatError(f"{path}: {where or 'content'}: {fault['msg']}") from error

    def save(self, root: Path) -> None:
        """Write the file of a repository, whole or not at all."""
        temporary = root / f".{CONFIG_NAME}.part"
        temporary.write_text(yaml.safe_dump(self.model_dump(), sort_keys=False), encoding="utf-8")
        temporary.replace(root / CONFIG_NAME)

    def file_templates(self) -> dict[str, FileTemplate]:
        """Return the path templates, checked."""
        return {name: FileTemplate(pattern) for name, pattern in self.templates.items()}
