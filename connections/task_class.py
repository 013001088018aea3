"""TaskClass: what planning needs to know of a task, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from .connections import PipelineTaskConnections
from .errors import ConfigError

__all__ = ["TaskClass", "TaskConfig", "load_task"]


class TaskConfig(Protocol):
    """Config of a task in a pipeline."""

    def updated(self, overrides: Mapping[str, Any]) -> TaskConfig:
        """Return a copy with overrides applied."""

    def resolved_connections(self) -> PipelineTaskConnections:
        """Return the connections as this config names and switches them."""

    def to_simple(self) -> dict[str, Any]:
        """Return plain values."""


class TaskClass(Protocol):
    """A task that a pipeline can run."""

    ConfigClass: ClassVar[type[TaskConfig]]

    def __call__(self, config: Any = None, *, name: str | None = None) -> Any:
        """Make the task."""


def load_task(name: str) -> Any:
    """Import a task class from ``package.module:Class``.

    Raises
    ------
    ConfigError
        Raised if there is no such module or class.
    """
    module_name, _, class_name = name.partition(":")
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"cannot import task {name!r} (write package.module:Class): {error}") from error
