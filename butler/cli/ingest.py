"""The commands that ingest exposures."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import click

from .arguments import open_butler, repository_argument
from .command import command
from .output import progress_bar

_FILE = click.Path(path_type=Path)


@command("ingest-exposures")
@repository_argument
@click.argument("locations", nargs=-1, required=True, type=_FILE)
@click.option("--camera", help="Name of a camera mapping (see camera-template), or a YAML file with one.")
@click.option("--output-run", default="raw/all", show_default=True, help="RUN for the datasets.")
@click.option(
    "-t",
    "--transfer",
    type=click.Choice(["copy", "symlink", "hardlink", "direct"]),
    default="copy",
    show_default=True,
)
@click.option("--bad-pixel-mask", type=_FILE, help="Image that is not 0 at bad pixels.")
@click.option(
    "--weight",
    metavar="PATTERN",
    help="Inverse variance of each exposure, such as '{dir}/{stem}.weight.fits', over that of the mapping.",
)
@click.option("--zero-points", type=_FILE, help="Table of zero points, over that of the mapping.")
@click.option("--reference-catalog", type=_FILE, help="Table of reference stars, over that of the mapping.")
@click.option(
    "--update-records",
    is_flag=True,
    help="Change records of visits, exposures and detectors that new files contradict, such as those with a "
    "better WCS.",
)
@click.option(
    "-j",
    "--processes",
    type=click.IntRange(min=1),
    default=min(os.cpu_count() or 1, 8),
    show_default="cores, at most 8",
    help="Processes that read headers.",
)
def ingest_exposures(
    repo: str,
    locations: tuple[Path, ...],
    camera: str | None,
    output_run: str,
    transfer: str,
    bad_pixel_mask: Path | None,
    weight: str | None,
    zero_points: Path | None,
    reference_catalog: Path | None,
    update_records: bool,
    processes: int,
) -> None:
    """Ingest flattened exposures: FITS files, or directories of them.

    Files that were ingested before are skipped. The exit status is 1 if a file could not be ingested; the
    others are in.
    """
    from .. import ingest

    with open_butler(repo, writeable=True) as butler:
        # What was imported stays, and need not be looked through again and again for what can go.
        gc.freeze()
        paths = ingest.expand_paths(locations)
        mapping = ingest.find_camera_of(paths) if camera is None else ingest.camera_named(camera)
        if weight is not None:
            mapping = mapping.model_copy(update={"weight": ingest.CompanionRule(file=weight)})
        report = ingest.ingest_exposures(
            butler,
            paths,
            run=output_run,
            camera=mapping,
            transfer=transfer,
            bad_pixel_mask=bad_pixel_mask,
            zero_points=zero_points,
            reference_catalog=reference_catalog,
            update_records=update_records,
            processes=processes,
            progress=progress_bar("ingest"),
        )
    counts = f"{len(report.ingested)} datasets ingested, {len(report.skipped)} files were there already"
    click.echo(f"{counts}, {len(report.failed)} failed", err=True)
    if report.n_outside:
        told = f"{report.n_outside} of the new detector images lie outside every tract of the sky maps"
        click.echo(f"warning: {told}", err=True)
    for path, reason in report.failed:
        click.echo(f"{path}: {reason}", err=True)
    if report.failed:
        raise click.exceptions.Exit(1)


@command("camera-template")
@click.argument("name", required=False)
@click.option("--list", "lists", is_flag=True, help="List the mappings that come with the package.")
def camera_template(name: str | None, lists: bool) -> None:
    """Print a camera mapping, to write one's own from.

    It is the commented template, or the mapping NAME that comes with the package.
    """
    from .. import ingest

    if lists:
        for known, mapping in ingest.shipped_cameras().items():
            click.echo(f"{known}: {mapping.instrument}")
        return
    click.echo(ingest.camera_template(name), nl=False)
