"""TaskClass: what planning needs to know of a task, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from butler.errors import did_you_mean

from .errors import ConfigError

if TYPE_CHECKING:
    from .connections import PipelineTaskConnections

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

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        """Change a config after the settings of the camera, before all others."""

    def __call__(self, config: Any = None, *, name: str | None = None) -> Any:
        """Make the task."""


def load_task(name: str) -> Any:
    """Import a task class from ``package.module:Class``.

    Raises
    ------
    ConfigError
        Raised if there is no such module, or no such task in it, with the nearest name.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"cannot import task {name!r} (write package.module:Class): {error}") from error
    found = getattr(module, class_name, None)
    if not hasattr(found, "ConfigClass"):
        tasks = [known for known, value in vars(module).items() if hasattr(value, "ConfigClass")]
        raise ConfigError(
            f"cannot import task {name!r} (write package.module:Class): {module_name} has no task "
            f"{class_name!r}{did_you_mean(class_name, tasks)}"
        )
    return found
