"""``pipetask qgraph`` and ``pipetask run``: build the quantum graph of a pipeline; execute it."""

from __future__ import annotations

import click

from butler import Butler
from connections import QuantumGraph

from .build import show, show_option
from .graph_options import GraphRequest, graph_options
from .pipeline_options import PipelineCommand
from .run_options import RunRequest, run_options

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
@run_options
def run(request: GraphRequest, prune_replaced: str | None, how: RunRequest) -> None:
    """Build the quantum graph of a pipeline and execute it.

    The exit status is 0 if no quantum failed, also if there was nothing to do; 1 if one failed; 2 if the
    command line is wrong; 20 with --fail-fast if the failure would repeat itself, 21 if a quantum is invalid;
    130 after Ctrl-C.
    """
    if prune_replaced and not request.replace_run:
        raise click.UsageError("--prune-replaced needs --replace-run")
    with Butler(request.repo, writeable=True) as butler:
        place, graph = request.build(butler)
        _print_plan(graph)
        place.apply(butler)
        if place.replaced is not None and prune_replaced is not None:
            _prune(butler, place.replaced, prune_replaced)
        report = how.execute(graph, butler)
    click.echo(f"outputs are in {place.chain or place.run}", err=True)
    if report.exit_code:
        raise click.exceptions.Exit(report.exit_code)


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
