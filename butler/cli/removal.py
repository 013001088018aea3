"""Commands that remove datasets and collections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..errors import EmptyQueryResultError, MissingCollectionError, OrphanedRecordError
from .arguments import (
    confirm,
    confirm_option,
    dry_run_option,
    is_pattern,
    open_butler,
    repository_argument,
    split_callback,
    words_option,
)
from .command import command
from .dataset_table import print_datasets
from .output import print_rows
from .selection import Selection, selection_options

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetRef


@command("prune-datasets")
@repository_argument
@click.argument("collections", nargs=-1, callback=split_callback)
@selection_options(collections=False, find_first=None, sorting=False)
@click.option("--find-all", is_flag=True, help="Also datasets that an earlier collection hides.")
@click.option("--unstore", is_flag=True, help="Delete files, keep the datasets registered; the default.")
@click.option(
    "--purge",
    is_flag=False,
    flag_value="*",
    metavar="[RUN]",
    help="Remove altogether the datasets that RUN owns, or any RUN in COLLECTIONS.",
)
@words_option("--disassociate", "tags", help="Take datasets out of this TAGGED collection.")
@dry_run_option
@confirm_option
@click.option("--quiet", is_flag=True, help="Print nothing, and do not ask.")
def prune_datasets(
    repo: str,
    collections: list[str],
    selection: Selection,
    find_all: bool,
    unstore: bool,
    purge: str | None,
    tags: list[str],
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Remove datasets from storage, from TAGGED collections, or altogether.

    They are looked for in COLLECTIONS; if none is given, in the RUN to purge, or in the collections to
    disassociate from.
    """
    run = None if purge in (None, "*") else purge
    names = collections or ([run] if run else tags)
    _check_prune(names, tags, purge=purge is not None, find_all=find_all, quiet_dry_run=quiet and dry_run)
    unstore = unstore or purge is not None or not tags
    with open_butler(repo, writeable=not dry_run) as butler:
        refs = replace(selection, collections=names, find_first=not find_all).find(butler)
        if purge is not None:
            refs = _owned(butler, refs, [run] if run else names)
        effects = ["removed altogether"] if purge is not None else [f"taken out of {tag}" for tag in tags]
        if unstore and purge is None:
            effects.append("deleted from storage")
        if not quiet:
            print_datasets(refs, "table")
            verb = "would be" if dry_run else "will be"
            click.echo(f"{len(refs)} datasets {verb} {' and '.join(effects)}", err=True)
        if dry_run:
            return
        confirm("Go on?", yes=yes or quiet)
        butler.pruneDatasets(refs, tags=tags, unstore=unstore, purge=purge is not None)


def _check_prune(
    names: Sequence[str], tags: Sequence[str], *, purge: bool, find_all: bool, quiet_dry_run: bool
) -> None:
    """Refuse options that contradict each other."""
    if not names:
        raise click.UsageError("name the collections whose datasets shall go")
    if purge and tags:
        raise click.UsageError("--purge removes datasets from all collections; leave --disassociate out")
    if any(map(is_pattern, names)) and not find_all:
        raise click.UsageError("a pattern of collections has no order to search in; add --find-all")
    if quiet_dry_run:
        raise click.UsageError("--dry-run only prints, and --quiet prints nothing; leave one out")


def _owned(butler: Butler, refs: Iterable[DatasetRef], collections: Iterable[str]) -> list[DatasetRef]:
    """Return the datasets that one of the collections owns, not only refers to."""
    runs = set(butler.collections.query(collections, flatten_chains=True))
    owned = [ref for ref in refs if ref.run in runs]
    if not owned:
        raise EmptyQueryResultError("none of the datasets belongs to a RUN that was named")
    return owned


@command("remove-runs")
@repository_argument
@click.argument("names", metavar="GLOB...", nargs=-1, required=True, callback=split_callback)
@click.option("--force", is_flag=True, help="With --yes: take the runs out of chains without asking.")
@dry_run_option
@confirm_option
def remove_runs(repo: str, names: list[str], force: bool, dry_run: bool, yes: bool) -> None:
    """Remove RUN collections with all datasets and files in them."""
    from ..registry import CollectionType

    with open_butler(repo, writeable=not dry_run) as butler:
        infos = butler.collections.query_info(names, include_parents=True)
        runs = [info for info in infos if info.type is CollectionType.RUN]
        if not runs:
            raise MissingCollectionError(f"no RUN collection is named {', '.join(names)}")
        chained = [info for info in runs if info.parents]
        if chained and yes and not force and not dry_run:
            told = "; ".join(f"{info.name} is part of {', '.join(info.parents or ())}" for info in chained)
            raise OrphanedRecordError(f"{told}; nothing was removed, add --force to take it out of there")
        counts = [butler.registry.datasets.count(info) for info in runs]
        rows = [
            (info.name, count, list(info.parents or ())) for info, count in zip(runs, counts, strict=True)
        ]
        print_rows(("Run", "Datasets", "Part of"), rows, "table")
        click.echo(f"{len(runs)} runs with {sum(counts)} datasets", err=True)
        if dry_run:
            return
        confirm("Remove them, and take them out of their chains?" if chained else "Remove them?", yes=yes)
        butler.removeRuns([info.name for info in runs], unlink_from_chains=True)


@command("remove-collections")
@repository_argument
@click.argument("names", metavar="GLOB...", nargs=-1, required=True, callback=split_callback)
@click.option("--remove-from-parents", is_flag=True, help="Take them out of the chains they are part of.")
@dry_run_option
@confirm_option
def remove_collections(
    repo: str, names: list[str], remove_from_parents: bool, dry_run: bool, yes: bool
) -> None:
    """Remove TAGGED collections and chains; no dataset is removed."""
    from ..registry import CollectionType

    with open_butler(repo, writeable=not dry_run) as butler:
        infos = butler.collections.query_info(names, include_parents=True)
        doomed = [info for info in infos if info.type is not CollectionType.RUN]
        if runs := [info.name for info in infos if info.type is CollectionType.RUN]:
            click.echo(f"left alone, use remove-runs for them: {', '.join(runs)}", err=True)
        if not doomed:
            raise MissingCollectionError(f"no TAGGED or CHAINED collection is named {', '.join(names)}")
        rows = [(info.name, info.type.value, list(info.parents or ())) for info in doomed]
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
