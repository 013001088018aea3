"""Dictionaries, lists and pydantic models as JSON or YAML; sky maps as JSON."""

from __future__ import annotations

import json
from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ValidationError

from ..datasets import StorageClass
from ..errors import FileFormatError, StorageClassError
from ..handles import read_part
from ..safe_yaml import load_yaml
from ..skymaps import SkyMap, make_sky_map
from .byte_source import ByteSource
from .formatter import ContentFormatter, ReadRequest

__all__ = ["JsonFormatter", "SkyMapFormatter", "YamlFormatter"]


class TextModelFormatter(ContentFormatter):
    """A dictionary or list of plain values, or a pydantic model, as text."""

    language: ClassVar[str]

    @abstractmethod
    def _dumped(self, values: Any) -> str:
        """Return plain values as text."""

    @abstractmethod
    def _loaded(self, text: str, path: Path) -> Any:
        """Return the values of the text of a file, or raise a FileFormatError."""

    def content(self, obj: Any) -> bytes:
        """Return plain values or a model as text; keys become text."""
        values = obj.model_dump(mode="json") if isinstance(obj, BaseModel) else obj
        if not isinstance(values, dict | list):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as {self.language}")
        try:
            return self._dumped(values).encode()
        except (TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise StorageClassError(
                f"cannot write this {type(obj).__name__} as {self.language}: {reason}"
            ) from error

    def read_whole(self, path: Path) -> Any:
        """Read plain values."""
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{path} is not {self.language}: {error}") from error
        return self._loaded(text, path)

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read what the storage class says: a dictionary, a list or a model."""
        with source.read_locally() as path:
            values = self.read_whole(path)
        whole = _as_class(values, request.storage_class, source)
        # No dictionary and no model has parameters.
        return whole if request.component is None else read_part(whole, request.component, {})


@cache
def _type_of(storage_class: StorageClass) -> type[Any]:
    return storage_class.pytype


def _as_class(values: Any, storage_class: StorageClass, source: ByteSource) -> Any:
    """Return plain values as a storage class has them.

    Raises
    ------
    FileFormatError
        Raised if they are of another form.
    """
    pytype = _type_of(storage_class)
    if issubclass(pytype, BaseModel):
        try:
            return pytype.model_validate(values)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise FileFormatError(
                f"{source} is no {storage_class}: {where or 'content'}: {fault['msg']}"
            ) from error
    if not isinstance(values, pytype):
        raise FileFormatError(f"{source} holds a {type(values).__name__}, not a {pytype.__name__}")
    return values


class JsonFormatter(TextModelFormatter):
    """Plain values or a model as JSON."""

    name: ClassVar[str] = "Json"
    language: ClassVar[str] = "JSON"
    extension: ClassVar[str] = ".json"

    def _dumped(self, values: Any) -> str:
        # With an indent json takes its slow way, which takes longer than all the rest of a put.
        return json.dumps(values)

    def _loaded(self, text: str, path: Path) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{path} is not JSON: {error}") from error


class YamlFormatter(TextModelFormatter):
    """Plain values or a model as YAML."""

    name: ClassVar[str] = "Yaml"
    language: ClassVar[str] = "YAML"
    extension: ClassVar[str] = ".yaml"

    def _dumped(self, values: Any) -> str:
        text: str = yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)
        # What is nested too deeply to be read shall not be written.
        load_yaml(text, "the value")
        return text

    def _loaded(self, text: str, path: Path) -> Any:
        return load_yaml(text, str(path))


class _PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice twice: aliases are for machines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class SkyMapFormatter(JsonFormatter):
    """A sky map as its configuration."""

    name: ClassVar[str] = "SkyMapJson"

    def content(self, obj: Any) -> bytes:
        """Return the configuration of a sky map."""
        if not isinstance(obj, SkyMap):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a SkyMap")
        return super().content(obj.to_simple())

    def read_whole(self, path: Path) -> SkyMap:
        """Read a sky map."""
        values = super().read_whole(path)
        try:
            return make_sky_map(values)
        except (ValueError, TypeError, KeyError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise FileFormatError(f"{path} is not the configuration of a sky map: {reason}") from error
