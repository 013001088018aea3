"""PipelineDescription: what a pipeline's YAML file and those that it imports say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from butler.errors import FileFormatError, did_you_mean
from butler.safe_yaml import load_yaml

from .contract import Contract
from .errors import PipelineError
from .overrides import Override, flattened, read_overrides

__all__ = [
    "ConfigBlock",
    "PipelineDescription",
    "Step",
    "Subset",
    "TaskDescription",
    "parse_pipeline",
    "read_pipeline",
]

_RESERVED = "parameters"
_REFUSED = {
    "inherits": "write imports instead",
    "python": "code in a pipeline is not run; write fields with values, or file",
}


@dataclass(frozen=True)
class ConfigBlock:
    """Settings of a task that belong together.

    Parameters
    ----------
    overrides
        The settings in the order in which they apply.
    instrument
        Instrument for which alone they are; None for all.
    """

    overrides: tuple[Override, ...]
    instrument: str | None = None


@dataclass(frozen=True)
class TaskDescription:
    """A task of a pipeline: its class, ``package.module:Class``, and its settings, the last one winning."""

    task_class: str
    blocks: tuple[ConfigBlock, ...] = ()


@dataclass(frozen=True)
class Subset:
    """Labels that go by one name, and the dimensions over which they can be run as a step."""

    labels: tuple[str, ...]
    description: str = ""
    dimensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """A subset that is run as a whole, over data IDs with some dimensions."""

    label: str
    dimensions: tuple[str, ...] = ()


@dataclass
class PipelineDescription:
    """A pipeline as its files give it, not yet checked against the tasks' classes.

    Parameters
    ----------
    description
        What it does.
    tasks
        Tasks by label.
    parameters
        Values that settings name as ``parameters.NAME``.
    contracts
        What must hold between configs.
    subsets
        Labels by name of the subset.
    steps
        Subsets in the order in which they are run.
    instrument
        Instrument that it is for; None for any.
    """

    description: str
    tasks: dict[str, TaskDescription] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    contracts: list[Contract] = field(default_factory=list)
    subsets: dict[str, Subset] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    instrument: str | None = None

    def keep(self, labels: set[str], *, edit_subsets: bool) -> None:
        """Leave out all other tasks, their contracts, and subsets (or their places in them)."""
        self.tasks = {label: task for label, task in self.tasks.items() if label in labels}
        self.contracts = [c for c in self.contracts if c.labels() <= labels]
        kept = {}
        for name, subset in self.subsets.items():
            left = tuple(label for label in subset.labels if label in labels)
            if left == subset.labels or (edit_subsets and left):
                kept[name] = replace(subset, labels=left)
        self.subsets = kept
        self.steps = [step for step in self.steps if step.label in kept]

    def add(self, other: Self) -> None:
        """Bring in what a file imports; what is here already has come from another import.

        Raises
        ------
        PipelineError
            Raised if both have a label, a subset or an instrument and they differ.
        """
        for what, mine, theirs in (
            ("task", self.tasks, other.tasks),
            ("subset", self.subsets, other.subsets),
            ("parameter", self.parameters, other.parameters),
        ):
            for name in mine.keys() & theirs.keys():
                if mine[name] != theirs[name]:
                    raise PipelineError(f"two imports have a {what} {name!r}; exclude one, or rename it")
            mine.update(theirs)  # type: ignore[arg-type]
        self.contracts += [c for c in other.contracts if c not in self.contracts]
        self.steps += [step for step in other.steps if step not in self.steps]
        if self.instrument and other.instrument and self.instrument != other.instrument:
            raise PipelineError(f"it is for {self.instrument}, and imports what is for {other.instrument}")
        self.instrument = self.instrument or other.instrument


def read_pipeline(path: Path, ready: Mapping[str, Path] | None = None) -> PipelineDescription:
    """Read a pipeline and what it imports.

    Parameters
    ----------
    path
        YAML file; environment variables in it are expanded.
    ready
        Files of the pipelines that can be imported by name.

    Raises
    ------
    PipelineError
        Raised if a file cannot be read, or does not say what a pipeline says.
    """
    return _Reader(ready or {}).read(path)


def parse_pipeline(values: Any, ready: Mapping[str, Path] | None = None) -> PipelineDescription:
    """Make a pipeline of plain values; see `read_pipeline`. Paths in it start at the working directory."""
    return _Reader(ready or {}).parse(values, Path(), "the pipeline")


class _TaskEntry(BaseModel):
    """A task as the file gives it."""

    model_config = ConfigDict(extra="forbid")

    task_class: str = Field(alias="class")
    config: dict[str, Any] | list[dict[str, Any]] = {}


class _ImportEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    location: str
    include: str | list[str] | None = None
    exclude: str | list[str] | None = None
    importContracts: bool = True
    instrument: str | None = None
    labeledSubsetModifyMode: Literal["DROP", "EDIT"] = "DROP"
    rename: dict[str, str] = {}


class _ContractEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contract: str
    msg: str = ""


class _SubsetEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    subset: list[str]
    description: str = ""
    dimensions: list[str] = []


class _StepEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: str
    dimensions: list[str] = []


class _PipelineFile(BaseModel):
    """A pipeline as the file gives it."""

    model_config = ConfigDict(extra="forbid")

    description: str
    instrument: str | None = None
    tasks: dict[str, _TaskEntry | str] = {}
    imports: str | list[str | _ImportEntry] = []
    parameters: dict[str, Any] = {}
    contracts: list[str | _ContractEntry] = []
    subsets: dict[str, list[str] | _SubsetEntry] = {}
    steps: list[_StepEntry] = []


class _Reader:
    """Reads a file and those that it imports; knows which ones are open, to find circles."""

    def __init__(self, ready: Mapping[str, Path]) -> None:
        self._ready = ready
        self._open: list[Path] = []

    def read(self, path: Path) -> PipelineDescription:
        place = path.resolve()
        if place in self._open:
            told = " -> ".join(str(p) for p in [*self._open[self._open.index(place) :], place])
            raise PipelineError(f"the pipeline imports itself: {told}")
        try:
            values = load_yaml(path.read_bytes(), str(path))
        except OSError as error:
            raise PipelineError(f"cannot read the pipeline {path}: {error.strerror}") from error
        except FileFormatError as error:
            raise PipelineError(str(error)) from error
        self._open.append(place)
        try:
            return self.parse(values, path.parent, str(path))
        except PipelineError as error:
            if not getattr(error, "__notes__", ()):
                error.add_note(f"in the pipeline {path}")
            raise
        finally:
            self._open.pop()

    def parse(self, values: Any, folder: Path, source: str) -> PipelineDescription:
        """Return what plain values say, with what they import."""
        given = _validated(values)
        result = PipelineDescription(given.description)
        imports = [given.imports] if isinstance(given.imports, str) else given.imports
        for wanted in imports:
            result.add(self._imported(wanted, folder))
        if given.instrument and result.instrument and given.instrument != result.instrument:
            raise PipelineError(f"it is for {given.instrument}, and imports what is for {result.instrument}")
        result.instrument = given.instrument or result.instrument
        for label, task in given.tasks.items():
            result.tasks[label] = _merged(result.tasks.get(label), _task(label, task, folder, source))
        result.parameters |= given.parameters
        result.contracts += [_contract(entry, source) for entry in given.contracts]
        for name, labels in given.subsets.items():
            subset = labels if isinstance(labels, _SubsetEntry) else _SubsetEntry(subset=labels)
            result.subsets[name] = Subset(tuple(subset.subset), subset.description, tuple(subset.dimensions))
        result.steps += [Step(step.label, tuple(step.dimensions)) for step in given.steps]
        _check_names(result)
        return result

    def _imported(self, entry: str | _ImportEntry, folder: Path) -> PipelineDescription:
        wanted = _ImportEntry(location=entry) if isinstance(entry, str) else entry
        result = self.read(self._located(wanted.location, folder))
        include, exclude = (_labels(result, names) for names in (wanted.include, wanted.exclude))
        if include is not None and exclude is not None:
            raise PipelineError(f"the import of {wanted.location} has include and exclude; write one")
        kept = set(result.tasks) if include is None else include
        result.keep(kept - (exclude or set()), edit_subsets=wanted.labeledSubsetModifyMode == "EDIT")
        if not wanted.importContracts:
            result.contracts = []
        result.instrument = wanted.instrument or result.instrument
        return _renamed(result, wanted.rename)

    def _located(self, location: str, folder: Path) -> Path:
        """Return the file of an import: a ready pipeline, or a path from the importing file."""
        path = folder / os.path.expandvars(location)
        if path.exists():
            return path
        if location in self._ready:
            return self._ready[location]
        raise PipelineError(f"no pipeline {location!r} to import{did_you_mean(location, self._ready)}")


def _validated(values: Any) -> _PipelineFile:
    """Check the form of a file."""
    if isinstance(values, Mapping):
        for name in values:
            if name in _REFUSED:
                raise PipelineError(f"{name} is not known here: {_REFUSED[name]}")
            if name not in _PipelineFile.model_fields:
                raise PipelineError(
                    f"unknown key {name!r}{did_you_mean(str(name), _PipelineFile.model_fields)}"
                )
    try:
        given = _PipelineFile.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        told = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults]
        raise PipelineError(
            "; ".join(told).removeprefix(": ") + ("" if faults[0]["loc"] else " (the pipeline)")
        ) from error
    if not given.tasks and not given.imports:
        raise PipelineError("the pipeline has neither tasks nor imports")
    return given


def _task(label: str, entry: _TaskEntry | str, folder: Path, source: str) -> TaskDescription:
    """Return a task with its settings."""
    if isinstance(entry, str):
        return TaskDescription(entry)
    given = [entry.config] if isinstance(entry.config, dict) else entry.config
    where = f"{source}, tasks.{label}"
    return TaskDescription(entry.task_class, tuple(_block(values, folder, where) for values in given))


def _block(values: Mapping[str, Any], folder: Path, source: str) -> ConfigBlock:
    """Return settings in the order in which they apply: those of files, then fields."""
    fields = dict(values)
    if "python" in fields:
        raise PipelineError(f"{source}: {_REFUSED['python']}")
    data_id = fields.pop("dataId", {})
    if not isinstance(data_id, dict) or set(data_id) - {"instrument"}:
        raise PipelineError(f"{source}: dataId can name an instrument alone, not {data_id!r:.60}")
    files = fields.pop("file", [])
    overrides: list[Override] = []
    for name in [files] if isinstance(files, str) else files:
        overrides += read_overrides(folder / os.path.expandvars(name))
    return ConfigBlock((*overrides, *flattened(fields, source)), data_id.get("instrument"))


def _merged(known: TaskDescription | None, added: TaskDescription) -> TaskDescription:
    """Return a task of the importing file over the imported one of its label."""
    if known is None or known.task_class != added.task_class:
        return added
    return replace(known, blocks=(*known.blocks, *added.blocks))


def _contract(entry: str | _ContractEntry, source: str) -> Contract:
    given = _ContractEntry(contract=entry) if isinstance(entry, str) else entry
    return Contract(given.contract, given.msg, source)


def _labels(description: PipelineDescription, names: str | Sequence[str] | None) -> set[str] | None:
    """Return the labels that labels and names of subsets stand for."""
    if names is None:
        return None
    found: set[str] = set()
    known = [*description.tasks, *description.subsets]
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise PipelineError(f"no task or subset {name!r} to import{did_you_mean(name, known)}")
        found |= set(description.subsets[name].labels) if name in description.subsets else {name}
    return found


def _renamed(description: PipelineDescription, names: Mapping[str, str]) -> PipelineDescription:
    """Return a pipeline with other labels; contracts follow, as far as they name them."""
    for old in names:
        if old not in description.tasks:
            raise PipelineError(f"no task {old!r} to rename{did_you_mean(old, description.tasks)}")
    tasks = {names.get(label, label): task for label, task in description.tasks.items()}
    if len(tasks) < len(description.tasks):
        raise PipelineError(f"renaming {dict(names)!r} gives two tasks one label")
    subsets = {
        name: replace(subset, labels=tuple(names.get(label, label) for label in subset.labels))
        for name, subset in description.subsets.items()
    }
    contracts = [contract.renamed(names) for contract in description.contracts]
    return replace(description, tasks=tasks, subsets=subsets, contracts=contracts)


def _check_names(description: PipelineDescription) -> None:
    """Refuse names that stand for two things, or for none."""
    if _RESERVED in description.tasks:
        raise PipelineError(f"{_RESERVED!r} is no label for a task")
    for name, subset in description.subsets.items():
        if name in description.tasks:
            raise PipelineError(f"{name!r} is a task and a subset")
        for label in subset.labels:
            if label not in description.tasks:
                hint = did_you_mean(label, description.tasks)
                raise PipelineError(f"the subset {name!r} has no task {label!r}{hint}")
    for step in description.steps:
        if step.label not in description.subsets:
            hint = did_you_mean(step.label, description.subsets)
            raise PipelineError(f"the step {step.label!r} is no subset{hint}")
