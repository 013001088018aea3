"""Commands that ask the registry."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import (
    all_runs,
    collections_option,
    format_option,
    limit_option,
    open_butler,
    order_by_option,
    repository_argument,
    where_option,
)
from .main import main
from .output import dataset_table, print_rows


@main.command("query-dataset-types")
@repository_argument
@click.argument("glob", default="*")
@format_option
def query_dataset_types(repo: Path, glob: str, style: str) -> None:
    """List dataset types."""
    with open_butler(repo) as butler:
        types = [registered.type for registered in butler.registry.datasets.query_types(glob)]
    rows = [(t.name, " ".join(t.dimensions.required), t.storageClass_name) for t in types]
    print_rows(("name", "dimensions", "storage class"), rows, style)


@main.command("query-datasets")
@repository_argument
@click.argument("dataset_type")
@collections_option
@where_option
@order_by_option
@limit_option
@click.option("--show-uri", is_flag=True, help="Print the file of each dataset.")
@format_option
def query_datasets(
    repo: Path,
    dataset_type: str,
    collections: tuple[str, ...],
    where: str,
    order_by: tuple[str, ...],
    limit: int | None,
    show_uri: bool,
    style: str,
) -> None:
    """List the datasets of a type."""
    with open_butler(repo) as butler:
        names = list(collections) or all_runs(butler)
        refs = butler.query_datasets(dataset_type, names, where=where, order_by=order_by, limit=limit)
        files = butler.registry.files.get([ref.id for ref in refs]) if show_uri else {}
    paths = {key: record.path for key, record in files.items()} if show_uri else None
    print_rows(*dataset_table(refs, paths), style)


@main.command("query-data-ids")
@repository_argument
@click.argument("dimensions", nargs=-1, required=True)
@where_option
@order_by_option
@limit_option
@format_option
def query_data_ids(
    repo: Path,
    dimensions: tuple[str, ...],
    where: str,
    order_by: tuple[str, ...],
    limit: int | None,
    style: str,
) -> None:
    """List the data IDs of some dimensions."""
    with open_butler(repo) as butler:
        ids = butler.query_data_ids(dimensions, where=where, order_by=order_by, limit=limit)
    print_rows(tuple(ids[0]), [tuple(data_id.values()) for data_id in ids], style)


@main.command("query-dimension-records")
@repository_argument
@click.argument("element")
@where_option
@order_by_option
@limit_option
@format_option
def query_dimension_records(
    repo: Path, element: str, where: str, order_by: tuple[str, ...], limit: int | None, style: str
) -> None:
    """List the records of a dimension."""
    with open_butler(repo) as butler:
        records = butler.query_dimension_records(element, where=where, order_by=order_by, limit=limit)
    rows = [record.toDict() for record in records]
    for row in rows:
        if row.get("region") is not None:
            row["region"] = "(elided)"
    print_rows(tuple(rows[0]), [tuple(row.values()) for row in rows], style)
