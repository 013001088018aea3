"""The command that lists collections."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import MissingCollectionError
from .arguments import format_option, open_butler, repository_argument, split_callback, words_option
from .command import command
from .output import print_rows

if TYPE_CHECKING:
    from ..butler import Butler
    from ..registry import CollectionInfo

_HIDDEN_TYPES: Final = "*_config,*_log,*_metadata,packages"
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z?$")


@command("query-collections")
@repository_argument
@click.argument("glob", nargs=-1, callback=split_callback)
@click.option(
    "--collection-type",
    "kinds",
    multiple=True,
    type=click.Choice(["run", "tagged", "chained", "calibration"], case_sensitive=False),
    help="Kind to list; all by default.",
)
@click.option(
    "--chains",
    type=click.Choice(["tree", "table", "inverse-tree", "inverse-table", "flatten", "no-children"], False),
    default="tree",
    show_default=True,
    help="Children below their chain, or in a column; parents the same way; chains replaced by what they "
    "search; or nothing of that. In csv and json trees are tables.",
)
@click.option("-t", "--show-dataset-types", "with_types", is_flag=True, help="Add what each holds.")
@words_option(
    "--exclude-dataset-types",
    "excluded",
    default=(_HIDDEN_TYPES,),
    show_default=True,
    help="Dataset types that -t leaves out.",
)
@click.option("--sizes", is_flag=True, help="Add number of datasets, and bytes, of each RUN.")
@format_option
def query_collections(
    repo: str,
    glob: list[str],
    kinds: tuple[str, ...],
    chains: str,
    with_types: bool,
    excluded: list[str],
    sizes: bool,
    style: str,
) -> None:
    """List collections; of RUNs named after a time the newest first."""
    as_tree = chains.endswith("tree") and style == "table"
    with open_butler(repo) as butler:
        listing = _Listing(butler, upwards=chains.startswith("inverse"), with_types=with_types)
        infos = listing.select(glob or ["*"], {kind.upper() for kind in kinds}, flatten=chains == "flatten")
        lines = list(listing.tree(infos)) if as_tree else [(info.name, info) for info in infos]
        totals = butler.registry.files.totals() if sizes else {}
    link = None if as_tree or chains in ("flatten", "no-children") else listing.link
    header = ["Name", "Type", *([link.title()] if link else [])]
    header += ["Dataset Types"] if with_types else []
    header += ["Datasets", "Bytes"] if sizes else []
    rows: list[Sequence[Any]] = []
    for name, info in lines:
        types = [t for t in info.dataset_types or () if not any(fnmatch.fnmatch(t, g) for g in excluded)]
        linked = list(getattr(info, link)) if link else []
        count = totals.get(info.id, (0, 0)) if info.type == "RUN" else (None, None)
        rest = [*([types] if with_types else []), *(count if sizes else [])]
        if link and style == "table":
            # One line for each, so that long names stay readable.
            rows += [(name, info.type.value, other, *rest) for other in linked or [""]]
        else:
            rows.append((name, info.type.value, *([linked] if link else []), *rest))
    print_rows(header, rows, style)


class _Listing:
    """The collections of a repository, and how they hang together.

    Parameters
    ----------
    butler
        Where they are.
    upwards
        Whether trees go from a collection to its parents, instead of to its children.
    with_types
        Whether to find out what dataset types they hold.
    """

    def __init__(self, butler: Butler, *, upwards: bool, with_types: bool) -> None:
        self._butler = butler
        found = butler.collections.query_info("*", include_parents=upwards, include_summary=with_types)
        self._all = {info.name: info for info in found}
        self.link = "parents" if upwards else "children"

    def select(self, patterns: Sequence[str], kinds: set[str], *, flatten: bool) -> list[CollectionInfo]:
        """Return the collections of some names or globs, and kinds (all if there are none)."""
        names = self._butler.collections.query(patterns, flatten_chains=flatten)
        if not names and patterns != ["*"]:
            raise MissingCollectionError(f"no collection matches {', '.join(patterns)}")
        infos = [self._all[name] for name in names]
        return _newest_first([info for info in infos if not kinds or info.type.value in kinds])

    def tree(self, infos: Iterable[CollectionInfo]) -> Iterator[tuple[str, CollectionInfo]]:
        """Yield collections under indented names, those linked to one below it and only there."""
        below = {name for info in infos for name in getattr(info, self.link)}
        waiting = [(0, info) for info in infos if info.name not in below][::-1]
        while waiting:
            depth, info = waiting.pop()
            yield "  " * depth + info.name, info
            linked = [self._all[name] for name in getattr(info, self.link)]
            waiting += [(depth + 1, other) for other in reversed(linked)]


def _newest_first(infos: Sequence[CollectionInfo]) -> list[CollectionInfo]:
    """Return collections with those named after a time in descending order, the others where they are."""
    stamped = sorted(
        (info for info in infos if _STAMP.search(info.name)),
        key=lambda info: _STAMP.findall(info.name),
    )
    return [stamped.pop() if _STAMP.search(info.name) else info for info in infos]
