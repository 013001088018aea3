"""Commands that list and change collections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .arguments import (
    all_runs,
    collections_option,
    format_option,
    open_butler,
    repository_argument,
    where_option,
)
from .main import main
from .output import print_rows
from .selection import select_datasets, split_names, types_option

if TYPE_CHECKING:
    from ..butler import Butler
    from ..registry import CollectionInfo


@main.command("query-collections")
@repository_argument
@click.argument("glob", nargs=-1)
@click.option(
    "--collection-type",
    "kinds",
    multiple=True,
    type=click.Choice(["run", "tagged", "chained"], case_sensitive=False),
    help="Kind to list; all by default.",
)
@click.option(
    "--chains",
    type=click.Choice(["tree", "table"]),
    default="tree",
    show_default=True,
    help="Children below their chain, or in a column; csv and json have the column.",
)
@click.option("-t", "--show-dataset-types", "with_types", is_flag=True, help="Add what each holds.")
@format_option
def query_collections(
    repo: Path, glob: tuple[str, ...], kinds: tuple[str, ...], chains: str, with_types: bool, style: str
) -> None:
    """List collections."""
    wanted = {kind.upper() for kind in kinds}
    with open_butler(repo) as butler:
        infos = butler.collections.query_info(split_names(glob) or "*", include_summary=with_types)
        infos = [info for info in infos if not wanted or info.type in wanted]
        as_tree = chains == "tree" and style == "table"
        lines = list(_tree(butler, infos, with_types)) if as_tree else [(info.name, info) for info in infos]
    header = ["Name", "Type", *([] if as_tree else ["Children"]), *(["Dataset Types"] if with_types else [])]
    rows: list[Sequence[Any]] = [
        (
            name,
            info.type.value,
            *([] if as_tree else [", ".join(info.children)]),
            *([", ".join(info.dataset_types or ())] if with_types else []),
        )
        for name, info in lines
    ]
    print_rows(header, rows, style)


def _tree(
    butler: Butler, infos: Iterable[CollectionInfo], with_types: bool
) -> Iterator[tuple[str, CollectionInfo]]:
    """Yield collections under indented names, children below their chain and only there."""
    children = {child for info in infos for child in info.children}
    waiting = [(0, info) for info in infos if info.name not in children][::-1]
    while waiting:
        depth, info = waiting.pop()
        yield "  " * depth + info.name, info
        below = butler.collections.query_info(info.children, include_summary=with_types)
        waiting += [(depth + 1, child) for child in reversed(below)]


@main.command("collection-chain")
@repository_argument
@click.argument("parent")
@click.argument("children", nargs=-1)
@click.option(
    "--mode",
    type=click.Choice(["redefine", "extend", "remove", "prepend", "pop"]),
    default="redefine",
    show_default=True,
    help="With pop, CHILDREN are positions from 0, the first if none is given.",
)
@click.option("--flatten", is_flag=True, help="Put the children of a chain in its place.")
@click.option("--doc", help="What the chain is for.")
def collection_chain(
    repo: Path, parent: str, children: tuple[str, ...], mode: str, flatten: bool, doc: str | None
) -> None:
    """Define the chain PARENT, or change its CHILDREN."""
    from ..registry import CollectionType

    names = split_names(children)
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
    found = []
    for text in positions:
        if not text.isdecimal() or int(text) >= len(chain.children):
            raise click.UsageError(
                f"{text!r} is no position in {chain.name}, which has {len(chain.children)} children"
            )
        found.append(chain.children[int(text)])
    return found


@main.command()
@repository_argument
@click.argument("collection")
@types_option
@collections_option
@where_option
def associate(
    repo: Path, collection: str, types: tuple[str, ...], collections: tuple[str, ...], where: str
) -> None:
    """Put datasets into the TAGGED collection COLLECTION, which is made if needed."""
    from ..registry import CollectionType

    with open_butler(repo, writeable=True) as butler, butler.transaction():
        butler.collections.register(collection, CollectionType.TAGGED)
        names = split_names(collections) or all_runs(butler)
        refs = select_datasets(butler, split_names(types), names, where)
        butler.registry.associate(collection, refs)
    click.echo(f"{len(refs)} datasets are in {collection}", err=True)
