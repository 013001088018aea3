"""Commands that look at the datasets themselves."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import all_runs, collections_option, open_butler, parse_data_id, repository_argument
from .main import main


@main.command()
@repository_argument
@click.option("--repair", is_flag=True, help="Remove orphaned files, and datasets without their file.")
@click.option("--checksums/--no-checksums", default=True, help="Whether to read every file.")
def verify(repo: Path, repair: bool, checksums: bool) -> None:
    """Compare the registry with the files; while nothing else writes."""
    with open_butler(repo, writeable=repair) as butler:
        report = butler.verify(repair=repair, checksums=checksums)
    for dataset_id in report.missing:
        click.echo(f"missing: the file of dataset {dataset_id}")
    for text in report.damaged.values():
        click.echo(f"damaged: {text}")
    for dataset_id, place in report.astray.items():
        click.echo(f"astray: the path {place!r} of dataset {dataset_id} leaves the repository")
    for path in report.orphans:
        click.echo(f"orphan: {path}")
    click.echo(f"{report.n_checked} datasets checked", err=True)
    if not report.is_clean and not repair:
        click.echo(f"mend it with: butler verify {repo} --repair", err=True)
        raise click.exceptions.Exit(1)


@main.command()
@repository_argument
@click.argument("dataset_type")
@click.argument("data_id", nargs=-1)
@collections_option
@click.option("--bbox", help="Box x0..x1,y0..y1 in parent pixels; everything if not given.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Picture to write; TYPE.png if not given."
)
@click.option("--mask/--no-mask", default=True, help="Whether to lay the mask planes over the image.")
def show(
    repo: Path,
    dataset_type: str,
    data_id: tuple[str, ...],
    collections: tuple[str, ...],
    bbox: str | None,
    output: Path | None,
    mask: bool,
) -> None:
    """Draw an image dataset; DATA_ID is key=value ..."""
    from ..images import Box2I
    from ..pictures import draw_dataset

    parameters = {"bbox": Box2I.parse(bbox)} if bbox else {}
    target = output or Path(f"{dataset_type}.png")
    with open_butler(repo) as butler:
        names = list(collections) or all_runs(butler)
        handle = butler.getDeferred(
            dataset_type, parse_data_id(data_id), collections=names, parameters=parameters
        )
        draw_dataset(handle.get(), target, title=str(handle.ref), with_mask=mask)
    click.echo(str(target))
