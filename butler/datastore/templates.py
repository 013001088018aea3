"""Path templates: where in the repository the file of a dataset goes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from ..datasets import DatasetRef
from ..dimensions import UNIVERSE
from ..errors import TemplateError, did_you_mean

__all__ = ["DEFAULT_TEMPLATE", "FileTemplate", "safe_path"]

DEFAULT_TEMPLATE: Final = (
    "{run:/}/{datasetType}/{tract:?}/{patch:?}/{day_obs:?}/{band:?}/{visit|exposure:?}/"
    "{datasetType}_{instrument:?}_{skymap:?}_{tract:?}_{patch:?}_{band:?}_{physical_filter:?}"
    "_{visit:?}_{exposure:?}_{detector:?}_{run}"
)
"""LSST's default order of directories, then every data ID value in the file name."""

_FIELD: Final = re.compile(r"\{([a-z_A-Z|]+)(?::(\??)(/?))?\}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.,+\-=@~^_]")
_KNOWN: Final = frozenset({"datasetType", "run", "id", *UNIVERSE.names})
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class FileTemplate:
    """A pattern ``{name}`` of dataset type, run and data ID values.

    ``{a|b}`` takes the first that the data ID has; ``{name:?}`` may be absent, and then takes the
    literal before it along unless that has a slash; ``{name:/}`` keeps the slashes of the value.

    Parameters
    ----------
    pattern
        The template.

    Raises
    ------
    TemplateError
        Raised if the pattern could leave the repository, or two runs could share a file, or if it has
        unknown fields or characters that have no place in file names.
    """

    pattern: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        rest = _FIELD.sub("", self.pattern)
        if strange := _UNSAFE.search(rest.replace("/", "")):
            raise TemplateError(f"cannot read {strange[0]!r} in the path template {self.pattern!r}")
        if ".." in rest.split("/") or self.pattern.startswith("/"):
            raise TemplateError(f"the path template {self.pattern!r} must stay inside the repository")
        names = {name for match in _FIELD.finditer(self.pattern) for name in match[1].split("|")}
        for name in sorted(names - _KNOWN):
            raise TemplateError(
                f"no field {name!r} for the path template {self.pattern!r}{did_you_mean(name, _KNOWN)}"
            )
        if not {"run", "id"} & names:
            raise TemplateError(f"the path template {self.pattern!r} needs {{run}} or {{id}}")

    def format(self, ref: DatasetRef, extension: str) -> str:
        """Return the path of a dataset, relative to the root of the repository.

        Parameters
        ----------
        ref
            The dataset; values beyond the required ones are used if its data ID has them.
        extension
            End of the file name.

        Raises
        ------
        TemplateError
            Raised if a value is missing that the template does not mark as optional.
        """
        values = {
            **{key: str(value) for key, value in ref.dataId.items()},
            "datasetType": ref.datasetType.name,
            "run": ref.run,
            "id": str(ref.id),
        }
        text, end = "", 0
        for match in _FIELD.finditer(self.pattern):
            literal = self.pattern[end : match.start()]
            end = match.end()
            value = next((values[name] for name in match[1].split("|") if name in values), None)
            if value is None:
                if not match[2]:
                    raise TemplateError(f"{ref} has no {match[1]} for the path template {self.pattern!r}")
                text += literal if "/" in literal else ""
                continue
            text += literal + (safe_path(value) if match[3] else _safe(value))
        return _with_extension(text + self.pattern[end:], extension, ref)


def _with_extension(text: str, extension: str, ref: DatasetRef) -> str:
    """Return a clean relative path; a name that is too long for a file system ends in the UUID."""
    # A literal dot next to a value's slash is a part of its own only now.
    *folders, name = [_undotted(part) for part in text.split("/") if part] or [str(ref.id)]
    if len(name) > _MAX_NAME:
        name = f"{name[: _MAX_NAME - 40]}_{ref.id}"
    return "/".join([*map(_short, folders), name + extension])


def _short(folder: str) -> str:
    """Return a directory's name; one that is too long for a file system ends in its checksum."""
    if len(folder) <= _MAX_NAME:
        return folder
    return f"{folder[: _MAX_NAME - 40]}_{hashlib.sha256(folder.encode()).hexdigest()[:32]}"


def _safe(value: str) -> str:
    """Return a value as a part of a file name that has no meaning to any file system."""
    return _undotted(_UNSAFE.sub("_", value))


def _undotted(part: str) -> str:
    """Return a part of a path as it is, unless it is one of those that lead elsewhere."""
    return part if part.strip(".") else part.replace(".", "_")


def safe_path(value: str) -> str:
    """Return a value whose slashes are kept, for example a run, as the directories that it becomes."""
    return "/".join(_safe(part) for part in value.split("/"))
