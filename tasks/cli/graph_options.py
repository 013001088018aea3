"""The options that make a quantum graph of a pipeline, the same for every command that needs one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from butler import Butler
from connections import QuantumGraph, RunCollections, build_graph

from .pipeline_options import PipelineRequest, pipeline_options

__all__ = ["GraphRequest", "graph_options"]


@dataclass(frozen=True)
class GraphRequest:
    """A quantum graph as a command line asks for it; the fields are the options' values."""

    pipeline: PipelineRequest
    repo: Path
    inputs: tuple[str, ...]
    output: str | None
    output_run: str | None
    extend_run: bool
    replace_run: bool
    rebase: bool
    resume: bool
    data_query: str
    skip_existing: bool
    skip_existing_in: tuple[str, ...]
    clobber_outputs: bool

    def build(self, butler: Butler) -> tuple[RunCollections, QuantumGraph]:
        """Find the collections and build the graph; the repository is not changed.

        Raises
        ------
        ButlerUserError
            Raised if there is anything wrong with the pipeline, the collections or the graph.
        """
        pipeline = self.pipeline.load(_only_instrument(butler))
        place = RunCollections.make(
            butler,
            _names(self.inputs),
            output=self.output,
            output_run=self.output_run,
            extend_run=self.extend_run,
            replace_run=self.replace_run,
            rebase=self.rebase,
            resume=self.resume,
        )
        graph = build_graph(
            pipeline,
            butler,
            collections=place.inputs,
            run=place.run,
            where=self.data_query,
            skip_existing=self.skip_existing or self.extend_run or self.resume,
            skip_existing_in=_names(self.skip_existing_in),
            clobber_outputs=self.clobber_outputs or self.resume,
        )
        return place, graph


_OPTIONS = (
    click.option(
        "-b", "--butler-config", "repo", required=True, type=click.Path(path_type=Path), help="Repository."
    ),
    pipeline_options,
    click.option("-i", "--input", "inputs", multiple=True, help="Input collections, in order."),
    click.option("-o", "--output", help="Output chain; a RUN named after the time is put first into it."),
    click.option("--output-run", help="Name of the RUN for the outputs."),
    click.option("--resume", is_flag=True, help="Go on with the newest run: do what was not done."),
    click.option("--extend-run", is_flag=True, help="Write into the newest run of the chain."),
    click.option("--replace-run", is_flag=True, help="Take the newest run out of the chain."),
    click.option("--rebase", is_flag=True, help="Put inputs behind the runs of the chain."),
    click.option("-d", "--data-query", default="", help="Condition on data IDs."),
    click.option("--skip-existing", is_flag=True, help="Leave out what has succeeded in the run."),
    click.option("--skip-existing-in", multiple=True, help="Leave out what has succeeded in collections."),
    click.option("--clobber-outputs", is_flag=True, help="Replace outputs that the run has already."),
)


def graph_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a quantum graph; the function gets a `GraphRequest` as ``request``."""

    @functools.wraps(function)
    def command(**options: Any) -> Any:
        given = {entry.name: options.pop(entry.name) for entry in fields(GraphRequest)}
        return function(request=GraphRequest(**given), **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _names(given: tuple[str, ...]) -> list[str]:
    """Split lists of collections."""
    return [name for text in given for name in text.split(",") if name]


def _only_instrument(butler: Butler) -> str | None:
    """Return the instrument of a repository; None if there are more, or none."""
    names = [record.name for record in butler.query_dimension_records("instrument", explain=False)]
    return names[0] if len(names) == 1 else None
