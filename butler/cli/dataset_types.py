"""Commands that list, register and remove dataset types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import MissingDatasetTypeError
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

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetType


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


@command("remove-dataset-type")
@repository_argument
@click.argument("names", metavar="GLOB...", nargs=-1, required=True, callback=split_callback)
def remove_dataset_type(repo: str, names: list[str]) -> None:
    """Remove dataset types that have no datasets."""
    with open_butler(repo, writeable=True) as butler:
        doomed = _types(butler, names)
        butler.registry.removeDatasetType(doomed)
    click.echo(f"removed: {', '.join(doomed)}", err=True)


def _types(butler: Butler, patterns: Sequence[str]) -> dict[str, DatasetType]:
    """Return the dataset types of some names and globs, by name.

    Raises
    ------
    MissingDatasetTypeError
        Raised if a name or glob is that of none.
    """
    types: dict[str, DatasetType] = {}
    for pattern in patterns:
        if is_pattern(pattern):
            found = [registered.type for registered in butler.registry.datasets.query_types(pattern)]
        else:
            found = [butler.get_dataset_type(pattern)]
        if not found and patterns != ["*"]:
            raise MissingDatasetTypeError(f"no dataset type matches {pattern!r}")
        types |= {dataset_type.name: dataset_type for dataset_type in found}
    return types


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
    with open_butler(repo) as butler:
        types = _types(butler, glob or ["*"])
        if collections:
            infos = butler.collections.query_info(collections, include_summary=True)
            held = {name for info in infos for name in info.dataset_types or ()}
            types = {name: found for name, found in types.items() if name in held}
    rows: list[tuple[Any, ...]] = [(name,) for name in types]
    if verbose:
        rows = [(t.name, t.dimensions.required, t.storageClass_name) for t in types.values()]
    print_rows(("name", "dimensions", "storage class") if verbose else ("name",), rows, style)
