"""``pipetask demo``: from exposures to a coadd and its picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from tqdm import tqdm

from ..ready_pipelines import load_pipeline

__all__ = ["demo"]


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default="demo")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Directory with exposures; simulated if not given."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated survey.")
@click.option("--visit", type=int, help="Visit to draw; the one of which most was clipped if not given.")
@click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True)
def demo(directory: Path, data: Path | None, seed: int, visit: int | None, processes: int) -> None:
    """From exposures to a safe-clipped coadd and its picture, in DIRECTORY."""
    from ..demo import first_light

    result = first_light(
        directory,
        load_pipeline,
        data=data,
        seed=seed,
        processes=processes,
        visit=visit,
        progress=partial(tqdm, delay=1),
    )
    click.echo(f"the picture is {result.picture}; try next:")
    for command in result.next_commands():
        click.echo(f"  {command}")
