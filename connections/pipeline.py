"""Pipeline: tasks and their configs, from YAML, in the order that their datasets give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from butler import ButlerUserError, DatasetType
from butler.errors import FileFormatError, did_you_mean
from butler.safe_yaml import load_yaml

from .connections import BaseConnection, Input, Output, PipelineTaskConnections
from .errors import PipelineError
from .task_class import TaskConfig, load_task

__all__ = ["Pipeline", "PipelineTaskNode"]


class _TaskEntry(BaseModel):
    """A task as the file gives it."""

    model_config = ConfigDict(extra="forbid")

    task_class: str = Field(alias="class")
    config: dict[str, Any] = {}


class _PipelineFile(BaseModel):
    """A pipeline as the file gives it."""

    model_config = ConfigDict(extra="forbid")

    description: str
    tasks: dict[str, _TaskEntry | str]


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
    """

    label: str
    task_class_name: str
    config: TaskConfig
    connections: PipelineTaskConnections

    @property
    def outputs(self) -> dict[str, DatasetType]:
        """Dataset types of the outputs by connection."""
        return {field: dataset_type(c) for field, c in self.connections.outputs.items()}


@dataclass(frozen=True)
class Pipeline:
    """Tasks in an order in which each comes after those whose datasets it reads.

    Parameters
    ----------
    description
        What it does.
    nodes
        The tasks.
    """

    description: str
    nodes: tuple[PipelineTaskNode, ...]

    @classmethod
    def from_file(cls, path: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Self:
        """Read a pipeline from a YAML file.

        Parameters
        ----------
        path
            The file.
        overrides
            Config values by label and field path, applied after those of the file.

        Raises
        ------
        PipelineError
            Raised if the file cannot be read or its tasks do not fit together.
        ConfigError
            Raised if a config value cannot be.
        """
        try:
            values = load_yaml(path.read_bytes(), str(path))
        except OSError as error:
            raise PipelineError(f"cannot read the pipeline {path}: {error.strerror}") from error
        except FileFormatError as error:
            raise PipelineError(str(error)) from error
        try:
            return cls.from_values(values, overrides)
        except ButlerUserError as error:
            error.add_note(f"in the pipeline {path}")
            raise

    @classmethod
    def from_values(cls, values: Any, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Self:
        """Make a pipeline of plain values; see `from_file`."""
        try:
            parsed = _PipelineFile.model_validate(values)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise PipelineError(f"{where or 'the pipeline'}: {fault['msg']}") from error
        given = dict(overrides or {})
        for label in given:
            if label not in parsed.tasks:
                raise PipelineError(f"no task {label!r}{did_you_mean(label, parsed.tasks)}")
        nodes = []
        for label, entry in parsed.tasks.items():
            task = _TaskEntry.model_validate({"class": entry}) if isinstance(entry, str) else entry
            nodes.append(make_node(label, task.task_class, {**task.config, **given.get(label, {})}))
        return cls(parsed.description, _ordered(nodes))

    @property
    def labels(self) -> list[str]:
        """Labels of the tasks, in order."""
        return [node.label for node in self.nodes]

    def only(self, labels: Sequence[str]) -> Pipeline:
        """Return the pipeline of some of the tasks.

        Raises
        ------
        PipelineError
            Raised if a label does not exist.
        """
        for label in labels:
            if label not in self.labels:
                raise PipelineError(f"no task {label!r}{did_you_mean(label, self.labels)}")
        return Pipeline(self.description, tuple(node for node in self.nodes if node.label in labels))

    @property
    def produced(self) -> dict[str, DatasetType]:
        """Dataset types that the pipeline makes, by name."""
        return {t.name: t for node in self.nodes for t in node.outputs.values()}

    def overall_inputs(self) -> list[str]:
        """Return the names of the dataset types that must exist before, without prerequisites."""
        names = [parent_name(c) for node in self.nodes for c in node.connections.inputs.values()]
        return [name for name in dict.fromkeys(names) if name not in self.produced]


def make_node(label: str, task_class_name: str, config: Mapping[str, Any]) -> PipelineTaskNode:
    """Return a configured task.

    Raises
    ------
    ConfigError
        Raised if the class or a config value does not exist.
    """
    task_class = load_task(task_class_name)
    settings = task_class.ConfigClass().updated(config)
    return PipelineTaskNode(label, task_class_name, settings, settings.resolved_connections())


def parent_name(connection: BaseConnection) -> str:
    """Return the dataset type of a connection, without component."""
    return connection.name.partition(".")[0]


def dataset_type(connection: BaseConnection) -> DatasetType:
    """Return the dataset type that a connection declares."""
    return DatasetType(parent_name(connection), connection.dimensions, connection.storageClass)


def _ordered(nodes: Sequence[PipelineTaskNode]) -> tuple[PipelineTaskNode, ...]:
    """Sort tasks by their datasets, and check that they fit together."""
    producers: dict[str, str] = {}
    for node in nodes:
        for connection in node.connections.outputs.values():
            if connection.name in producers:
                raise PipelineError(
                    f"{producers[connection.name]} and {node.label} both write {connection.name!r}"
                )
            producers[connection.name] = node.label
    _check_definitions(nodes)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for node in nodes:
        reads = (c for _, c in node.connections.all() if isinstance(c, Input))
        sorter.add(node.label, *(producers[parent_name(c)] for c in reads if parent_name(c) in producers))
    by_label = {node.label: node for node in nodes}
    try:
        return tuple(by_label[label] for label in sorter.static_order())
    except CycleError as error:
        raise PipelineError(f"tasks wait for each other: {' -> '.join(error.args[1])}") from error


def _check_definitions(nodes: Sequence[PipelineTaskNode]) -> None:
    """Refuse tasks that disagree about a dataset type."""
    known: dict[str, tuple[str, DatasetType]] = {}
    for node in nodes:
        for _, connection in node.connections.all():
            if "." in connection.name and not isinstance(connection, Output):
                continue
            found = dataset_type(connection)
            label, first = known.setdefault(connection.name, (node.label, found))
            if first != found:
                raise PipelineError(f"{label} has <{first}>, {node.label} has <{found}>")
