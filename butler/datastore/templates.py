"""Path templates: where in the datastore the file of a dataset goes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from ..datasets import DatasetRef
from ..dimensions import UNIVERSE, DimensionGroup
from ..errors import TemplateError, did_you_mean

__all__ = ["DEFAULT_TEMPLATE", "FileTemplate", "safe_path"]

DEFAULT_TEMPLATE: Final = (
    "{run:/}/{datasetType}.{component:?}/{tract:?}/{patch:?}/{day_obs|visit.day_obs|exposure.day_obs:?}/"
    "{band:?}/{subfilter:?}/{physical_filter:?}/{visit:?}/{exposure.obs_id|group:?}/"
    "{datasetType}_{component:?}_{instrument:?}_{tract:?}_{patch:?}_{band:?}_{subfilter:?}_{physical_filter:?}"
    "_{visit:?}_{exposure:?}_{detector:?}_{skymap:?}_{skypix:?}_{run}"
)
"""LSST's default order of directories, then every data ID value in the file name."""

_FIELD: Final = re.compile(r"\{([A-Za-z_][\w|.]*)(?::(\??)(/?)([^{}]*))?\}", re.ASCII)
# Widths have three digits at most: a longer one would be a way to fill the memory.
_FORMAT: Final = re.compile(r"[<>^=]?[+\- ]?0?\d{0,3}(?:\.\d{1,2})?[deEfFgGosxX]?", re.ASCII)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.,+\-=@~^_]")
_SKY_PIXELS: Final = re.compile(r"(htm|healpix)\d{1,2}", re.ASCII)
_WORDS: Final = frozenset({"datasetType", "component", "run", "id", "skypix"})
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class _Field:
    """One ``{...}`` of a template, and the literal before it.

    Parameters
    ----------
    literal
        Text before it.
    names
        Alternatives, each a word, a dimension, or a dimension and a column of its record.
    optional
        Whether it may be absent.
    keeps_slashes
        Whether slashes of its value make directories.
    spec
        Python's format specification.
    """

    literal: str
    names: tuple[str, ...]
    optional: bool
    keeps_slashes: bool
    spec: str

    @property
    def gap(self) -> str:
        """What is left of the literal where there is no value."""
        return self.literal if "/" in self.literal else ""

    def show(self, value: Any) -> str:
        """Return a value as it stands in the path; raises ValueError if it has not this format."""
        if type(value) is int and not self.spec:
            return str(value)
        shown = format(value, self.spec) if self.spec else str(value)
        return safe_path(shown) if self.keeps_slashes else _safe(shown)


@dataclass(frozen=True, slots=True)
class _Step:
    """A field that some datasets can have.

    Parameters
    ----------
    before
        What fields that these datasets lack leave of the literals before them.
    part
        The field.
    name
        The one of its names that is meant.
    place
        Which value of the data ID that is; None if it is none.
    """

    before: str
    part: _Field
    name: str
    place: int | None


@cache
def _parse(pattern: str) -> tuple[tuple[_Field, ...], str]:
    """Return the fields of a pattern, and the text after the last."""
    fields, end = [], 0
    for match in _FIELD.finditer(pattern):
        names, optional, keeps_slashes, spec = match.groups(default="")
        literal = pattern[end : match.start()]
        fields.append(_Field(literal, tuple(names.split("|")), bool(optional), bool(keeps_slashes), spec))
        end = match.end()
    return tuple(fields), pattern[end:]


@lru_cache(maxsize=1024)
def _steps(
    pattern: str, dimensions: DimensionGroup, n_values: int, has_component: bool
) -> tuple[tuple[_Step, ...], str]:
    """Return the fields that datasets can have whose data IDs have some values, and the text after them."""
    keys = dimensions.data_coordinate_keys[:n_values]
    steps, before = [], ""
    parts, end = _parse(pattern)
    for part in parts:
        present = [name for name in part.names if _is_present(name, keys, has_component)]
        name = (present or part.names)[0]
        if _is_lacking(name, keys, has_component) and part.optional:
            before += part.gap
            continue
        steps.append(_Step(before, part, name, keys.index(name) if name in keys else None))
        before = ""
    return tuple(steps), before + end


@dataclass(frozen=True, slots=True)
class FileTemplate:
    """A pattern of dataset type, run, data ID values and columns of their records.

    ``{name}`` is ``datasetType``, ``run``, ``id``, ``component``, ``skypix`` or a dimension;
    ``{visit.name}`` a column of a record; ``{a|b}`` the first whose dimension the data ID has;
    ``{name:?}`` may be absent, and then takes the literal before it along unless that has a slash;
    ``{name:/}`` keeps the slashes of the value; after these may stand a format specification of Python:
    ``{visit:?08d}``.

    Parameters
    ----------
    pattern
        The template.

    Raises
    ------
    TemplateError
        Raised if the pattern could leave the repository, or all datasets of a type or run would have one
        name, or if it has unknown fields or characters that have no place in file names.
    """

    pattern: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        rest = _FIELD.sub("", self.pattern)
        if strange := _UNSAFE.search(rest.replace("/", "")):
            raise TemplateError(f"cannot read {strange[0]!r} in the path template {self.pattern!r}")
        if ".." in rest.split("/") or self.pattern.startswith("/"):
            raise TemplateError(f"the path template {self.pattern!r} must stay inside the repository")
        names: set[str] = set()
        for part in _parse(self.pattern)[0]:
            for name in part.names:
                self._check_name(name)
                self._check_format(name, part.spec)
            names |= set(part.names)
        if not {"run", "id"} & names:
            raise TemplateError(f"the path template {self.pattern!r} needs {{run}} or {{id}}")
        if names <= _WORDS - {"id", "skypix"}:
            raise TemplateError(f"the path template {self.pattern!r} needs a dimension or {{id}}")

    def format(self, ref: DatasetRef, extension: str) -> str:
        """Return the path of a dataset, relative to the root of the repository.

        Parameters
        ----------
        ref
            The dataset; values beyond the required ones, and records, are used if its data ID has them.
        extension
            End of the file name.

        Raises
        ------
        TemplateError
            Raised if a value is missing that the template does not mark as optional.
        """
        kind, data_id = ref.datasetType, ref.dataId
        values = data_id.full_values if data_id.hasFull() else data_id.required_values
        steps, end = _steps(self.pattern, kind.dimensions, len(values), "." in kind.name)
        text = ""
        for step in steps:
            part = step.part
            value = _value_of(step.name, ref) if step.place is None else values[step.place]
            if value is not None:
                text += step.before + part.literal + self._shown(value, part)
            elif part.optional:
                text += step.before + part.gap
            else:
                names = "|".join(part.names)
                raise TemplateError(f"{ref} has no {names} for the path template {self.pattern!r}")
        return _with_extension(text + end, extension, ref)

    def _shown(self, value: Any, part: _Field) -> str:
        try:
            return part.show(value)
        except ValueError as error:
            names = "|".join(part.names)
            raise TemplateError(
                f"{names} is {value!r}, which has no format {part.spec!r}: path template {self.pattern!r}"
            ) from error

    def _check_name(self, name: str) -> None:
        element, dot, column = name.partition(".")
        known: set[str] = {*_WORDS, *UNIVERSE.names}
        asked = name
        if dot and element in UNIVERSE.elements:
            known, asked = set(UNIVERSE[element].columns) - {"region", "timespan"}, column
        if asked not in known and not _SKY_PIXELS.fullmatch(asked):
            hint = did_you_mean(asked, known)
            raise TemplateError(f"no field {name!r} for the path template {self.pattern!r}{hint}")

    def _check_format(self, name: str, spec: str) -> None:
        key = UNIVERSE[name].key if name in UNIVERSE.names else None
        is_text = name in _WORDS - {"skypix"} or (key is not None and key.type is str)
        try:
            if not _FORMAT.fullmatch(spec):
                raise ValueError
            if "." not in name:
                format("x" if is_text else 1, spec)
        except ValueError as error:
            raise TemplateError(
                f"cannot read the format {spec!r} of {name} in the path template {self.pattern!r}"
            ) from error


def _is_present(name: str, keys: Sequence[str], has_component: bool) -> bool:
    """Tell whether datasets have the word, or the dimension, that a name begins with."""
    return not _is_lacking(name.partition(".")[0], keys, has_component)


def _is_lacking(name: str, keys: Sequence[str], has_component: bool) -> bool:
    """Tell whether no dataset can have a value for a name whose data ID has some keys."""
    if name == "component":
        return not has_component
    if name == "skypix":
        return sum(_SKY_PIXELS.fullmatch(key) is not None for key in keys) != 1
    return name not in _WORDS and "." not in name and name not in keys


def _value_of(name: str, ref: DatasetRef) -> Any:
    """Return the value of a field, None if it is not known."""
    match name:
        case "datasetType" | "component":
            type_name, component = ref.datasetType.nameAndComponent()
            return type_name if name == "datasetType" else component
        case "run":
            return ref.run
        case "id":
            return str(ref.id)
        case "skypix":
            pixels = [value for key, value in ref.dataId.items() if _SKY_PIXELS.fullmatch(key)]
            return pixels[0] if len(pixels) == 1 else None
    element, dot, column = name.partition(".")
    if not dot:
        return None
    record = ref.dataId.records.get(element) if ref.dataId.hasRecords() else None
    return None if record is None else record[column]


def _with_extension(text: str, extension: str, ref: DatasetRef) -> str:
    """Return a clean relative path; a name that is too long for a file system ends in the UUID."""
    # A literal dot next to a value's slash is a part of its own only now.
    *folders, name = [_undotted(part) for part in text.split("/") if part] or [str(ref.id)]
    name = name.replace(".", "_")
    if len(name) > _MAX_NAME:
        name = f"{name[: _MAX_NAME - 40]}_{ref.id}"
    return "/".join([*map(_short, folders), name + extension])


def _short(folder: str) -> str:
    """Return a directory's name; one that is too long for a file system ends in its checksum."""
    if len(folder) <= _MAX_NAME:
        return folder
    return f"{folder[: _MAX_NAME - 40]}_{hashlib.sha256(folder.encode()).hexdigest()[:32]}"


@lru_cache(maxsize=4096)
def _safe(value: str) -> str:
    """Return a value as a part of a file name that has no meaning to any file system."""
    return _undotted(_UNSAFE.sub("_", value.replace("#", "HASH")))


def _undotted(part: str) -> str:
    """Return a part of a path as it is, unless it is one of those that lead elsewhere."""
    return part if part.strip(".") else part.replace(".", "_")


@lru_cache(maxsize=4096)
def safe_path(value: str) -> str:
    """Return a value whose slashes are kept, for example a run, as the directories that it becomes."""
    return "/".join(_safe(part) for part in value.split("/"))
