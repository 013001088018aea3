"""``pipetask cleanup`` and ``pipetask purge``: remove what runs have left, and whole chains of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from butler.cli.arguments import confirm, confirm_option, dry_run_option, open_butler
from butler.cli.command import command
from butler.cli.output import print_rows
from butler.errors import CollectionTypeError, OrphanedRecordError

if TYPE_CHECKING:
    from butler import Butler
    from butler.registry import CollectionInfo

__all__ = ["cleanup", "purge"]

_repository_option = click.option("-b", "--butler-config", "repo", required=True, help="Repository.")


@command("cleanup")
@click.argument("chain")
@_repository_option
@dry_run_option
@confirm_option
def cleanup(chain: str, repo: str, dry_run: bool, yes: bool) -> None:
    """Remove the collections named CHAIN/... that are no members of CHAIN.

    These are runs that were replaced, with all their datasets. What is part of another chain is left alone.
    """
    with open_butler(repo, writeable=not dry_run) as butler:
        members = set(_chain(butler, chain).children)
        infos = butler.collections.query_info("*", include_parents=True)
        loose = [i for i in infos if i.name.startswith(f"{chain}/") and i.name not in members]
        kept = _still_used(loose)
        if kept:
            told = [f"{i.name} (part of {', '.join(i.parents or ())})" for i in loose if i.name in kept]
            click.echo(f"left alone: {'; '.join(told)}", err=True)
        _remove(butler, [info for info in loose if info.name not in kept], dry_run=dry_run, yes=yes)


@command("purge")
@click.argument("chain")
@_repository_option
@click.option("--recursive", is_flag=True, help="Also chains among its members, with their members.")
@dry_run_option
@confirm_option
def purge(chain: str, repo: str, recursive: bool, dry_run: bool, yes: bool) -> None:
    """Remove CHAIN and its members that are named CHAIN/..., with all their datasets.

    Other members, its inputs for example, stay. If CHAIN or one of those members is part of another chain,
    nothing is removed.
    """
    with open_butler(repo, writeable=not dry_run) as butler:
        top = _chain(butler, chain)
        infos = {i.name: i for i in butler.collections.query_info("*", include_parents=True)}
        doomed, kept = _members(top, infos, recursive=recursive)
        if used := _still_used([infos[name] for name in doomed]):
            told = [f"{name} is part of {', '.join(infos[name].parents or ())}" for name in sorted(used)]
            raise OrphanedRecordError(f"{'; '.join(told)}; nothing was removed")
        if kept:
            click.echo(f"left alone: {', '.join(kept)}", err=True)
        _remove(butler, [infos[name] for name in doomed], dry_run=dry_run, yes=yes)


def _chain(butler: Butler, name: str) -> CollectionInfo:
    """Return a chain.

    Raises
    ------
    CollectionTypeError
        Raised for a collection of another type.
    """
    from butler import CollectionType

    info = butler.collections.get_info(name)
    if info.type is not CollectionType.CHAINED:
        raise CollectionTypeError(f"{name!r} is a {info.type} collection, no chain; see `butler remove-runs`")
    return info


def _members(
    top: CollectionInfo, infos: dict[str, CollectionInfo], *, recursive: bool
) -> tuple[list[str], list[str]]:
    """Return a chain with its own members, each after those that it is part of, and the others."""
    from butler import CollectionType

    doomed: dict[str, None] = {top.name: None}
    kept: dict[str, None] = {}
    waiting = list(top.children)
    while waiting:
        name = waiting.pop(0)
        is_chain = infos[name].type is CollectionType.CHAINED
        if name.startswith(f"{top.name}/") and (recursive or not is_chain):
            doomed[name] = None
            waiting += infos[name].children
        else:
            kept[name] = None
    return list(doomed), list(kept)


def _still_used(infos: Iterable[CollectionInfo]) -> set[str]:
    """Return those of some collections that are part of a chain that is not among them, or of such a one."""
    parents = {info.name: set(info.parents or ()) for info in infos}
    used: set[str] = set()
    while new := {name for name, above in parents.items() if above - (parents.keys() - used)} - used:
        used |= new
    return used


def _remove(butler: Butler, infos: Sequence[CollectionInfo], *, dry_run: bool, yes: bool) -> None:
    """Tell what would go, ask, and remove it: all of it or nothing."""
    from butler import CollectionType

    if not infos:
        click.echo("nothing to remove", err=True)
        return
    runs = [info for info in infos if info.type is CollectionType.RUN]
    counts = {info.name: butler.registry.datasets.count(info) for info in runs}
    rows = [(info.name, info.type.value, counts.get(info.name)) for info in infos]
    print_rows(("Name", "Type", "Datasets"), rows, "table")
    click.echo(f"{len(infos)} collections with {sum(counts.values())} datasets", err=True)
    if dry_run:
        return
    confirm("Remove them?", yes=yes)
    with butler.transaction():
        waiting = {info.name for info in infos if info.type is not CollectionType.RUN}
        while waiting:
            # Each after those that it is part of.
            top = {name for name in waiting if waiting.isdisjoint(butler.collections.parents(name))}
            for name in sorted(top):
                butler.collections.remove(name)
            waiting -= top
        butler.removeRuns([info.name for info in runs])
