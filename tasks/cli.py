"""The ``pipetask`` command: plan and run a pipeline."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from butler import Butler, CollectionType
from butler.cli import ErrorsInOneLine
from butler.errors import ButlerUserError, CollectionTypeError, did_you_mean
from butler.safe_yaml import load_yaml
from connections import Pipeline, PipelineError, QuantumGraph, build_graph

__all__ = ["load_pipeline", "main", "shipped_pipelines"]


@click.group(cls=ErrorsInOneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coadd-butler")
def main() -> None:
    """Plan and run pipelines of tasks."""


@main.command()
@click.option(
    "-b", "--butler-config", "repo", required=True, type=click.Path(path_type=Path), help="Repository."
)
@click.option(
    "-p", "--pipeline", required=True, help="YAML file, or name of a ready pipeline; #LABEL,LABEL selects."
)
@click.option("-i", "--input", "inputs", multiple=True, help="Input collections, in order.")
@click.option("-o", "--output", help="Output chain; a RUN named after the time is put first into it.")
@click.option("--output-run", help="RUN for the outputs.")
@click.option("-d", "--data-query", default="", help="Condition on data IDs.")
@click.option(
    "-c", "--config", "settings", multiple=True, metavar="LABEL:FIELD=VALUE", help="Config override."
)
@click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--skip-existing", is_flag=True, help="Leave out what the output run has already.")
@click.option("--debug", is_flag=True, help="Print tracebacks of failed quanta.")
def run(
    repo: Path,
    pipeline: str,
    inputs: tuple[str, ...],
    output: str | None,
    output_run: str | None,
    data_query: str,
    settings: tuple[str, ...],
    processes: int,
    skip_existing: bool,
    debug: bool,
) -> None:
    """Build the quantum graph of a pipeline and execute it."""
    from .execution import QuantumReport, QuantumStatus, run_graph

    plan = load_pipeline(pipeline, _parse_settings(settings))
    with Butler(repo, writeable=True) as butler:
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


@main.command()
@click.argument("directory", type=click.Path(path_type=Path), default="demo")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Directory with exposures; simulated if not given."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated survey.")
@click.option("--visit", type=int, help="Visit to draw; the one of which most was clipped if not given.")
@click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True)
def demo(directory: Path, data: Path | None, seed: int, visit: int | None, processes: int) -> None:
    """From exposures to a safe-clipped coadd and its picture, in DIRECTORY."""
    from .demo import first_light

    result = first_light(
        directory,
        load_pipeline,
        data=data,
        seed=seed,
        processes=processes,
        visit=visit,
        progress=partial(tqdm, delay=1),
    )
    click.echo(f"the picture is {result.picture}; try next:")
    for command in result.next_commands():
        click.echo(f"  {command}")


@main.command("pipelines")
def list_pipelines() -> None:
    """List the ready pipelines."""
    for name, path in shipped_pipelines().items():
        description = load_yaml(path.read_bytes(), name)["description"]
        click.echo(f"{name}: {' '.join(description.split())}")


def shipped_pipelines() -> dict[str, Path]:
    """Return the pipelines that come with the package, by name."""
    folder = Path(str(resources.files(__package__) / "pipelines"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_pipeline(name: str, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Pipeline:
    """Read a pipeline.

    Parameters
    ----------
    name
        YAML file, or name of a ready pipeline; ``#label,label`` after it selects tasks.
    overrides
        Config values by label and field path.

    Raises
    ------
    PipelineError
        Raised if there is no such pipeline or label, or its tasks do not fit together.
    ConfigError
        Raised if a config value cannot be.
    """
    stem, _, labels = name.partition("#")
    shipped = shipped_pipelines()
    if stem not in shipped and not Path(stem).exists():
        raise PipelineError(f"no pipeline {stem!r}{did_you_mean(stem, shipped)}")
    pipeline = Pipeline.from_file(shipped.get(stem, Path(stem)), overrides)
    return pipeline.only(labels.split(",")) if labels else pipeline


def _parse_settings(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Read ``label:field=value`` options; values are YAML."""
    parsed: dict[str, dict[str, Any]] = {}
    for setting in settings:
        target, equals, text = setting.partition("=")
        label, colon, field = target.partition(":")
        if not (equals and colon and field):
            raise click.UsageError(f"write -c LABEL:FIELD=VALUE, not {setting!r}")
        parsed.setdefault(label, {})[field] = load_yaml(text, f"the value of {setting!r}")
    return parsed


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
