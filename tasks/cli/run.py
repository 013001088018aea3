"""``pipetask run``: build the quantum graph of a pipeline, or load it; execute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from butler import Butler
from connections import RunCollections

from .graph_options import GraphRequest, graph_options
from .init_options import init_options
from .pipeline_options import PipelineCommand
from .qgraph import print_plan

if TYPE_CHECKING:
    from ..execution import InitOptions, QuantumReport, RunReport

__all__ = ["run"]


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
    """Build the quantum graph of a pipeline, or load it with -g, and execute it."""
    from ..execution import prepare_run, run_graph

    if prune_replaced and not request.replace_run:
        raise click.UsageError("--prune-replaced needs --replace-run")
    with Butler(request.repo, writeable=True) as butler:
        place, graph = request.build(butler, check_versions=init.save_versions)
        print_plan(graph.count_by_label(), graph.n_skipped, graph.dropped)
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
