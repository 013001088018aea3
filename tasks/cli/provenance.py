"""The command ``butler provenance``: what a dataset was made of, or what was made of it."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from butler.cli.arguments import open_butler, repository_argument, words_option
from butler.cli.command import command
from butler.cli.output import printable
from butler.cli.selection import Selection, where_option
from butler.errors import DatasetNotFoundError

if TYPE_CHECKING:
    from butler import Butler, DatasetRef
    from connections import QuantumGraph
    from connections.provenance import ProvenanceGraph

__all__ = ["provenance"]

_MAX_TOLD = 3


@command("provenance")
@repository_argument
@click.argument("dataset")
@click.argument("data_id", nargs=-1, metavar="[KEY=VALUE]...")
@words_option("--collections", help="Collections to search, in order; all runs, newest first, if not given.")
@where_option
@click.option("--descendants", is_flag=True, help="What was made of it, rather than what it was made of.")
@click.option("--depth", type=click.IntRange(min=1), help="Most quanta from the dataset.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="A tree, or W3C PROV-JSON.",
)
@click.option("--replay", type=click.Path(path_type=Path), help="File for the graph that makes it again.")
@click.option("--output-run", help="With --replay: name of the RUN that it is made again in.")
@click.option("--whole", is_flag=True, help="With --replay: make all again that is not an input of all.")
@words_option("--trust", help="With --replay: packages beside ours whose tasks may be imported.")
def provenance(
    repo: str,
    dataset: str,
    data_id: tuple[str, ...],
    collections: list[str],
    where: str,
    descendants: bool,
    depth: int | None,
    style: str,
    replay: Path | None,
    output_run: str | None,
    whole: bool,
    trust: list[str],
) -> None:
    """Show which quanta and datasets are behind a dataset: by whom it was made, when, of what.

    DATASET is the name of a dataset type, with a data ID behind it, or a UUID, also of a dataset that was
    removed. What was ingested or put was made by no quantum; what is gone is marked so.

    With --replay nothing is shown: the quantum graph that makes the dataset again, and of its inputs those
    that are not stored any more, is saved; `pipetask run -g FILE` runs it.
    """
    from connections.provenance import provenance as find_provenance
    from connections.provenance import to_prov, tree_lines

    if bool(replay) != bool(output_run) or ((whole or trust) and not replay):
        raise click.UsageError("--replay FILE needs --output-run RUN; --whole and --trust belong to it")
    if replay and (descendants or depth):
        raise click.UsageError("--replay goes up as far as it must; leave --descendants and --depth out")
    with open_butler(repo) as butler:
        wanted = _dataset(butler, dataset, data_id, collections, where)
        graph = find_provenance(butler, wanted, descendants=descendants, depth=depth)
        if replay and output_run:
            _save_replay(butler, graph, replay, output_run, whole=whole, trust=trust)
            return
    if style == "json":
        click.echo(json.dumps(to_prov(graph), indent=1))
        return
    for line in tree_lines(graph, descendants=descendants):
        click.echo(printable(line))
    n_gone = len(graph.gone())
    told = f", {n_gone} of them gone" if n_gone else ""
    click.echo(f"{len(graph.quanta)} quanta, {len(graph.datasets)} datasets{told}", err=True)


def _save_replay(
    butler: Butler, graph: ProvenanceGraph, path: Path, run: str, *, whole: bool, trust: Sequence[str]
) -> None:
    """Save the graph that makes the targets of a provenance graph again.

    Raises
    ------
    RunCollectionsError
        Raised if the run exists.
    QuantumGraphError
        Raised as by `replay`, or if it has a task with several configs.
    """
    from connections import QuantumGraphError, RunCollections, RunCollectionsError, save_graph
    from connections.provenance import replay

    from ..records import version_differences, versions_in_use

    if run in butler.collections.query("*"):
        raise RunCollectionsError(f"there is a collection {run!r}; what is made again needs a new run")
    plan = replay(graph, butler, run, whole=whole, trusted=["tasks", *trust])
    written = Counter(kind.name for node in plan.pipeline.nodes for kind in node.outputs.values())
    if several := [name for name, count in written.items() if count > 1]:
        raise QuantumGraphError(
            f"{', '.join(several)} came of several configs of a task, and a saved graph has one of each; "
            "leave --whole out, or run what connections.provenance.replay returns"
        )
    known = {dataset.run for dataset in graph.datasets.values()}
    inputs = [name for name in butler.collections.query("*") if name in known]
    save_graph(plan, path, RunCollections(run, tuple(inputs)), str(butler.registry.repository_id))
    for label, count in plan.count_by_label().items():
        click.echo(f"{label}: {count} quanta", err=True)
    now = versions_in_use(node.task_class_name for node in plan.pipeline.nodes)
    differing = {
        line for record in graph.quanta.values() for line in version_differences(record.task.versions, now)
    }
    for line in sorted(differing):
        click.echo(f"made with another version (then -> now): {line}", err=True)
    if lines := _config_differences(graph, plan):
        click.echo("\n".join(["made with another config than what is run now:", *lines]), err=True)
    click.echo(f"pipetask run -b {butler.root} -g {path} makes it again, in the run {run}", err=True)


def _config_differences(graph: ProvenanceGraph, plan: QuantumGraph) -> list[str]:
    """Return what is different of the configs of tasks: fields that they did not have then."""
    from connections import ConfigRecord

    nodes = {node.label: node for node in plan.pipeline.nodes}
    tasks = {
        record.task.digest: record.task for record in graph.quanta.values() if record.task.label in nodes
    }
    return [
        line
        for task in tasks.values()
        for line in ConfigRecord(task.label, task.task_class, task.config).differences(
            ConfigRecord.of(nodes[task.label]), task.run
        )
    ]


def _dataset(
    butler: Butler, name: str, data_id: tuple[str, ...], collections: list[str], where: str
) -> DatasetRef | uuid.UUID:
    """Return the one dataset that is meant.

    Raises
    ------
    DatasetNotFoundError
        Raised if several are.
    """
    try:
        return uuid.UUID(name)
    except ValueError:
        pass
    selection = Selection(
        types=[name], collections=collections, where=where, data_id=data_id, find_first=True
    )
    found = selection.find(butler)
    if len(found) > 1:
        told = "; ".join(str(ref.dataId) for ref in found[:_MAX_TOLD])
        raise DatasetNotFoundError(f"{len(found)} datasets {name} are meant, name one of them: {told}, ...")
    return found[0]
