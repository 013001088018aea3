"""The command ``butler provenance``: what a dataset was made of, or what was made of it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import click

from butler.cli.arguments import open_butler, repository_argument, words_option
from butler.cli.command import command
from butler.cli.output import printable
from butler.cli.selection import Selection, where_option
from butler.errors import DatasetNotFoundError

if TYPE_CHECKING:
    from butler import Butler, DatasetRef

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
def provenance(
    repo: str,
    dataset: str,
    data_id: tuple[str, ...],
    collections: list[str],
    where: str,
    descendants: bool,
    depth: int | None,
    style: str,
) -> None:
    """Show which quanta and datasets are behind a dataset: by whom it was made, when, of what.

    DATASET is the name of a dataset type, with a data ID behind it, or a UUID, also of a dataset that was
    removed. What was ingested or put was made by no quantum; what is gone is marked so.
    """
    from connections.provenance import provenance as find_provenance
    from connections.provenance import to_prov, tree_lines

    with open_butler(repo) as butler:
        wanted = _dataset(butler, dataset, data_id, collections, where)
        graph = find_provenance(butler, wanted, descendants=descendants, depth=depth)
    if style == "json":
        click.echo(json.dumps(to_prov(graph), indent=1))
        return
    for line in tree_lines(graph, descendants=descendants):
        click.echo(printable(line))
    n_gone = len(graph.gone())
    told = f", {n_gone} of them gone" if n_gone else ""
    click.echo(f"{len(graph.quanta)} quanta, {len(graph.datasets)} datasets{told}", err=True)


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
