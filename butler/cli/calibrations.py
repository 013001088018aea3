"""The command that says when calibrations are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .arguments import open_butler, repository_argument
from .command import command

if TYPE_CHECKING:
    from astropy.time import Time


@command("certify-calibrations")
@repository_argument
@click.argument("input_collection")
@click.argument("output_collection")
@click.argument("dataset_type_name")
@click.option("--begin-date", help="First instant, ISO 8601 in TAI; for all times before if not given.")
@click.option("--end-date", help="First instant after it; for all times after if not given.")
@click.option(
    "--search-all-inputs", is_flag=True, help="Take all that a chain holds, not the first of each data ID."
)
def certify_calibrations(
    repo: str,
    input_collection: str,
    output_collection: str,
    dataset_type_name: str,
    begin_date: str | None,
    end_date: str | None,
    search_all_inputs: bool,
) -> None:
    """Let datasets of a collection be valid for some time in the CALIBRATION collection OUTPUT_COLLECTION.

    That is made if needed.
    """
    from ..dimensions import Timespan
    from ..registry import CollectionType

    timespan = Timespan(_time("--begin-date", begin_date), _time("--end-date", end_date))
    with open_butler(repo, writeable=True) as butler, butler.transaction():
        refs = butler.query_datasets(dataset_type_name, input_collection, find_first=not search_all_inputs)
        butler.collections.register(output_collection, CollectionType.CALIBRATION)
        butler.registry.certify(output_collection, refs, timespan)
    click.echo(f"{len(refs)} datasets are valid in {output_collection} in {timespan}", err=True)


def _time(option: str, text: str | None) -> Time | None:
    from astropy.time import Time

    if text is None:
        return None
    try:
        return Time(text, scale="tai")
    except ValueError as error:
        raise click.UsageError(f"{option} needs a date such as 2024-03-01T12:00:00, not {text!r}") from error
