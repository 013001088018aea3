"""The command that registers sky maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ButlerUserError
from .arguments import open_butler, repository_argument
from .command import command
from .yaml_files import load_mapping


@command("register-skymap")
@repository_argument
@click.option("--name", help="Name of the sky map; that of the file if not given.")
@click.option(
    "-C", "--config-file", type=click.Path(path_type=Path), help="YAML file with the sky map's config."
)
@click.option("--discrete", is_flag=True, help="One tract around the exposures in the repository.")
@click.option("--where", default="", help="With --discrete: which exposures.")
@click.option("--pixel-scale", type=float, default=0.2, show_default=True, help="With --discrete: arcsec.")
@click.option("--projection", default="TAN", show_default=True, help="With --discrete.")
@click.option(
    "--patch-inner-dimensions",
    type=int,
    nargs=2,
    default=(4000, 4000),
    show_default=True,
    help="With --discrete.",
)
@click.option("--patch-border", type=int, default=100, show_default=True, help="With --discrete.")
def register_skymap(
    repo: str, name: str | None, config_file: Path | None, discrete: bool, where: str, **geometry: Any
) -> None:
    """Register a sky map, from a YAML file or around the exposures."""
    from ..ingest import observed_regions, register_sky_map
    from ..skymaps import discrete_sky_map_around, make_sky_map

    if discrete is (config_file is not None):
        raise click.UsageError("give either --config-file or --discrete")
    with open_butler(repo, writeable=True) as butler:
        if config_file is None:
            with _as_user_error("cannot make a sky map"):
                sky_map: Any = discrete_sky_map_around(observed_regions(butler, where), **geometry)
        else:
            config = load_mapping(config_file)
            stored = config.pop("skymap_name", None)
            name = name or (stored and str(stored))
            with _as_user_error(f"{config_file}"):
                sky_map = make_sky_map(config)
        name = name or "discrete"
        ref = register_sky_map(butler, name, sky_map)
    n_patches = sum(len(tract) for tract in sky_map) if len(sky_map) < 1000 else None
    what = f"{len(sky_map)} tracts" + (f", {n_patches} patches" if n_patches is not None else "")
    click.echo(f"sky map {name!r}: {what}{'' if ref else '; it was there already'}", err=True)


class _as_user_error:  # noqa: N801 (a context manager)
    """Turn the ValueError of a sky map into a user's error."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from pydantic import ValidationError

        if isinstance(error, ValidationError):
            fault = error.errors(include_url=False)[0]
            told = [*(str(part) for part in fault["loc"]), fault["msg"].removeprefix("Value error, ")]
            raise ButlerUserError(f"{self._where}: {': '.join(told)}") from error
        if isinstance(error, ValueError | LookupError | TypeError) and not isinstance(error, ButlerUserError):
            raise ButlerUserError(f"{self._where}: {error}") from error
