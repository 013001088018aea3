"""The init phase of a run: dataset types, configs, init outputs, versions, once before any quantum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from butler import Butler, DatasetType
from butler.errors import MissingCollectionError, MissingDatasetTypeError
from connections import ConfigRecord, PipelineTaskNode, QuantumGraph, unregistered
from connections.errors import MissingPrerequisiteError

from ..errors import RunConflictError, TaskError, VersionConflictError
from ..records import PACKAGES, schema_differences, version_differences, versions_in_use
from .make_task import make_task

__all__ = ["InitOptions", "PreparedRun", "prepare_run"]

_MOST_LINES: Final = 24
"""Differences that are told, lines."""


@dataclass(frozen=True)
class InitOptions:
    """What the init phase may write.

    Parameters
    ----------
    register_dataset_types
        Whether dataset types that are not known yet are registered; otherwise they are an error.
    save_init_outputs
        Whether init outputs, configs and versions are written; otherwise what the run has of them is compared
        alone.
    save_versions
        Whether versions of packages are compared, and so written.
    """

    register_dataset_types: bool = True
    save_init_outputs: bool = True
    save_versions: bool = True


@dataclass(frozen=True)
class PreparedRun:
    """What the init phase found for the quanta.

    Parameters
    ----------
    init_inputs
        Objects that tasks need when they are made, by label and connection; of tasks that need some.
    versions
        Versions of packages by name; empty if nobody looked.
    """

    init_inputs: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]


def prepare_run(graph: QuantumGraph, butler: Butler, options: InitOptions | None = None) -> PreparedRun:
    """Do the init phase of a run; return what its quanta need.

    What the run has already is compared, and nothing is written if any of it differs. Everything is written
    in one transaction; `run_graph` calls this first.

    Parameters
    ----------
    graph
        The plan.
    butler
        A writeable butler.
    options
        What may be written; everything by default.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a dataset type is registered otherwise.
    RunConflictError
        Raised if the run has other configs, init outputs or versions (`VersionConflictError`); the message
        has the differences.
    MissingDatasetTypeError
        Raised if a dataset type is not registered, and may not be.
    MissingPrerequisiteError
        Raised if what a task needs when it is made is not there.
    TaskError
        Raised if a task does not set an init output that it declares.
    """
    options = options or InitOptions()
    phase = _InitPhase(graph, butler)
    kinds = _written_types(graph, options)
    _check_dataset_types(kinds, butler, may_register=options.register_dataset_types)
    if options.save_versions:
        phase.compare_versions()
    phase.compare_configs()
    phase.make_init_outputs()
    with butler.transaction():
        butler.registry.registerRun(graph.run)
        if options.register_dataset_types:
            for kind in kinds:
                butler.registry.registerDatasetType(kind)
        if options.save_init_outputs:
            phase.write()
    return PreparedRun(phase.init_inputs(), phase.versions)


class _InitPhase:
    """Compares with what the run has, and remembers what is to be written."""

    def __init__(self, graph: QuantumGraph, butler: Butler) -> None:
        self._graph = graph
        self._butler = butler
        self._new: list[tuple[DatasetType, Any]] = []
        self._objects: dict[str, Any] = {}
        self._new_versions: dict[str, str] | None = None
        self.versions: dict[str, str] = {}

    def compare_versions(self) -> None:
        """Compare the versions of all packages with those that the run has."""
        versions = versions_in_use(node.task_class_name for node in self._graph.pipeline.nodes)
        self.versions = versions
        known = self._known(PACKAGES.name) or {}
        if lines := version_differences(known, versions):
            raise VersionConflictError(
                f"run {self._graph.run!r} was made with other versions (in the run -> now):\n{_some(lines)}\n"
                "use a new run, or --no-versions if that makes no difference"
            )
        if versions.keys() - known.keys():
            self._new_versions = dict(sorted({**known, **versions}.items()))

    def compare_configs(self) -> None:
        """Compare the configs of all tasks with those that the run has."""
        lines: list[str] = []
        for node in self._graph.pipeline.nodes:
            record, known = ConfigRecord.of(node), self._known(node.config_type.name)
            if known is None:
                self._new.append((node.config_type, record.to_simple()))
            else:
                lines += ConfigRecord.from_simple(node.label, known).differences(record, self._graph.run)
        if lines:
            raise RunConflictError(
                f"run {self._graph.run!r} was made with another config:\n{_some(lines)}\n"
                "a run has one config for each task: use a new run"
            )

    def make_init_outputs(self) -> None:
        """Make the tasks that have init outputs, and compare those with what the run has."""
        lines: list[str] = []
        for node in self._graph.pipeline.nodes:
            if not node.init_outputs:
                continue
            task = make_task(node, self._init_inputs_of(node))
            for field, kind in node.init_outputs.items():
                made = kind.storageClass.coerce_type(_attribute(task, field, node))
                known = self._known(kind.name)
                if known is None:
                    self._new.append((kind, made))
                else:
                    lines += [f"{kind.name}: {line}" for line in schema_differences(known, made)]
                self._objects[kind.name] = made if known is None else known
        if lines:
            raise RunConflictError(
                f"run {self._graph.run!r} was made with another schema (in the run -> now):\n{_some(lines)}\n"
                "a run has one schema for each dataset type: use a new run"
            )

    def write(self) -> None:
        """Write what the run has not."""
        for kind, value in self._new:
            self._butler.put(value, kind, run=self._graph.run)
        if self._new_versions is not None:
            self._write_versions(self._new_versions)

    def _write_versions(self, versions: dict[str, str]) -> None:
        """Write versions, in place of those that the run has."""
        known = self._butler.find_dataset(PACKAGES, collections=[self._graph.run])
        if known is None:
            self._butler.put(versions, PACKAGES, run=self._graph.run)
        else:
            self._butler.pruneDatasets([known], unstore=True)
            self._butler.put(versions, known)

    def init_inputs(self) -> dict[str, dict[str, Any]]:
        """Return what the tasks need when they are made."""
        nodes = self._graph.pipeline.nodes
        return {n.label: self._init_inputs_of(n) for n in nodes if n.connections.initInputs}

    def _init_inputs_of(self, node: PipelineTaskNode) -> dict[str, Any]:
        refs = self._graph.init_inputs.get(node.label, {})
        found = {}
        for field, connection in node.connections.initInputs.items():
            if field in refs:
                found[field] = self._butler.get(refs[field], storageClass=connection.storageClass)
                continue
            if connection.name not in self._objects:
                self._objects[connection.name] = self._known(connection.name)
            found[field] = self._objects[connection.name]
            if found[field] is None:
                raise MissingPrerequisiteError(
                    f"run {self._graph.run!r} has no {connection.name}, which {node.label} needs"
                )
        return found

    def _known(self, name: str) -> Any:
        """Return a dataset of the run as a whole, None if it has none."""
        try:
            ref = self._butler.find_dataset(name, collections=[self._graph.run])
        except (MissingCollectionError, MissingDatasetTypeError):
            return None
        return None if ref is None else self._butler.get(ref)


def _attribute(task: Any, field: str, node: PipelineTaskNode) -> Any:
    try:
        return getattr(task, field)
    except AttributeError:
        raise TaskError(
            f"{node.task_class_name} has no attribute {field!r}; a task sets its init outputs in __init__"
        ) from None


def _written_types(graph: QuantumGraph, options: InitOptions) -> list[DatasetType]:
    kinds = [kind for node in graph.pipeline.nodes for kind in node.dataset_types]
    return [*kinds, PACKAGES] if options.save_versions else kinds


def _check_dataset_types(kinds: Iterable[DatasetType], butler: Butler, *, may_register: bool) -> None:
    """Refuse dataset types that cannot be registered, or that would have to be and may not."""
    missing = unregistered(kinds, butler)
    if missing and not may_register:
        raise MissingDatasetTypeError(
            f"no dataset type {', '.join(missing)}; register it (--register-dataset-types)"
        )


def _some(lines: list[str]) -> str:
    more = [f"... and {len(lines) - _MOST_LINES} lines more"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])
