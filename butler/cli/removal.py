"""Commands that remove datasets and collections."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .arguments import open_butler, repository_argument, where_option
from .main import main
from .output import dataset_table, print_rows
from .selection import confirm, dry_run_option, select_datasets, split_names, types_option, yes_option

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetRef


@main.command("prune-datasets")
@repository_argument
@click.argument("collections", nargs=-1)
@types_option
@where_option
@click.option("--find-all", is_flag=True, help="Also datasets that an earlier collection hides.")
@click.option("--unstore", is_flag=True, help="Delete files, keep the datasets registered; the default.")
@click.option("--purge", is_flag=True, help="Remove the datasets of the RUNs in COLLECTIONS altogether.")
@click.option("--disassociate", "tags", multiple=True, help="Take datasets out of this TAGGED collection.")
@dry_run_option
@yes_option
def prune_datasets(
    repo: Path,
    collections: tuple[str, ...],
    types: tuple[str, ...],
    where: str,
    find_all: bool,
    unstore: bool,
    purge: bool,
    tags: tuple[str, ...],
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove the datasets in COLLECTIONS from storage, from TAGGED collections, or altogether."""
    names, tagged = split_names(collections) or split_names(tags), split_names(tags)
    if not names:
        raise click.UsageError("name the collections whose datasets shall go")
    if purge and tagged:
        raise click.UsageError("--purge removes datasets from all collections; leave --disassociate out")
    if any(c in name for name in names for c in "*?[") and not find_all:
        raise click.UsageError("a pattern of collections has no order to search in; add --find-all")
    with open_butler(repo, writeable=not dry_run) as butler:
        refs = select_datasets(butler, split_names(types), names, where, find_all=find_all)
        if purge:
            refs = _owned(butler, refs, names)
        _print_datasets(refs)
        effects = [*(["removed altogether"] if purge else [f"taken out of {tag}" for tag in tagged])]
        if not purge and (unstore or not tagged):
            effects.append("deleted from storage")
        summary = f"{len(refs)} datasets {'would be' if dry_run else 'will be'} {' and '.join(effects)}"
        click.echo(summary, err=True)
        if dry_run:
            return
        confirm("Go on?", yes=yes)
        butler.pruneDatasets(refs, tags=tagged, unstore=purge or unstore or not tagged, purge=purge)


def _owned(butler: Butler, refs: Iterable[DatasetRef], collections: Iterable[str]) -> list[DatasetRef]:
    """Return the datasets that one of the collections owns, not only refers to."""
    from ..errors import EmptyQueryResultError

    runs = set(butler.collections.query(collections, flatten_chains=True))
    owned = [ref for ref in refs if ref.run in runs]
    if not owned:
        raise EmptyQueryResultError("none of the datasets belongs to a RUN that was named")
    return owned


def _print_datasets(refs: Iterable[DatasetRef]) -> None:
    ordered = sorted(refs, key=lambda ref: ref.datasetType.name)
    for _, members in groupby(ordered, key=lambda ref: ref.datasetType.name):
        print_rows(*dataset_table(list(members)), "table")


@main.command("remove-runs")
@repository_argument
@click.argument("names", metavar="GLOB...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="With --yes: take the runs out of chains without asking.")
@dry_run_option
@yes_option
def remove_runs(repo: Path, names: tuple[str, ...], force: bool, dry_run: bool, yes: bool) -> None:
    """Remove RUN collections with all datasets and files in them."""
    from ..errors import MissingCollectionError, OrphanedRecordError
    from ..registry import CollectionType

    with open_butler(repo, writeable=not dry_run) as butler:
        wanted = split_names(names)
        infos = butler.collections.query_info(wanted, include_parents=True)
        runs = [info for info in infos if info.type is CollectionType.RUN]
        if not runs:
            raise MissingCollectionError(f"no RUN collection is named {', '.join(wanted)}")
        chained = [info for info in runs if info.parents]
        if chained and yes and not force and not dry_run:
            told = "; ".join(f"{info.name} is part of {', '.join(info.parents or ())}" for info in chained)
            raise OrphanedRecordError(f"{told}; nothing was removed, add --force to take it out of there")
        counts = [butler.registry.datasets.count(info) for info in runs]
        rows = [
            (info.name, count, ", ".join(info.parents or ()))
            for info, count in zip(runs, counts, strict=True)
        ]
        print_rows(("Run", "Datasets", "Part of"), rows, "table")
        click.echo(f"{len(runs)} runs with {sum(counts)} datasets", err=True)
        if dry_run:
            return
        confirm("Remove them, and take them out of their chains?" if chained else "Remove them?", yes=yes)
        butler.removeRuns([info.name for info in runs], unlink_from_chains=True)


@main.command("remove-collections")
@repository_argument
@click.argument("names", metavar="GLOB...", nargs=-1, required=True)
@click.option("--remove-from-parents", is_flag=True, help="Take them out of the chains they are part of.")
@dry_run_option
@yes_option
def remove_collections(
    repo: Path, names: tuple[str, ...], remove_from_parents: bool, dry_run: bool, yes: bool
) -> None:
    """Remove TAGGED collections and chains; no dataset is removed."""
    from ..errors import MissingCollectionError
    from ..registry import CollectionType

    with open_butler(repo, writeable=not dry_run) as butler:
        wanted = split_names(names)
        infos = butler.collections.query_info(wanted, include_parents=True)
        doomed = [info for info in infos if info.type is not CollectionType.RUN]
        if runs := [info.name for info in infos if info.type is CollectionType.RUN]:
            click.echo(f"left alone, use remove-runs for them: {', '.join(runs)}", err=True)
        if not doomed:
            raise MissingCollectionError(f"no TAGGED or CHAINED collection is named {', '.join(wanted)}")
        rows = [(info.name, info.type.value, ", ".join(info.parents or ())) for info in doomed]
        print_rows(("Name", "Type", "Part of"), rows, "table")
        if dry_run:
            return
        confirm("Remove them?", yes=yes)
        with butler.transaction():
            _remove_all(butler, [info.name for info in doomed], remove_from_parents)


def _remove_all(butler: Butler, names: list[str], remove_from_parents: bool) -> None:
    """Remove collections, each after those of them that it is part of."""
    waiting = set(names)
    while waiting:
        for name in sorted(waiting):
            parents = butler.collections.parents(name)
            if waiting.isdisjoint(parents):
                for parent in parents if remove_from_parents else ():
                    butler.collections.remove_from_chain(parent, name)
                butler.collections.remove(name)
                waiting.remove(name)
