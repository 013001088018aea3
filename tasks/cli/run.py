"""``pipetask qgraph`` and ``pipetask run``: build the quantum graph of a pipeline; execute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from butler import Butler
from connections import QuantumGraph, RunCollections

from .build import show, show_option
from .graph_options import GraphRequest, graph_options
from .init_options import init_options
from .pipeline_options import PipelineCommand

if TYPE_CHECKING:
    from ..execution import InitOptions, QuantumReport, RunReport

__all__ = ["qgraph", "run"]


@click.command(cls=PipelineCommand)
@graph_options
@show_option
def qgraph(request: GraphRequest, items: tuple[str, ...]) -> None:
    """Build a quantum graph and list its quanta; nothing is run, and nothing changes."""
    with Butler(request.repo) as butler:
        place, graph = request.build(butler)
    for item in items:
        show(graph.pipeline, item)
    if not items:
        for quantum in graph.quanta:
            click.echo(str(quantum))
    _print_plan(graph)
    click.echo(f"outputs will be in the run {place.run}", err=True)


@click.command(cls=PipelineCommand)
@graph_options
@click.option(
    "--prune-replaced",
    type=click.Choice(["unstore", "purge"]),
    help="With --replace-run: delete the files of the replaced run, or all of it.",
)
@init_options
@click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--debug", is_flag=True, help="Print tracebacks of failed quanta.")
def run(
    request: GraphRequest,
    prune_replaced: str | None,
    init: InitOptions,
    init_only: bool,
    processes: int,
    debug: bool,
) -> None:
    """Build the quantum graph of a pipeline and execute it."""
    from ..execution import prepare_run, run_graph

    if prune_replaced and not request.replace_run:
        raise click.UsageError("--prune-replaced needs --replace-run")
    with Butler(request.repo, writeable=True) as butler:
        place, graph = request.build(butler)
        _print_plan(graph)
        # What cannot be prepared must not leave a run in the chain; what is prepared is only compared again.
        prepare_run(graph, butler, init)
        place.apply(butler)
        if place.replaced is not None and prune_replaced is not None:
            _prune(butler, place.replaced, prune_replaced)
        if init_only:
            click.echo(f"run {place.run} is prepared; --extend-run goes on with it", err=True)
            return
        with tqdm(total=len(graph.quanta), desc="quanta", delay=1, leave=False) as bar:

            def step(_: QuantumReport) -> None:
                bar.update()

            report = run_graph(graph, butler, processes=processes, init=init, on_report=step)
    _print_report(report, place, debug=debug)
    if not report.succeeded:
        raise click.exceptions.Exit(1)


def _prune(butler: Butler, run: str, how: str) -> None:
    """Delete the files of a replaced run, or all of it."""
    if how == "purge":
        butler.removeRuns([run])
        return
    refs = butler.query_all_datasets(run, find_first=False)
    butler.pruneDatasets(refs, disassociate=False, unstore=True)


def _print_plan(graph: QuantumGraph) -> None:
    for label, count in graph.count_by_label().items():
        skipped = graph.n_skipped.get(label, 0)
        told = f" ({skipped} done before)" if skipped else ""
        click.echo(f"{label}: {count} quanta{told}", err=True)
    if not graph.quanta:
        click.echo("nothing to do: all was done before", err=True)


def _print_report(report: RunReport, place: RunCollections, *, debug: bool) -> None:
    from ..execution import QuantumStatus

    for label, counts in report.counts().items():
        told = ", ".join(f"{counts[status]} {status}" for status in QuantumStatus if counts[status])
        click.echo(f"{label}: {told}", err=True)
    for failure in report.failures:
        click.echo(f"failed: {failure.quantum}: {failure.message}", err=True)
        if debug:
            click.echo(failure.details, err=True)
    click.echo(f"outputs are in {place.chain or place.run}", err=True)
