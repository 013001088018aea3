"""Commands that list, register and remove dataset types."""

from __future__ import annotations

from typing import Any

import click

from .arguments import (
    format_option,
    is_pattern,
    open_butler,
    repository_argument,
    split_callback,
    words_option,
)
from .command import command
from .output import print_rows


@command("register-dataset-type")
@repository_argument
@click.argument("name")
@click.argument("storage_class")
@click.argument("dimensions", nargs=-1, callback=split_callback)
@click.option(
    "--is-calibration/--no-is-calibration",
    default=False,
    help="Whether its datasets may be given ranges of validity.",
)
def register_dataset_type(
    repo: str, name: str, storage_class: str, dimensions: list[str], is_calibration: bool
) -> None:
    """Register the dataset type NAME."""
    from ..datasets import DatasetType

    with open_butler(repo, writeable=True) as butler:
        dataset_type = DatasetType(name, dimensions, storage_class, isCalibration=is_calibration)
        new = butler.registry.registerDatasetType(dataset_type)
    click.echo("registered" if new else "it was there already", err=True)


@command("query-dataset-types")
@repository_argument
@click.argument("glob", nargs=-1, callback=split_callback)
@words_option("--collections", help="List only what these collections hold.")
@click.option("-v", "--verbose", is_flag=True, help="Add dimensions and storage class.")
@format_option
def query_dataset_types(
    repo: str, glob: list[str], collections: list[str], verbose: bool, style: str
) -> None:
    """List dataset types."""
    from ..errors import EmptyQueryResultError

    with open_butler(repo) as butler:
        types = {}
        for pattern in glob or ["*"]:
            if not is_pattern(pattern):
                types[pattern] = butler.get_dataset_type(pattern)
            types |= {found.type.name: found.type for found in butler.registry.datasets.query_types(pattern)}
        if collections:
            infos = butler.collections.query_info(collections, include_summary=True)
            held = {name for info in infos for name in info.dataset_types or ()}
            types = {name: found for name, found in types.items() if name in held}
    if not types and glob:
        raise EmptyQueryResultError(f"no dataset type matches {', '.join(glob)}")
    rows: list[tuple[Any, ...]] = [(name,) for name in types]
    if verbose:
        rows = [(t.name, t.dimensions.required, t.storageClass_name) for t in types.values()]
    print_rows(("name", "dimensions", "storage class") if verbose else ("name",), rows, style)
