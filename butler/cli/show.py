"""The command that draws a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .arguments import open_butler, repository_argument, words_option
from .command import command
from .sky_boxes import SkyCutout, cutout_of, cutout_options

if TYPE_CHECKING:
    from ..images import Box2I


@command("show")
@repository_argument
@click.argument("dataset_type")
@click.argument("data_id", nargs=-1)
@words_option("--collections", help="Collections to search, in order; all runs if not given.")
@click.option("--bbox", help="Box x0..x1,y0..y1, or x0,y0,width,height, in parent pixels.")
@cutout_options("1arcmin")
@click.option("--component", type=click.Choice(["image", "variance", "mask"]), help="What to draw.")
@words_option("--mask", "planes", metavar="PLANES", help="Mask planes to lay over the image, or all.")
@click.option("--no-mask", is_flag=True, help="Lay no mask planes over the image.")
@click.option(
    "--stretch",
    type=click.Choice(["linear", "sqrt", "log", "asinh"]),
    default="asinh",
    show_default=True,
    help="How values become shades.",
)
@click.option(
    "--scale",
    default="auto",
    show_default=True,
    help="Ends of the scale: auto, zscale, minmax, 99.5%, -3,100.",
)
@click.option("--cmap", help="Colour map of matplotlib.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="PNG, PDF or SVG file; TYPE.png if not given."
)
def show(
    repo: str,
    dataset_type: str,
    data_id: tuple[str, ...],
    collections: list[str],
    bbox: str | None,
    ra: str | None,
    dec: str | None,
    position: str | None,
    size: str,
    component: str | None,
    planes: list[str],
    no_mask: bool,
    stretch: str,
    scale: str,
    cmap: str | None,
    output: Path | None,
) -> None:
    """Draw an image dataset, or a cutout of it.

    DATA_ID is KEY=VALUE ...; as much of it as is needed to tell the dataset from others. With a position on
    the sky tract and patch, or detector, need not be given. Only the pixels of the cutout are read.
    """
    from ..pictures import Scaling, draw_picture
    from .shown_dataset import ShownDataset

    cutout = cutout_of(ra, dec, position, size)
    if planes and (no_mask or component == "variance"):
        raise click.UsageError("--mask lays planes over the image; leave out --no-mask, or --component")
    box = _parse_box(bbox, cutout)
    scaling = Scaling.parse(stretch, scale)
    name, _, part = dataset_type.partition(".")
    if part and component:
        raise click.UsageError(f"{dataset_type} is a component already; leave out --component")
    target = output or Path(f"{dataset_type}.png")
    with open_butler(repo) as butler:
        shown = ShownDataset.find(butler, name, data_id, collections, cutout)
        picture = shown.picture(part or component, box, planes=planes or None, with_mask=not no_mask)
        draw_picture(picture, target, scaling=scaling, cmap=cmap)
    click.echo(str(target))


def _parse_box(text: str | None, cutout: SkyCutout | None) -> Box2I | None:
    from ..images import Box2I

    if text is not None and cutout is not None:
        raise click.UsageError("give either --bbox or a position")
    return None if text is None else Box2I.parse(text)
