"""Commands that ask for datasets, data IDs and dimension records."""

from __future__ import annotations

from typing import Any

import click

from .arguments import format_option, open_butler, repository_argument, split_callback, words_option
from .command import command
from .data_query import DataQuery, data_query_options
from .dataset_table import print_datasets
from .output import choose_columns, print_rows, rows_or_none
from .selection import Selection, selection_options

_columns_option = words_option("--columns", help="Columns to print, in this order; all if not given.")
_count_option = click.option("--count", is_flag=True, help="Print how many there are.")


@command("query-datasets")
@repository_argument
@selection_options(types="argument")
@click.option("--show-uri", is_flag=True, help="Print the file of each dataset.")
@_columns_option
@_count_option
@format_option
def query_datasets(
    repo: str, selection: Selection, show_uri: bool, columns: list[str], count: bool, style: str
) -> None:
    """List datasets.

    TYPES are names or globs of dataset types; all if none is given. Without --find-first a data ID is listed
    for each collection that has it.
    """
    with open_butler(repo) as butler:
        if count:
            print_rows(("type", "count"), list(selection.count(butler).items()), style)
            return
        with rows_or_none(columns or ("type", "run", "id"), style):
            refs = selection.find(butler)
        found = butler.get_many_uris(refs, allow_missing=True) if show_uri else {}
    uris = {ref: str(uri.primaryURI) for ref, uri in found.items()} if show_uri else None
    print_datasets(refs, style, uris, columns)


@command("query-data-ids")
@repository_argument
@click.argument("dimensions", nargs=-1, callback=split_callback)
@data_query_options
@_columns_option
@_count_option
@format_option
def query_data_ids(
    repo: str, dimensions: list[str], asked: DataQuery, columns: list[str], count: bool, style: str
) -> None:
    """List the data IDs of some dimensions.

    Observations and sky map are joined where they overlap. Without DIMENSIONS they are those of --datasets.
    """
    from ..dimensions import UNIVERSE

    if not dimensions and not asked.datasets:
        raise click.UsageError("name the dimensions, or dataset types with --datasets")
    with open_butler(repo) as butler:
        given = dimensions or {
            name for each in asked.datasets for name in butler.get_dataset_type(each).dimensions
        }
        group = UNIVERSE.conform(given)
        with butler.query() as query:
            results = asked.constrained(asked.joined(butler, query).data_ids(group))
        if count:
            print_rows(("count",), [(results.count(),)], style)
            return
        header = group.data_coordinate_keys
        with rows_or_none(columns or header, style):
            found = asked.fetch(results)
    rows = [[data_id[key] for key in header] for data_id in found]
    print_rows(*choose_columns(header, rows, columns), style)


@command("query-dimension-records")
@repository_argument
@click.argument("element")
@data_query_options
@click.option("--no-check", is_flag=True, hidden=True, help="No effect: queries are always checked.")
@_columns_option
@_count_option
@format_option
def query_dimension_records(
    repo: str, element: str, asked: DataQuery, no_check: bool, columns: list[str], count: bool, style: str
) -> None:
    """List the records of a dimension."""
    from ..dimensions import UNIVERSE

    key = UNIVERSE[element].key
    columns_of = UNIVERSE[element].columns
    header = [key.name if key is not None and name == element else name for name in columns_of]
    with open_butler(repo) as butler:
        with butler.query() as query:
            results = asked.constrained(asked.joined(butler, query).dimension_records(element))
        if count:
            print_rows(("count",), [(results.count(),)], style)
            return
        with rows_or_none(columns or header, style):
            found = asked.fetch(results)
    rows = [[_elided(name, record[name]) for name in columns_of] for record in found]
    print_rows(*choose_columns(header, rows, columns), style)


def _elided(column: str, value: Any) -> Any:
    """Return a value as it is printed: a region is long, and left out."""
    return "(elided)" if column == "region" and value is not None else value
