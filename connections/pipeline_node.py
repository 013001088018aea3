"""PipelineTaskNode: a task of a pipeline, configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from butler import DatasetType

from .connection_types import BaseConnection, Connection
from .connections import PipelineTaskConnections
from .errors import ConfigError
from .overrides import Override, flat_fields
from .task_class import TaskConfig, load_task

__all__ = ["PipelineTaskNode", "configured_node", "dataset_type", "parent_name"]


@dataclass(frozen=True)
class PipelineTaskNode:
    """A task of a pipeline, configured.

    Parameters
    ----------
    label
        Name within the pipeline.
    task_class_name
        The class, ``package.module:Class``.
    config
        Its settings.
    connections
        What it reads and writes, named and switched by the config.
    history
        The settings that made the config of the defaults, in the order in which they were applied.
    """

    label: str
    task_class_name: str
    config: TaskConfig
    connections: PipelineTaskConnections
    history: tuple[Override, ...] = ()

    @property
    def outputs(self) -> dict[str, DatasetType]:
        """Dataset types of the outputs of quanta by connection."""
        return {field: dataset_type(c) for field, c in self.connections.outputs.items()}

    @property
    def init_outputs(self) -> dict[str, DatasetType]:
        """Dataset types of what the task writes once in each run by connection."""
        return {field: dataset_type(c) for field, c in self.connections.initOutputs.items()}

    @property
    def dataset_types(self) -> list[DatasetType]:
        """Dataset types of all that a run of the task writes."""
        own = [self.metadata_type, self.log_type, self.config_type]
        return [*self.init_outputs.values(), *self.outputs.values(), *own]

    @property
    def metadata_type(self) -> DatasetType:
        """Dataset type of the task's metadata; a quantum that has it has succeeded."""
        return DatasetType(f"{self.label}_metadata", self.connections.dimensions, "TaskMetadata")

    @property
    def log_type(self) -> DatasetType:
        """Dataset type of what the task logs in one quantum."""
        return DatasetType(f"{self.label}_log", self.connections.dimensions, "ButlerLogRecords")

    @property
    def config_type(self) -> DatasetType:
        """Dataset type of the task's config, one in each run."""
        return DatasetType(f"{self.label}_config", (), "Config")


def configured_node(
    label: str,
    task_class_name: str,
    overrides: Sequence[Override],
    faults: list[ConfigError],
    camera: Sequence[Override] = (),
) -> PipelineTaskNode:
    """Return a configured task; what is wrong with single settings is added to the faults.

    Parameters
    ----------
    label
        Name within the pipeline.
    task_class_name
        The class.
    overrides
        Settings, in order.
    faults
        Where faults are added.
    camera
        Settings before those; after them the task may change its config itself (`applyOverrides`).

    Raises
    ------
    ConfigError
        Raised if the class does not exist.
    """
    task_class = load_task(task_class_name)
    settings = _updated(task_class.ConfigClass(), label, camera, faults)
    before = dict(flat_fields(settings.to_simple()))
    task_class.applyOverrides(settings)
    own = [
        Override(field, value, f"applyOverrides of {task_class_name}")
        for field, value in flat_fields(settings.to_simple())
        if field not in before or before[field] != value
    ]
    settings = _updated(settings, label, overrides, faults)
    connections = settings.resolved_connections()
    return PipelineTaskNode(label, task_class_name, settings, connections, (*camera, *own, *overrides))


def _updated(
    settings: TaskConfig, label: str, overrides: Sequence[Override], faults: list[ConfigError]
) -> TaskConfig:
    """Return a config with settings applied in order, as far as they are right.

    One that is right only beside a later one, as the lower of two limits that are both raised, comes after
    it; but not where a field is set twice, of which the last counts.
    """
    fields = [override.field for override in overrides]
    left = overrides
    while True:
        settings, refused = _applied(settings, left)
        may_wait = all(fields.count(override.field) == 1 for override, _ in refused)
        if not refused or len(refused) == len(left) or not may_wait:
            break
        left = [override for override, _ in refused]
    faults += [ConfigError(f"{label}: {error} (set by {override.source})") for override, error in refused]
    return settings


def _applied(
    settings: TaskConfig, overrides: Sequence[Override]
) -> tuple[TaskConfig, list[tuple[Override, ConfigError]]]:
    """Return a config with settings applied in order, and those that it refuses."""
    refused = []
    for override in overrides:
        try:
            settings = settings.updated({override.field: override.value})
        except ConfigError as error:
            refused.append((override, error))
    return settings, refused


def parent_name(connection: BaseConnection) -> str:
    """Return the dataset type of a connection, without component."""
    return connection.name.partition(".")[0]


def dataset_type(connection: Connection) -> DatasetType:
    """Return the dataset type that a connection declares."""
    return DatasetType(
        parent_name(connection),
        connection.dimensions,
        connection.storageClass,
        isCalibration=connection.isCalibration,
    )
