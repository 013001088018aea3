"""``pipetask run``: build the quantum graph of a pipeline and execute it."""

from __future__ import annotations

import datetime
from pathlib import Path

import click
from tqdm import tqdm

from butler import Butler, CollectionType
from butler.errors import ButlerUserError, CollectionTypeError
from connections import QuantumGraph, build_graph

from .pipeline_options import PipelineCommand, PipelineRequest, pipeline_options

__all__ = ["run"]


@click.command(cls=PipelineCommand)
@click.option(
    "-b", "--butler-config", "repo", required=True, type=click.Path(path_type=Path), help="Repository."
)
@pipeline_options
@click.option("-i", "--input", "inputs", multiple=True, help="Input collections, in order.")
@click.option("-o", "--output", help="Output chain; a RUN named after the time is put first into it.")
@click.option("--output-run", help="RUN for the outputs.")
@click.option("-d", "--data-query", default="", help="Condition on data IDs.")
@click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--skip-existing", is_flag=True, help="Leave out what the output run has already.")
@click.option("--debug", is_flag=True, help="Print tracebacks of failed quanta.")
def run(
    repo: Path,
    pipeline: PipelineRequest,
    inputs: tuple[str, ...],
    output: str | None,
    output_run: str | None,
    data_query: str,
    processes: int,
    skip_existing: bool,
    debug: bool,
) -> None:
    """Build the quantum graph of a pipeline and execute it."""
    from ..execution import QuantumReport, QuantumStatus, run_graph

    with Butler(repo, writeable=True) as butler:
        plan = pipeline.load(_only_instrument(butler))
        target, collections = _output_collections(butler, inputs, output, output_run)
        graph = build_graph(
            plan,
            butler,
            collections=collections,
            run=target,
            where=data_query,
            skip_existing=skip_existing,
        )
        _print_plan(graph)
        with tqdm(total=len(graph.quanta), desc="quanta", delay=1, leave=False) as bar:

            def step(_: QuantumReport) -> None:
                bar.update()

            report = run_graph(graph, butler, processes=processes, on_report=step)
        if output is not None:
            _put_first(butler, output, target, collections)
    for label, counts in report.counts().items():
        told = ", ".join(f"{counts[status]} {status}" for status in QuantumStatus if counts[status])
        click.echo(f"{label}: {told}", err=True)
    for failure in report.failures:
        click.echo(f"failed: {failure.quantum}: {failure.message}", err=True)
        if debug:
            click.echo(failure.details, err=True)
    click.echo(f"outputs are in {output or target}", err=True)
    if not report.succeeded:
        raise click.exceptions.Exit(1)


def _only_instrument(butler: Butler) -> str | None:
    """Return the instrument of a repository; None if there are more, or none."""
    names = [record.name for record in butler.query_dimension_records("instrument", explain=False)]
    return names[0] if len(names) == 1 else None


def _output_collections(
    butler: Butler, inputs: tuple[str, ...], output: str | None, output_run: str | None
) -> tuple[str, list[str]]:
    """Return the output run and the collections to search for inputs."""
    names = [name for given in inputs for name in given.split(",")]
    if output is None and output_run is None:
        raise click.UsageError("give -o CHAIN or --output-run RUN")
    if output is not None and butler.collections.query(output + "*"):
        known = {info.name: info for info in butler.collections.query_info("*")}
        if output in known:
            if known[output].type is not CollectionType.CHAINED:
                raise CollectionTypeError(
                    f"-o needs a chain, {output!r} is a {known[output].type} collection"
                )
            names += [child for child in known[output].children if child not in names]
    for name in names:
        butler.collections.get_info(name)
    if not names:
        raise ButlerUserError("no input collections; give them with -i")
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return output_run or f"{output}/{stamp}", names


def _put_first(butler: Butler, chain: str, run: str, collections: list[str]) -> None:
    """Make the output chain: the new run, then what it was made from."""
    with butler.transaction():
        butler.collections.register(chain, CollectionType.CHAINED)
        flat = [info.name for info in butler.collections.flatten(collections)]
        butler.collections.redefine_chain(chain, [run, *flat])


def _print_plan(graph: QuantumGraph) -> None:
    for label, count in graph.count_by_label().items():
        skipped = graph.n_skipped.get(label, 0)
        told = f" ({skipped} done before)" if skipped else ""
        click.echo(f"{label}: {count} quanta{told}", err=True)
