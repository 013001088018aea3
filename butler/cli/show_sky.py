"""The command that draws what was observed on the sky."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import open_butler, repository_argument
from .command import command
from .selection import Selection, selection_options
from .sky_boxes import cutout_of, cutout_options

_DEPTH_KINDS = ("visits", "exposure_time", "none")


@command("show-sky")
@repository_argument
@selection_options(find_first=None, sorting=False)
@click.option("--skymap", "sky_map", help="Sky map to draw; the only one if not given.")
@click.option("--no-skymap", is_flag=True, help="Draw no tracts and patches.")
@cutout_options("3deg")
@click.option("--whole-sky", is_flag=True, help="Show the whole sky, whatever was observed.")
@click.option(
    "--depth",
    type=click.Choice(_DEPTH_KINDS),
    default="visits",
    show_default=True,
    help="What the depth map counts.",
)
@click.option("--nside", type=int, help="Resolution of the depth map; fits the outlines if not given.")
@click.option("--depth-map", type=click.Path(path_type=Path), help="Save the depth map, HealSparse, too.")
@click.option("--depth-run", help="Put the depth map into this RUN, as the dataset depthMap.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("sky.png"),
    show_default=True,
    help="PNG, PDF or SVG file.",
)
def show_sky(
    repo: str,
    selection: Selection,
    sky_map: str | None,
    no_skymap: bool,
    ra: str | None,
    dec: str | None,
    position: str | None,
    size: str,
    whole_sky: bool,
    depth: str,
    nside: int | None,
    depth_map: Path | None,
    depth_run: str | None,
    output: Path,
) -> None:
    """Draw what was observed, and how deep, with tracts and patches, on the sky.

    --where and --data-id choose observations. With --dataset-type only those count that have such a dataset;
    of types with patches, the patches that have one are marked instead.
    """
    from ..pictures import draw_sky, write_depth_map
    from .shown_sky import ShownSky, put_depth_map

    cutout = cutout_of(ra, dec, position, size)
    if whole_sky and cutout is not None:
        raise click.UsageError("give either --whole-sky or a position")
    if no_skymap and sky_map:
        raise click.UsageError("give either --skymap or --no-skymap")
    if depth == "none" and (depth_map or depth_run or nside):
        raise click.UsageError("--depth none makes no map; leave out --nside, --depth-map and --depth-run")
    with open_butler(repo, writeable=depth_run is not None) as butler:
        shown = ShownSky.find(butler, selection, sky_map, with_sky_map=not no_skymap)
        picture = shown.picture(cutout, whole_sky=whole_sky, depth=depth, nside=nside)
        if picture.depth is None and (depth_map or depth_run):
            raise click.UsageError("there are no observations to make a depth map of")
        draw_sky(picture, output)
        click.echo(str(output))
        if depth_map is not None:
            write_depth_map(picture.depth, depth_map)
            click.echo(str(depth_map))
        if depth_run is not None:
            put_depth_map(butler, picture.depth, depth_run)
