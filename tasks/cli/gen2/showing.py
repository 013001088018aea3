"""What ``--show`` of a Gen2 command prints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Any, Final

import click

from butler.errors import did_you_mean
from connections import Pipeline, QuantumGraph, history_lines

from ...config import Config, ConfigurableField
from .selection import Selection

__all__ = ["check_items", "show_config", "show_data"]

_ITEMS: Final = ("config", "data", "history", "run", "tasks")


def check_items(items: Iterable[str]) -> None:
    """Refuse what cannot be shown.

    Raises
    ------
    ClickException
        Raised for an item that there is not, or for a history of nothing.
    """
    for item in items:
        name, _, pattern = item.partition("=")
        if name not in _ITEMS:
            raise click.ClickException(f"--show has no {name!r}{did_you_mean(name, _ITEMS)}")
        if name == "history" and not pattern:
            raise click.ClickException("--show history needs the name of a field: --show history=GLOB")


def show_config(pipeline: Pipeline, items: Iterable[str]) -> None:
    """Print what is to be shown of the config and the subtasks.

    The config is printed as ``-C`` reads it from a ``.py`` file.
    """
    for item in items:
        name, _, pattern = item.partition("=")
        match name:
            case "config":
                _echo(_config_lines(pipeline, pattern))
            case "history":
                _echo(history_lines(pipeline, pattern))
            case "tasks":
                told = sorted(_subtask_lines(pipeline), key=lambda line: line.partition(":")[0])
                _echo(["Subtasks:", *told])


def show_data(graph: QuantumGraph, selection: Selection) -> None:
    """Print the data IDs of the quanta, and of the detector images that were selected for them."""
    for name, data_ids in (("id", [q.dataId for q in graph.quanta]), ("selectId", selection.images)):
        _echo(f"{name} dataRef.dataId = {dict(data_id)}" for data_id in data_ids)


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _config_lines(pipeline: Pipeline, glob: str) -> Iterator[str]:
    """Yield the fields whose names end as a glob says, each after what it means."""
    glob, flag, _ = glob.partition(":NOIGNORECASE")
    pattern = re.compile(translate(f"*{glob}" if glob else "*"), 0 if flag else re.IGNORECASE)
    for prefix, config in _configs(pipeline):
        for name, value, doc in _fields(config, config.to_simple(), prefix):
            if pattern.match(name):
                if doc:
                    yield f"# {doc}"
                task = name.removesuffix(".target")
                yield f"{name}={value!r}" if task == name else f"{task}.retarget({value!r})"


def _configs(pipeline: Pipeline) -> Iterator[tuple[str, Any]]:
    """Yield the configs of the tasks, and what the names of their fields begin with."""
    for node in pipeline.nodes:
        yield "config" if node is pipeline.nodes[0] else f"config.{node.label}", node.config


def _fields(config: Config, simple: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Yield name, plain value and meaning of all fields."""
    for name, entry in type(config).model_fields.items():
        path, value, doc = f"{prefix}.{name}", getattr(config, name), entry.description or ""
        if isinstance(value, ConfigurableField):
            yield f"{path}.target", value.target, doc
            yield from _fields(value.value, simple[name]["value"], path)
        elif isinstance(value, Config):
            yield from _fields(value, simple[name], path)
        else:
            yield path, simple[name], doc


def _subtask_lines(pipeline: Pipeline) -> Iterator[str]:
    for prefix, config in _configs(pipeline):
        for name, value, _ in _fields(config, config.to_simple(), prefix):
            if name.endswith(".target"):
                yield f"{name.removeprefix('config.').removesuffix('.target')}: {value.replace(':', '.')}"
