"""Dictionaries, configs, sky maps and camera mappings as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from ..skymaps import SkyMap, make_sky_map
from .formatter import Formatter

__all__ = ["JsonFormatter", "SkyMapFormatter"]


class JsonFormatter(Formatter):
    """A dictionary of plain values."""

    name: ClassVar[str] = "Json"
    extension: ClassVar[str] = ".json"

    def write(self, obj: Any, path: Path) -> None:
        """Write a dictionary; keys become text."""
        if not isinstance(obj, dict):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a dictionary")
        try:
            text = json.dumps(obj, indent=1)
        except (TypeError, ValueError, RecursionError) as error:
            raise StorageClassError(f"cannot write this dictionary as JSON: {error}") from error
        path.write_text(text, encoding="utf-8")

    def read_whole(self, path: Path) -> Any:
        """Read a dictionary."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{path} is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise FileFormatError(f"{path} holds a {type(values).__name__}, not a dictionary")
        return values


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
        try:
            return make_sky_map(super().read_whole(path))
        except (ValueError, TypeError, KeyError, LookupError) as error:
            reason = " ".join(str(error).split())
            raise FileFormatError(f"{path} is not the configuration of a sky map: {reason}") from error
