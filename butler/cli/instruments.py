"""The command that registers instruments."""

from __future__ import annotations

from pathlib import Path

import click

from .arguments import open_butler, repository_argument
from .command import command


@command("register-instrument")
@repository_argument
@click.argument("cameras", metavar="CAMERA...", nargs=-1, required=True)
def register_instrument(repo: str, cameras: tuple[str, ...]) -> None:
    """Register instruments: cameras that come with the program, or YAML files with a camera mapping.

    Ingesting exposures does it, too; needed before only for what has no exposure.
    """
    from ..errors import ButlerUserError, did_you_mean
    from ..ingest import CameraMapping, shipped_cameras

    shipped = {camera.instrument: camera for camera in shipped_cameras().values()}
    found = []
    for name in cameras:
        if name in shipped:
            found.append(shipped[name])
        elif Path(name).suffix in (".yaml", ".yml"):
            found.append(CameraMapping.load(Path(name)))
        else:
            hint = did_you_mean(name, shipped)
            raise ButlerUserError(f"no camera {name!r}{hint}; a mapping of your own is a .yaml file")
    with open_butler(repo, writeable=True) as butler:
        for camera in found:
            is_new = butler.registry.syncDimensionData("instrument", {"name": camera.instrument})
            told = "" if is_new else ": it was there already"
            click.echo(f"instrument {camera.instrument}{told}", err=True)
