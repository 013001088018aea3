"""The command that ingests exposures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from .arguments import open_butler, repository_argument
from .command import command
from .output import progress_bar


@command("ingest-exposures")
@repository_argument
@click.argument("locations", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--camera", type=click.Path(path_type=Path), help="YAML file that maps header cards.")
@click.option("--output-run", default="raw/all", show_default=True, help="RUN for the datasets.")
@click.option(
    "-t",
    "--transfer",
    type=click.Choice(["copy", "symlink", "hardlink", "direct"]),
    default="copy",
    show_default=True,
)
@click.option("--bad-pixel-mask", type=click.Path(path_type=Path), help="Image that is not 0 at bad pixels.")
@click.option(
    "--weight",
    metavar="PATTERN",
    help="Inverse variance of each exposure, for example '{dir}/{stem}.weight.fits'.",
)
def ingest_exposures(
    repo: str,
    locations: tuple[Path, ...],
    camera: Path | None,
    output_run: str,
    transfer: str,
    bad_pixel_mask: Path | None,
    weight: str | None,
) -> None:
    """Ingest flattened exposures: FITS files, or directories of them."""
    from .. import ingest

    with open_butler(repo, writeable=True) as butler:
        report = ingest.ingest_exposures(
            butler,
            ingest.expand_paths(locations),
            run=output_run,
            camera=None if camera is None else ingest.CameraMapping.load(camera),
            transfer=transfer,
            bad_pixel_mask=bad_pixel_mask,
            weight_name=None if weight is None else _weight_name(weight),
            progress=progress_bar("ingest"),
        )
    counts = f"{len(report.ingested)} datasets ingested, {len(report.skipped)} files were there already"
    click.echo(f"{counts}, {len(report.failed)} failed", err=True)
    for path, reason in report.failed:
        click.echo(f"{path}: {reason}", err=True)
    if report.failed:
        raise click.exceptions.Exit(1)


def _weight_name(pattern: str) -> Callable[[Path], Path]:
    """Return the function from an exposure's file to that of its weight."""
    return lambda path: Path(
        pattern.replace("{dir}", str(path.parent)).replace("{stem}", path.stem).replace("{name}", path.name)
    )
