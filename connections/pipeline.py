"""Pipeline: tasks and their configs, from YAML, in the order that their datasets give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Self

import yaml

from butler import ButlerUserError, DatasetType

from .camera_config import camera_folders
from .connection_types import InitInput, InitOutput, Input, Output, PrerequisiteInput
from .contract import Contract
from .errors import PipelineError
from .pipeline_config import Overrides, configure_tasks
from .pipeline_file import PipelineDescription, Step, Subset, parse_pipeline, read_pipeline
from .pipeline_node import PipelineTaskNode, dataset_type, parent_name
from .selection import select_labels
from .task_expression import select_tasks

__all__ = ["Pipeline"]


@dataclass(frozen=True)
class Pipeline:
    """Tasks in an order in which each comes after those whose datasets it reads.

    Parameters
    ----------
    description
        What it does.
    nodes
        The tasks.
    subsets
        Labels by name of the subset.
    steps
        Subsets in the order in which they are to be run.
    contracts
        What holds between the configs.
    instrument
        Instrument that it is for; None for any.
    """

    description: str
    nodes: tuple[PipelineTaskNode, ...]
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    contracts: tuple[Contract, ...] = ()
    instrument: str | None = None

    @classmethod
    def from_file(
        cls,
        path: Path,
        overrides: Overrides | None = None,
        *,
        instrument: str | None = None,
        ready: Mapping[str, Path] | None = None,
        selection: str = "",
        cameras: Sequence[Path] = (),
    ) -> Self:
        """Read a pipeline from a YAML file.

        Parameters
        ----------
        path
            The file.
        overrides
            Settings by label, applied after those of the file.
        instrument
            Instrument that it will run for, whose settings then apply: those of its camera before those of
            the file.
        ready
            Files of the pipelines that can be imported by name.
        selection
            Which of the tasks are wanted, as for `only`; all if empty. Others need not be importable.
        cameras
            Folders with settings of cameras, after those that `camera_folders` finds.

        Raises
        ------
        PipelineError
            Raised if the file cannot be read or its tasks do not fit together; the message has all faults.
        ConfigError
            Raised if a class or a config value cannot be, and nothing else is wrong.
        """
        described = read_pipeline(path, ready)
        try:
            return cls.from_description(
                described, overrides, instrument=instrument, selection=selection, cameras=cameras
            )
        except ButlerUserError as error:
            error.add_note(f"in the pipeline {path}")
            raise

    @classmethod
    def from_values(cls, values: Any, overrides: Overrides | None = None) -> Self:
        """Make a pipeline of plain values, which say all: no settings of a camera apply; see `from_file`."""
        return cls._made(parse_pipeline(values), overrides, ())

    @classmethod
    def from_description(
        cls,
        described: PipelineDescription,
        overrides: Overrides | None = None,
        *,
        instrument: str | None = None,
        selection: str = "",
        cameras: Sequence[Path] = (),
    ) -> Self:
        """Make a pipeline of what files say; parameters and errors as of `from_file`."""
        if instrument and described.instrument and instrument != described.instrument:
            raise PipelineError(f"the pipeline is for {described.instrument}, not {instrument}")
        described = replace(described, instrument=described.instrument or instrument)
        if described.instrument is None and cameras:
            raise PipelineError("the settings of a camera need the name of an instrument (--instrument)")
        folders = [*camera_folders(described.instrument), *cameras] if described.instrument else []
        # The ends of a range are known when all tasks are in order.
        if selection and ".." not in selection:
            subsets = {name: subset.labels for name, subset in described.subsets.items()}
            chosen = select_labels(selection, list(described.tasks), subsets)
            described.keep({*chosen, *(overrides or {})}, edit_subsets=False)
        pipeline = cls._made(described, overrides, folders)
        return pipeline.only(selection) if selection else pipeline

    @classmethod
    def _made(
        cls, described: PipelineDescription, overrides: Overrides | None, folders: Sequence[Path]
    ) -> Self:
        nodes = configure_tasks(described, overrides or {}, folders)
        return cls(
            described.description,
            _ordered(nodes),
            described.subsets,
            tuple(described.steps),
            tuple(described.contracts),
            described.instrument,
        )

    @property
    def labels(self) -> list[str]:
        """Labels of the tasks, in order."""
        return [node.label for node in self.nodes]

    def only(self, selection: str | Sequence[str]) -> Self:
        """Return the pipeline of some of the tasks.

        Parameters
        ----------
        selection
            Labels, names of subsets, and ranges of labels; see `select_labels`.

        Raises
        ------
        PipelineError
            Raised if a label does not exist.
        """
        wanted = selection if isinstance(selection, str) else ",".join(selection)
        labels = select_labels(wanted, self.labels, {n: s.labels for n, s in self.subsets.items()})
        subsets = {name: s for name, s in self.subsets.items() if set(s.labels) <= set(labels)}
        return replace(
            self,
            nodes=tuple(node for node in self.nodes if node.label in labels),
            subsets=subsets,
            steps=tuple(step for step in self.steps if step.label in subsets),
            contracts=tuple(contract for contract in self.contracts if contract.labels() <= set(labels)),
        )

    def select_tasks(self, expression: str) -> Self:
        """Return the pipeline of the tasks that an expression selects; see `task_expression.select_tasks`.

        Raises
        ------
        PipelineError
            Raised if it is no such expression, or if it selects nothing.
        """
        labels = select_tasks(expression, self.nodes, {n: s.labels for n, s in self.subsets.items()})
        if not labels:
            raise PipelineError(f"{expression!r} selects no task of {', '.join(self.labels)}")
        return self.only(labels)

    def to_yaml(self) -> str:
        """Return the text of a file that makes the same pipeline, without imports and parameters."""
        values: dict[str, Any] = {"description": self.description}
        if self.instrument:
            values["instrument"] = self.instrument
        values["tasks"] = {
            node.label: {
                "class": node.task_class_name,
                # One mapping for each setting: a field that is set twice needs both, in order.
                "config": [{override.field: override.value} for override in node.history],
            }
            for node in self.nodes
        }
        if self.contracts:
            values["contracts"] = [{"contract": c.expression, "msg": c.message} for c in self.contracts]
        if self.subsets:
            values["subsets"] = {
                name: {
                    "subset": list(subset.labels),
                    "description": subset.description,
                    "dimensions": list(subset.dimensions),
                }
                for name, subset in self.subsets.items()
            }
        if self.steps:
            values["steps"] = [{"label": s.label, "dimensions": list(s.dimensions)} for s in self.steps]
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    @property
    def produced(self) -> dict[str, DatasetType]:
        """Dataset types that the pipeline makes, by name."""
        return {t.name: t for node in self.nodes for t in node.outputs.values()}

    def independent_parts(self) -> list[tuple[PipelineTaskNode, ...]]:
        """Return the tasks in groups between which no dataset is handed on, each in order."""
        parts: list[tuple[set[str], list[PipelineTaskNode]]] = []
        for node in self.nodes:
            regular = (*node.connections.inputs.values(), *node.connections.outputs.values())
            names = {parent_name(c) for c in regular} & self.produced.keys()
            before = [part for part in parts if part[0] & names]
            joined = [*(other for _, others in before for other in others), node]
            parts = [part for part in parts if part not in before]
            parts.append((names.union(*(known for known, _ in before)), joined))
        order = self.labels.index
        return [tuple(sorted(nodes, key=lambda node: order(node.label))) for _, nodes in parts]

    def overall_inputs(self) -> list[str]:
        """Return the names of the dataset types that quanta must find, without prerequisites."""
        names = [parent_name(c) for node in self.nodes for c in node.connections.inputs.values()]
        return [name for name in dict.fromkeys(names) if name not in self.produced]


def _ordered(nodes: Sequence[PipelineTaskNode]) -> tuple[PipelineTaskNode, ...]:
    """Sort tasks by their datasets, and check that they fit together."""
    producers: dict[str, str] = {}
    for node in nodes:
        for connection in (*node.connections.outputs.values(), *node.connections.initOutputs.values()):
            if connection.name in producers:
                raise PipelineError(
                    f"{producers[connection.name]} and {node.label} both write {connection.name!r}"
                )
            producers[connection.name] = node.label
    _check_definitions(nodes)
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for node in nodes:
        reads = (c for c in node.connections.allConnections.values() if isinstance(c, Input | InitInput))
        sorter.add(node.label, *(producers[parent_name(c)] for c in reads if parent_name(c) in producers))
    by_label = {node.label: node for node in nodes}
    try:
        return tuple(by_label[label] for label in sorter.static_order())
    except CycleError as error:
        raise PipelineError(f"tasks wait for each other: {' -> '.join(error.args[1])}") from error


def _check_definitions(nodes: Sequence[PipelineTaskNode]) -> None:
    """Refuse tasks that disagree about a dataset type.

    Who reads one may want it as another storage class, if what the writer makes can be had so.
    """
    declared = [(node, c) for node in nodes for c in node.connections.allConnections.values()]
    written = [(node, c) for node, c in declared if isinstance(c, Output | InitOutput)]
    read = [(node, c) for node, c in declared if not isinstance(c, Output | InitOutput) and "." not in c.name]
    makers = {connection.name for _, connection in written}
    known: dict[str, tuple[str, DatasetType]] = {}
    for node, connection in (*written, *read):
        found = dataset_type(connection)
        label, first = known.setdefault(connection.name, (node.label, found))
        if first != found and not (
            isinstance(connection, Input | PrerequisiteInput)
            and _differ_in_storage_class_alone(first, found)
            and (first.name not in makers or found.storageClass.can_convert(first.storageClass))
        ):
            raise PipelineError(f"{label} has <{first}>, {node.label} has <{found}>")


def _differ_in_storage_class_alone(first: DatasetType, second: DatasetType) -> bool:
    return (first.dimensions, first.isCalibration) == (second.dimensions, second.isCalibration)
