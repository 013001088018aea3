"""Commands that change collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .arguments import open_butler, repository_argument, split_callback
from .command import command
from .selection import Selection, selection_options

if TYPE_CHECKING:
    from ..registry import CollectionInfo


@command("collection-chain")
@repository_argument
@click.argument("parent")
@click.argument("children", nargs=-1, callback=split_callback)
@click.option(
    "--mode",
    type=click.Choice(["redefine", "extend", "remove", "prepend", "pop"]),
    default="redefine",
    show_default=True,
    help="With pop, CHILDREN are positions from 0, the first if none is given; -1 is the last.",
)
@click.option("--flatten", is_flag=True, help="Put the children of a chain in its place.")
@click.option("--doc", help="What the chain is for.")
def collection_chain(
    repo: str, parent: str, children: list[str], mode: str, flatten: bool, doc: str | None
) -> None:
    """Define the chain PARENT, or change its CHILDREN."""
    from ..registry import CollectionType

    names = children
    with open_butler(repo, writeable=True) as butler, butler.transaction():
        if mode not in ("remove", "pop"):
            butler.collections.register(parent, CollectionType.CHAINED)
        if mode == "pop":
            names, mode = _at_positions(butler.collections.get_info(parent), names or ["0"]), "remove"
        if flatten:
            names = butler.collections.query(names, flatten_chains=True)
        edit = {
            "redefine": butler.collections.redefine_chain,
            "extend": butler.collections.extend_chain,
            "remove": butler.collections.remove_from_chain,
            "prepend": butler.collections.prepend_chain,
        }[mode]
        edit(parent, names)
        if doc is not None:
            butler.collections.set_doc(parent, doc)
        info = butler.collections.get_info(parent)
    click.echo(f"[{', '.join(info.children)}]")


def _at_positions(chain: CollectionInfo, positions: Sequence[str]) -> list[str]:
    """Return the children of a chain at some positions."""
    size = len(chain.children)
    found = []
    for text in positions:
        position = int(text) if text.removeprefix("-").isdecimal() else size
        if not -size <= position < size:
            raise click.UsageError(f"{text!r} is no position in {chain.name}, which has {size} children")
        found.append(chain.children[position])
    return found


@command("associate")
@repository_argument
@click.argument("collection")
@selection_options(find_first=True)
def associate(repo: str, collection: str, selection: Selection) -> None:
    """Put datasets into the TAGGED collection COLLECTION.

    It is made if needed.
    """
    from ..registry import CollectionType

    with open_butler(repo, writeable=True) as butler, butler.transaction():
        refs = selection.find(butler)
        butler.collections.register(collection, CollectionType.TAGGED)
        butler.registry.associate(collection, refs)
    click.echo(f"{len(refs)} datasets are in {collection}", err=True)
