"""What tasks tell of their work, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from ..task_metadata import TaskMetadata
from .text_model import JsonFormatter

__all__ = ["TaskMetadataFormatter"]


class TaskMetadataFormatter(JsonFormatter):
    """A tree of metadata as nested objects."""

    name: ClassVar[str] = "TaskMetadataJson"

    def content(self, obj: Any) -> bytes:
        """Return a tree as text."""
        if not isinstance(obj, TaskMetadata):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as TaskMetadata")
        return super().content(obj.to_dict())

    def read_whole(self, path: Path) -> TaskMetadata:
        """Read a tree."""
        values = super().read_whole(path)
        try:
            return TaskMetadata.from_dict(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path} holds no task metadata: {error}") from error
