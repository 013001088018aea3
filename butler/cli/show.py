"""The command that draws a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import all_runs, open_butler, repository_argument, words_option
from .command import command
from .data_ids import parse_data_id


@command("show")
@repository_argument
@click.argument("dataset_type")
@click.argument("data_id", nargs=-1)
@words_option("--collections", help="Collections to search, in order; all runs if not given.")
@click.option("--bbox", help="Box x0..x1,y0..y1 in parent pixels; everything if not given.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Picture to write; TYPE.png if not given."
)
@click.option("--mask/--no-mask", default=True, help="Whether to lay the mask planes over the image.")
def show(
    repo: str,
    dataset_type: str,
    data_id: tuple[str, ...],
    collections: list[str],
    bbox: str | None,
    output: Path | None,
    mask: bool,
) -> None:
    """Draw an image dataset, or a cutout of it."""
    from ..images import Box2I
    from ..pictures import draw_dataset

    parameters = {"bbox": Box2I.parse(bbox)} if bbox else {}
    target = output or Path(f"{dataset_type}.png")
    with open_butler(repo) as butler:
        names = collections or all_runs(butler)
        handle = butler.getDeferred(
            dataset_type, parse_data_id(data_id), collections=names, parameters=parameters
        )
        draw_dataset(handle.get(), target, title=str(handle.ref), with_mask=mask)
    click.echo(str(target))
