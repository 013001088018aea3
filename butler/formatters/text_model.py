"""Dictionaries, lists and pydantic models as JSON or YAML; sky maps as JSON."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ValidationError

from ..datasets import StorageClass
from ..errors import FileFormatError, StorageClassError
from ..handles import read_part
from ..skymaps import SkyMap, make_sky_map
from .byte_source import ByteSource
from .formatter import Formatter, ReadRequest

__all__ = ["JsonFormatter", "SkyMapFormatter", "YamlFormatter"]


class TextModelFormatter(Formatter):
    """A dictionary or list of plain values, or a pydantic model, as text."""

    @abstractmethod
    def _dumped(self, values: Any) -> str:
        """Return plain values as text."""

    @abstractmethod
    def _loaded(self, text: str) -> Any:
        """Return the values of a text."""

    def write(self, obj: Any, path: Path) -> None:
        """Write plain values or a model; keys become text."""
        values = obj.model_dump(mode="json") if isinstance(obj, BaseModel) else obj
        if not isinstance(values, dict | list):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as {self.name}")
        try:
            text = self._dumped(values)
        except (TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise StorageClassError(
                f"cannot write this {type(obj).__name__} as {self.name}: {reason}"
            ) from error
        path.write_text(text, encoding="utf-8")

    def read_whole(self, path: Path) -> Any:
        """Read plain values."""
        try:
            return self._loaded(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise FileFormatError(f"{path} is not {self.name}: {reason}") from error

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read what the storage class says: a dictionary, a list or a model."""
        with source.as_local_file() as path:
            values = self.read_whole(path)
        whole = _as_class(values, request.storage_class, source)
        return read_part(whole, request.component, request.parameters)


def _as_class(values: Any, storage_class: StorageClass, source: ByteSource) -> Any:
    """Return plain values as a storage class has them.

    Raises
    ------
    FileFormatError
        Raised if they are of another form.
    """
    pytype = storage_class.pytype
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
    extension: ClassVar[str] = ".json"

    def _dumped(self, values: Any) -> str:
        return json.dumps(values, indent=1)

    def _loaded(self, text: str) -> Any:
        return json.loads(text)


class YamlFormatter(TextModelFormatter):
    """Plain values or a model as YAML."""

    name: ClassVar[str] = "Yaml"
    extension: ClassVar[str] = ".yaml"

    def _dumped(self, values: Any) -> str:
        return yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)

    def _loaded(self, text: str) -> Any:
        return yaml.load(text, Loader=_PlainLoader)


class _PlainDumper(yaml.SafeDumper):
    """Writes what occurs twice twice, since no reader of ours takes aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, by which a small file can stand for a huge one; tags are refused by its base."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read; write the values out")
        return super().compose_node(parent, index)


class SkyMapFormatter(JsonFormatter):
    """A sky map as its configuration."""

    name: ClassVar[str] = "SkyMapJson"

    def write(self, obj: Any, path: Path) -> None:
        """Write the configuration of a sky map."""
        if not isinstance(obj, SkyMap):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a SkyMap")
        super().write(obj.to_simple(), path)

    def read_whole(self, path: Path) -> SkyMap:
        """Read a sky map."""
        values = super().read_whole(path)
        try:
            return make_sky_map(values)
        except (ValueError, TypeError, KeyError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise FileFormatError(f"{path} is not the configuration of a sky map: {reason}") from error
