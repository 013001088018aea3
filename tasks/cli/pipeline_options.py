"""The options that make a pipeline, the same for every command that needs one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from butler import ButlerUserError
from butler.errors import did_you_mean
from butler.safe_yaml import load_yaml
from connections import Override, Pipeline, PipelineError, read_overrides
from connections.pipeline_file import PipelineDescription, TaskDescription, read_pipeline
from connections.task_class import load_task

from ..ready_pipelines import find_pipeline, ready_pipelines

__all__ = ["PipelineCommand", "PipelineRequest", "pipeline_options"]

_EDITS = ("task", "delete", "config", "config_file")


class PipelineCommand(click.Command):
    """A command with `pipeline_options`; it remembers in what order they were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse a command line; keep the names of its options, one for each time that it was given."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_EDITS[0]] = [param.name for param in order]
        return super().parse_args(ctx, args)


@dataclass(frozen=True)
class PipelineRequest:
    """A pipeline as a command line asks for it.

    Parameters
    ----------
    name
        File or name, with a selection after ``#``; None for the pipeline of the added tasks.
    instrument
        Instrument that it will run for; None if none was given.
    edits
        What is changed, ``(option, value)``, in the order in which it was given.
    cameras
        Folders with settings of cameras.
    select_tasks
        Expression for the tasks that are wanted of all that is made so; empty for all.
    """

    name: str | None
    instrument: str | None
    edits: tuple[tuple[str, str], ...]
    cameras: tuple[Path, ...] = ()
    select_tasks: str = ""

    def load(self, instrument: str | None = None) -> Pipeline:
        """Read, edit and check the pipeline.

        Parameters
        ----------
        instrument
            Instrument to take if the command line names none.

        Raises
        ------
        PipelineError, ConfigError
            Raised if there is no such pipeline, or if it cannot be run as asked for.
        click.UsageError
            Raised if none was asked for.
        """
        if self.name is None and not any(option == "task" for option, _ in self.edits):
            raise click.UsageError("give -p PIPELINE, or tasks with -t")
        stem, _, selection = (self.name or "").partition("#")
        path = find_pipeline(stem) if stem else None
        ready = ready_pipelines()
        described = read_pipeline(path, ready) if path else PipelineDescription("tasks of the command line")
        overrides = self._edit(described)
        try:
            pipeline = Pipeline.from_description(
                described,
                overrides,
                instrument=self.instrument or described.instrument or instrument,
                selection=selection,
                cameras=self.cameras,
            )
            return pipeline.select_tasks(self.select_tasks) if self.select_tasks else pipeline
        except ButlerUserError as error:
            if path:
                error.add_note(f"in the pipeline {path}")
            raise

    def _edit(self, described: PipelineDescription) -> dict[str, list[Override]]:
        """Add and delete tasks; return the settings by label."""
        overrides: dict[str, list[Override]] = {}
        for option, value in self.edits:
            if option == "task":
                label, task = _parse_task(value)
                described.tasks[label] = task
            elif option == "delete":
                _require(value, described)
                overrides.pop(value, None)
                described.keep(described.tasks.keys() - {value}, edit_subsets=True)
            else:
                label, _, text = value.partition(":")
                parse = _parse_setting if option == "config" else _parse_file
                overrides.setdefault(label, []).extend(parse(value, text))
        return overrides


def pipeline_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a pipeline; the function gets a `PipelineRequest` as ``pipeline``."""

    @click.option(
        "-p", "--pipeline", help="YAML file, or name of a ready pipeline; #LABELS or #A..B selects."
    )
    @click.option("-t", "--task", multiple=True, metavar="CLASS[:LABEL]", help="Add module:Class as a task.")
    @click.option("--delete", multiple=True, metavar="LABEL", help="Leave a task out.")
    @click.option("-c", "--config", multiple=True, metavar="LABEL:FIELD=VALUE", help="Set a field.")
    @click.option(
        "-C",
        "--config-file",
        multiple=True,
        metavar="LABEL:FILE",
        help="Set fields from YAML or assignments.",
    )
    @click.option(
        "--select-tasks",
        default="",
        metavar="EXPR",
        help="Take the tasks of an expression: LABEL, <= X, > X, ~ & | ( ); X may be a dataset type.",
    )
    @click.option("--instrument", help="Instrument whose settings apply.")
    @click.option(
        "--camera-config",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Settings of cameras, FOLDER/INSTRUMENT/TASK.yaml, which the pipeline's come after.",
    )
    @click.pass_context
    @functools.wraps(function)
    def command(ctx: click.Context, /, **options: Any) -> Any:
        name, instrument = options.pop("pipeline"), options.pop("instrument")
        cameras, select_tasks = options.pop("camera_config"), options.pop("select_tasks")
        given = {option: iter(options.pop(option)) for option in _EDITS}
        order = [option for option in ctx.meta[_EDITS[0]] if option in _EDITS]
        edits = tuple((option, next(given[option])) for option in order)
        return function(pipeline=PipelineRequest(name, instrument, edits, cameras, select_tasks), **options)

    return command


def _parse_task(text: str) -> tuple[str, TaskDescription]:
    """Read ``module:Class`` or ``module:Class:label``."""
    module, _, rest = text.partition(":")
    name, _, label = rest.partition(":")
    task_class = f"{module}:{name}"
    return label or str(load_task(task_class)._DefaultName), TaskDescription(task_class)


def _parse_setting(whole: str, text: str) -> list[Override]:
    """Read ``field=value`` of ``label:field=value``; the value is YAML."""
    field, equals, value = text.partition("=")
    if not (equals and field and value):
        raise click.UsageError(f"write -c LABEL:FIELD=VALUE, not {whole!r}")
    return [Override(field, load_yaml(value, f"the value of {whole!r}"), f"-c {whole}")]


def _parse_file(whole: str, text: str) -> list[Override]:
    if not text:
        raise click.UsageError(f"write -C LABEL:FILE, not {whole!r}")
    return read_overrides(Path(text))


def _require(label: str, described: PipelineDescription) -> None:
    if label not in described.tasks:
        raise PipelineError(f"no task {label!r} to delete{did_you_mean(label, described.tasks)}")
