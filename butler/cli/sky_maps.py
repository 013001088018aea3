"""The command that registers sky maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import ButlerUserError
from .arguments import all_runs, open_butler, repository_argument, words_option
from .command import command
from .data_ids import query_conditions
from .output import progress_bar
from .selection import data_id_option, where_option
from .yaml_files import load_mapping

if TYPE_CHECKING:
    from ..butler import Butler
    from ..skymaps import SkyMap

__all__ = ["AROUND_EXPOSURES", "register_skymap", "sky_map_errors"]

AROUND_EXPOSURES: Final = {"skyMap": "discrete", "tractOverlap": 0.0, "pixelScale": 0.2, "projection": "TAN"}
"""Fields of a sky map of one tract around exposures, where nothing else is said."""


@command("register-skymap")
@repository_argument
@click.option(
    "--name", help="Name of the sky map; that of the file if not given. With --discrete.  [default: discrete]"
)
@click.option(
    "-C",
    "--config-file",
    type=click.Path(path_type=Path),
    help="YAML file with the sky map's config, or LSST's .py file of assignments, which is not executed.",
)
@click.option(
    "-c",
    "--config",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Field of the config, over that of the file; for example numRings=120, tractOverlap=1/60.",
)
@click.option("--discrete", is_flag=True, help="One tract around the exposures in the repository.")
@where_option
@data_id_option("-d")
@words_option("--datasets", help="With --discrete: only exposures for which there are such datasets.")
@words_option("--collections", help="Where to search for --datasets; all runs if not given.")
@click.option("--append", help="With --discrete: the tract comes after those of this discrete sky map.")
@click.option("--border", type=float, default=0.0, help="With --discrete: degrees around the exposures.")
@click.option("--pixel-scale", "pixelScale", type=float, help="With --discrete: arcsec.  [default: 0.2]")
@click.option("--projection", help="With --discrete.  [default: TAN]")
@click.option(
    "--patch-inner-dimensions",
    "patchInnerDimensions",
    type=int,
    nargs=2,
    help="With --discrete.  [default: 4000 4000]",
)
@click.option("--patch-border", "patchBorder", type=int, help="With --discrete.  [default: 100]")
def register_skymap(
    repo: str,
    name: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    discrete: bool,
    **around: Any,
) -> None:
    """Register a sky map, from a file or around the exposures.

    A file or -c says its kind (skyMap: rings or discrete), its name and its fields. With --discrete --where,
    -d and --datasets choose the exposures, and -c may set more fields.
    """
    from ..ingest import count_visits_outside_tracts, register_sky_map
    from ..skymaps import DiscreteSkyMap

    given = {key: value for key, value in around.items() if value}
    if discrete is (config_file is not None) and (discrete or not settings):
        raise click.UsageError("give either --config-file or --discrete, or fields of the config by -c")
    if given and not discrete:
        raise click.UsageError(f"{', '.join(given)}: such options go with --discrete; give fields by -c")
    if "append" in given and name is None:
        raise click.UsageError("--append makes another sky map; give its --name")
    fields = _parse_settings(settings)
    told = "cannot make a sky map" if discrete else str(config_file or "-c")
    with open_butler(repo, writeable=True) as butler, sky_map_errors(told):
        stored, sky_map = _around(butler, fields, **around) if discrete else _defined(config_file, fields)
        name = name or stored or ("discrete" if discrete else None)
        if name is None:
            raise ButlerUserError("the sky map has no name; give it one by name: in the file, or by --name")
        if not len(sky_map):
            raise ButlerUserError(f"the sky map {name!r} has no tracts; give raList, decList and radiusList")
        ref = register_sky_map(butler, name, sky_map, progress=progress_bar("register tracts"))
        # Rings have the whole sky.
        outside = count_visits_outside_tracts(butler) if isinstance(sky_map, DiscreteSkyMap) else (0, 0)
    n_patches = sum(len(tract) for tract in sky_map) if len(sky_map) < 1000 else None
    what = f"{len(sky_map)} tracts" + (f", {n_patches} patches" if n_patches is not None else "")
    click.echo(f"sky map {name!r}: {what}{'' if ref else '; it was there already'}", err=True)
    if outside[0]:
        told = f"{outside[0]} of the {outside[1]} visits lie outside every tract of the sky maps"
        click.echo(f"warning: {told}; no coadd will have them", err=True)


def _parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Read ``field=value`` words; values are YAML."""
    from ..safe_yaml import load_yaml

    fields = {}
    for word in settings:
        key, equals, text = word.partition("=")
        if not (equals and key.strip() and text.strip()):
            raise click.UsageError(f"write a field of the config as FIELD=VALUE, not {word!r}")
        fields[key.strip()] = load_yaml(text.encode(), f"-c {word}")
    return fields


def _defined(config_file: Path | None, fields: Mapping[str, Any]) -> tuple[str | None, SkyMap]:
    """Return name and sky map of a file, and of fields that go over it."""
    from ..skymaps import make_sky_map, read_definition

    config = {} if config_file is None else _read_config(config_file)
    name, definition = read_definition({**config, **fields})
    return name, make_sky_map(definition)


def _read_config(path: Path) -> dict[str, Any]:
    """Return the fields that a YAML file, or one of LSST's files of assignments, sets."""
    from ..assignments import read_assignments

    if path.suffix != ".py":
        return load_mapping(path)
    try:
        return {each.field: each.value for each in read_assignments(path.read_bytes(), str(path))}
    except OSError as error:
        raise ButlerUserError(f"cannot read {path}: {error.strerror or error}") from error


def _around(
    butler: Butler,
    fields: Mapping[str, Any],
    *,
    where: str,
    data_id: Sequence[str],
    datasets: Sequence[str],
    collections: Sequence[str],
    append: str | None,
    border: float,
    **geometry: Any,
) -> tuple[str | None, SkyMap]:
    """Return name and sky map of one tract around exposures, after those of another sky map."""
    from ..ingest import find_sky_map, observed_outlines
    from ..skymaps import DiscreteSkyMap, make_sky_map, read_definition

    given = {key: value for key, value in geometry.items() if value is not None} | dict(fields)
    if append is None:
        name, definition = read_definition({**AROUND_EXPOSURES, **given})
        base = make_sky_map(definition)
    else:
        name, base = None, find_sky_map(butler, append)[1]
        if given:
            raise ButlerUserError(f"all tracts have the pixels of {append!r}; leave out {', '.join(given)}")
    if not isinstance(base, DiscreteSkyMap):
        raise ButlerUserError("only a discrete sky map has tracts around exposures")
    path = butler.collections.query(collections) if collections else all_runs(butler)
    conditions = query_conditions(data_id, where)
    outlines = observed_outlines(butler, *conditions, dataset_types=datasets, collections=path)
    return name, base.with_tract_around([outline.region for outline in outlines], border)


class sky_map_errors:  # noqa: N801 (a context manager)
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
