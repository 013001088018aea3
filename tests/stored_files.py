"""Objects written to files and read back as the datastore does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from butler.datasets import get_storage_class
from butler.formatters import FileLayout, LocalFile, formatter_for, get_formatter

__all__ = ["read", "read_camera", "write"]


def write(obj: Any, path: Path, storage_class: str) -> Path:
    formatter_for(get_storage_class(storage_class)).write(obj, path)
    return path


def read(path: Path, storage_class: str, component: str | None = None, **parameters: Any) -> Any:
    """Read as the datastore does: with the layout that was found when the file was stored."""
    kind = get_storage_class(storage_class)
    formatter = formatter_for(kind)
    layout = formatter.layout(LocalFile(path))
    known = None if layout is None else FileLayout.from_json(layout.to_json())
    return formatter.read(
        LocalFile(path), storage_class=kind, component=component, parameters=parameters, layout=known
    )


def read_camera(path: Path, component: str | None = None, **parameters: Any) -> Any:
    """Read a camera's own file."""
    formatter = get_formatter("CameraImageFits")
    kind = get_storage_class("ExposureF")
    layout = formatter.layout(LocalFile(path))
    return formatter.read(
        LocalFile(path), storage_class=kind, component=component, parameters=parameters, layout=layout
    )
