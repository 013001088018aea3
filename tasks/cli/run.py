"""``pipetask run``: build the quantum graph of a pipeline, or load it; execute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from butler import Butler

from .graph_options import GraphRequest, graph_options
from .init_options import init_options
from .pipeline_options import PipelineCommand
from .qgraph import print_plan
from .run_options import RunRequest, run_options

if TYPE_CHECKING:
    from ..execution import InitOptions

__all__ = ["run"]


@click.command(cls=PipelineCommand)
@graph_options
@click.option(
    "--prune-replaced",
    type=click.Choice(["unstore", "purge"]),
    help="With --replace-run: delete the files of the replaced run, or all of it.",
)
@init_options
@run_options
def run(
    request: GraphRequest, prune_replaced: str | None, init: InitOptions, init_only: bool, how: RunRequest
) -> None:
    """Build the quantum graph of a pipeline, or load it with -g, and execute it.

    The exit status is 0 if no quantum failed, also if there was nothing to do; 1 if one failed; 2 if the
    command line is wrong; 20 with --fail-fast if the failure would repeat itself, 21 if a quantum is invalid;
    130 after Ctrl-C.
    """
    from ..execution import prepare_run

    if prune_replaced and not request.replace_run:
        raise click.UsageError("--prune-replaced needs --replace-run")
    how.check()
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
        report = how.execute(graph, butler, init)
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
