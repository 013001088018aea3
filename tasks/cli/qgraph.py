"""``pipetask qgraph``: build the quantum graph of a pipeline, or read one; show it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from butler import Butler, DatasetRef
from butler.cli import print_rows
from connections import (
    DroppedQuanta,
    GraphFile,
    Pipeline,
    Quantum,
    QuantumGraph,
    RunCollections,
    graph_summary,
    plan_lines,
    quanta_lines,
    task_summaries,
    workflow_lines,
)

from .build import SHOWN_OF_PIPELINES, show, show_option
from .graph_options import GraphRequest, graph_options
from .pipeline_options import PipelineCommand

__all__ = ["print_plan", "qgraph"]

_SHOWN = ("graph", "inputs", "uri", "workflow")


@dataclass(frozen=True)
class _Plan:
    """What is shown of a graph; of one in a file, no task is imported for it."""

    place: RunCollections
    quanta: Sequence[Quantum]
    counts: dict[str, int]
    n_skipped: dict[str, int]
    dropped: tuple[DroppedQuanta, ...]
    pipeline: Pipeline | None

    @classmethod
    def of_graph(cls, place: RunCollections, graph: QuantumGraph) -> _Plan:
        """Return what is shown of a graph that was built."""
        return cls(
            place,
            graph.quanta,
            graph.count_by_label(),
            dict(graph.n_skipped),
            tuple(graph.dropped),
            graph.pipeline,
        )

    @classmethod
    def of_file(cls, file: GraphFile, quanta: Sequence[Quantum]) -> _Plan:
        """Return what is shown of some quanta of a file."""
        counts = dict.fromkeys(file.header.tasks, 0)
        for quantum in quanta:
            counts[quantum.label] += 1
        return cls(file.place, quanta, counts, file.header.n_skipped, file.dropped, None)


@click.command(cls=PipelineCommand)
@graph_options
@show_option((*_SHOWN, *SHOWN_OF_PIPELINES))
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False), help="Write numbers and reasons as JSON."
)
@click.option("--summary-table", is_flag=True, help="Print numbers for each task instead of the quanta.")
def qgraph(request: GraphRequest, items: tuple[str, ...], summary: Path | None, summary_table: bool) -> None:
    """Build a quantum graph and list its quanta; nothing is run, and nothing changes.

    With -g a saved graph is listed as it is in its file; with -q as well, what was chosen of it is checked
    and saved.
    """
    with Butler(request.repo) as butler:
        plan = _plan(request, butler)
        for item in items:
            _show(plan, item, butler)
    if summary_table:
        _print_table(plan)
    elif not items:
        for quantum in plan.quanta:
            click.echo(str(quantum))
    if summary is not None:
        command = shlex.join(sys.argv)
        told = graph_summary(
            plan.quanta, plan.place, command=command, n_skipped=plan.n_skipped, dropped=plan.dropped
        )
        summary.write_text(json.dumps(told, indent=1), encoding="utf-8")
    print_plan(plan.counts, plan.n_skipped, plan.dropped)
    if plan.quanta:
        click.echo(f"outputs will be in the run {plan.place.run}", err=True)


def print_plan(
    counts: Mapping[str, int], n_skipped: Mapping[str, int], dropped: Sequence[DroppedQuanta]
) -> None:
    """Say on the standard error what is to be done, what was done before, and what has no work."""
    for line in plan_lines(counts, n_skipped, dropped):
        click.echo(line, err=True)
    if not any(counts.values()):
        click.echo("nothing to do: all was done before", err=True)


def _plan(request: GraphRequest, butler: Butler) -> _Plan:
    if request.saved is None or request.charts.save_qgraph is not None:
        return _Plan.of_graph(*request.build(butler))
    with request.saved.open() as file:
        labels = request.saved.labels
        wanted = file.labels(labels) if labels else None
        quanta = list(file.quanta(ids=request.saved.quanta, labels=wanted, data_id=request.saved.choices))
        return _Plan.of_file(file, quanta)


def _show(plan: _Plan, item: str, butler: Butler) -> None:
    match item:
        case "graph":
            _print(quanta_lines(plan.quanta))
        case "workflow":
            _print(workflow_lines(plan.quanta))
        case "inputs":
            _print(map(str, _read(plan.quanta)))
        case "uri":
            written = [ref for quantum in plan.quanta for ref in quantum.output_refs()]
            for ref in (*_read(plan.quanta), *written):
                click.echo(f"{ref}: {butler.getURI(ref, predict=True)}")
        case _ if plan.pipeline is not None:
            show(plan.pipeline, item)
        case _:
            raise click.UsageError(f"of a saved graph --show takes {', '.join(_SHOWN)}, not {item!r}")


def _read(quanta: Iterable[Quantum]) -> list[DatasetRef]:
    """Return the datasets that quanta read and none of them makes."""
    made = {ref.id for quantum in quanta for ref in quantum.output_refs()}
    read = {ref.id: ref for quantum in quanta for ref in quantum.input_refs() if ref.id not in made}
    return sorted(read.values())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _print_table(plan: _Plan) -> None:
    rows = []
    summaries = task_summaries(plan.quanta)
    for label, count in plan.counts.items():
        mine = summaries.get(label)
        n_inputs, n_outputs = (mine["numInputs"].total(), mine["numOutputs"].total()) if mine else (0, 0)
        n_dropped = sum(entry.count for entry in plan.dropped if entry.label == label)
        rows.append((label, count, plan.n_skipped.get(label, 0), n_dropped, n_inputs, n_outputs))
    print_rows(("task", "quanta", "done before", "no work", "inputs", "outputs"), rows, "table")
