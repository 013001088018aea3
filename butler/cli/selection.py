"""Which datasets a command works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ..errors import EmptyQueryResultError, MissingCollectionError, MissingDatasetTypeError
from .arguments import all_runs, is_pattern, words_option
from .data_ids import query_conditions

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetRef
    from ..registry.queries.results import DatasetRefQueryResults

__all__ = [
    "Selection",
    "data_id_option",
    "limit_option",
    "order_by_option",
    "selection_options",
    "where_option",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_MAX_EXPLAINED: Final = 3
"""Most dataset types of which it is told why there are none."""

where_option = click.option(
    "--where", default="", help="Condition, for example \"visit IN (1..9) AND band = 'i'\"."
)
order_by_option = words_option("--order-by", help="Names to sort by; -name for descending.")


def _check_limit(_ctx: click.Context, _parameter: click.Parameter, value: int | None) -> int | None:
    if value == 0:
        raise click.BadParameter("0 rows are none; leave it out for all, or use --count")
    return value


limit_option = click.option(
    "--limit",
    type=int,
    callback=_check_limit,
    help="Most rows; if negative, a warning tells whether there are more.",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What the options say about datasets.

    Parameters
    ----------
    types
        Names and globs of dataset types; all if empty.
    collections
        Names and globs of collections, in search order; all runs, newest first, if empty.
    where
        Condition.
    data_id
        ``key=value`` words.
    find_first
        Whether a dataset hides those of the same data ID in later collections.
    order_by
        Names to sort by.
    limit
        Most datasets, of all types together; if negative, a warning tells whether there are more.
    """

    types: Sequence[str] = ()
    collections: Sequence[str] = ()
    where: str = ""
    data_id: Sequence[str] = ()
    find_first: bool = False
    order_by: Sequence[str] = ()
    limit: int | None = None

    def find(self, butler: Butler) -> list[DatasetRef]:
        """Return the datasets, by type.

        Raises
        ------
        MissingDatasetTypeError
            Raised if a name or glob is that of no dataset type.
        EmptyQueryResultError
            Raised if there are none; it says why.
        """
        most = None if self.limit is None else abs(self.limit)
        found: list[DatasetRef] = []
        searches = self._searches(butler)
        for results in searches.values():
            # One more than wanted, to know whether there are more.
            rest = None if most is None else most - len(found) + 1
            found += results.order_by(*self.order_by).limit(rest)
            if most is not None and len(found) > most:
                if self.limit is not None and self.limit < 0:
                    click.echo(f"there are more than the {most} datasets of --limit", err=True)
                return found[:most]
        if not found:
            reasons = [
                reason
                for results in list(searches.values())[:_MAX_EXPLAINED]
                for reason in results.explain_no_results()
            ]
            nothing = f"there is no dataset in {', '.join(self._path(butler)) or 'this repository'}"
            raise EmptyQueryResultError("; ".join(dict.fromkeys(reasons)) or nothing)
        return found

    def count(self, butler: Butler) -> dict[str, int]:
        """Return how many datasets there are of each type."""
        return {name: results.count() for name, results in self._searches(butler).items()}

    def _searches(self, butler: Butler) -> dict[str, DatasetRefQueryResults]:
        """Return what is to be found, by dataset type."""
        path = self._path(butler)
        conditions = query_conditions(self.data_id, self.where)
        with butler.query() as query:
            return {
                name: query.datasets(name, path, find_first=self.find_first).where(*conditions)
                for name in self._type_names(butler, path)
            }

    def _path(self, butler: Butler) -> list[str]:
        """Return the collections to search."""
        if not self.collections:
            return all_runs(butler)
        patterns = [name for name in self.collections if is_pattern(name)]
        if patterns and self.find_first:
            raise click.UsageError(
                f"{patterns[0]!r} is a pattern and gives no order to search in; name the collections, "
                "or add --no-find-first"
            )
        found = butler.collections.query(self.collections)
        if not found:
            raise MissingCollectionError(f"no collection matches {', '.join(self.collections)}")
        return found

    def _type_names(self, butler: Butler, path: Sequence[str]) -> list[str]:
        """Return the names of the dataset types, of globs only such as are held."""
        if self.types and not any(map(is_pattern, self.types)):
            return list(dict.fromkeys(butler.get_dataset_type(name).name for name in self.types))
        infos = butler.collections.query_info(path if self.collections else "*", include_summary=True)
        held = {name for info in infos for name in info.dataset_types or ()}
        names: dict[str, None] = {}
        for pattern in self.types or ["*"]:
            if not is_pattern(pattern):
                names[butler.get_dataset_type(pattern).name] = None
                continue
            matching = [registered.type.name for registered in butler.registry.datasets.query_types(pattern)]
            if not matching and self.types:
                raise MissingDatasetTypeError(f"no dataset type matches {pattern!r}")
            names |= dict.fromkeys(sorted(held.intersection(matching)))
        return list(names)


def selection_options(
    *, types: str = "option", collections: bool = True, find_first: bool | None = False, sorting: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the options of a `Selection`, which the function gets as ``selection``.

    Parameters
    ----------
    types
        Whether dataset types are given by an ``option`` or as an ``argument``.
    collections
        Whether collections are given by an option.
    find_first
        Default of that option; None if there is none.
    sorting
        Whether there are options for order and limit.
    """
    options = {"where": where_option}
    if types == "argument":
        options["types"] = click.argument("types", nargs=-1, callback=_split_types)
        options["data_id"] = data_id_option("-d")
    else:
        options |= {"types": _types_option, "data_id": data_id_option()}
    if collections:
        options["collections"] = _collections_option
    if find_first is not None:
        options["find_first"] = click.option(
            "--find-first/--no-find-first",
            default=find_first,
            show_default=True,
            help="Whether a dataset hides those of the same data ID in later collections.",
        )
    if sorting:
        options |= {"order_by": order_by_option, "limit": limit_option}

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def wrapper(**given: Any) -> None:
            chosen = {key: given.pop(key) for key in options}
            terms = [word for word in chosen["types"] if "=" in word]
            chosen["types"] = [word for word in chosen["types"] if "=" not in word]
            chosen["data_id"] = [*chosen["data_id"], *terms]
            function(**given, selection=Selection(**chosen))

        decorated: Callable[..., None] = wrapper
        for option in reversed(options.values()):
            decorated = option(decorated)
        return decorated

    return decorate


def _split_types(_ctx: click.Context, _parameter: click.Parameter, words: Sequence[str]) -> list[str]:
    """Return the names in words that may each be several; a data ID stays one word."""
    return [
        name.strip()
        for word in words
        for name in ([word] if "=" in word else word.split(","))
        if name.strip()
    ]


def data_id_option(*short: str) -> Callable[[_Function], _Function]:
    """Return the option for a data ID with ranges and lists."""
    return click.option(
        *short,
        "--data-id",
        "data_id",
        multiple=True,
        metavar="KEY=VALUE",
        help="Values of the data ID, for example visit=2..5 or band=g,r.",
    )


_types_option = click.option(
    "-d",
    "--dataset-type",
    "--datasets",
    "types",
    multiple=True,
    callback=_split_types,
    help="Dataset type or glob, all by default; or KEY=VALUE as for --data-id.",
)
_collections_option = words_option(
    "--collections", help="Collections to search, in order; all runs, the newest first, if not given."
)
