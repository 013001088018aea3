"""makeSkyMap: register a sky map, with the command line of LSST's second generation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import click

from butler import Butler
from butler.cli.sky_maps import AROUND_EXPOSURES, sky_map_errors
from butler.dimensions import DimensionRecord
from butler.ingest import register_sky_map
from butler.skymaps import DiscreteSkyMap, SkyMap, make_sky_map, read_definition

from .arguments import Request
from .id_keys import IdKeys
from .log import command_log
from .places import Place, repository
from .selection import select_images
from .settings import Setting, read_settings
from .showing import check_items

__all__ = ["register_gen2_sky_map"]

_BORDER: Final = "borderSize"
"""Field of Gen2's makeDiscreteSkyMap: degrees around the exposures."""


def register_gen2_sky_map(request: Request) -> int:
    """Register the sky map of the settings, or one tract around the exposures of ``--id``.

    Returns
    -------
    status
        0; what is wrong is raised.

    Raises
    ------
    ButlerUserError, ClickException
        Raised if there is anything wrong with the command line or the sky map.
    """
    check_items(request.show)
    settings = read_settings(request.edits)
    fields = {setting.field: setting.literal() for setting in settings}
    _show_settings(settings, request.show)
    with Butler(repository(request.repo), writeable=request.runs) as butler:
        if request.ids:
            records = _images(butler, request)
            if "data" in request.show:
                for record in records:
                    key = {name: record[name] for name in ("instrument", "visit", "detector")}
                    click.echo(f"id dataRef.dataId = {key}")
            name, sky_map = _around(records, fields)
        elif fields:
            with sky_map_errors("the settings"):
                name, definition = read_definition(fields)
                sky_map = make_sky_map(definition)
        else:
            raise click.UsageError(
                "there is no default sky map: give its fields (-c skyMap=rings numRings=120), a file (-C), "
                "or exposures to put a tract around (--id)"
            )
        name = request.skymap or name or type(sky_map).name
        if request.runs:
            ref = register_sky_map(butler, name, sky_map)
            command_log().info(
                "sky map %r: %d tracts%s", name, len(sky_map), "" if ref else "; it was there already"
            )
    return 0


def _images(butler: Butler, request: Request) -> list[DimensionRecord]:
    """Return the records of the detector images of ``--id``."""
    place = Place.find(butler, request)
    keys = IdKeys(butler, place.collections(butler).inputs, instrument=request.instrument)
    selection = select_images(butler, keys, request)
    return butler.query_dimension_records("visit_detector_region", where=selection.where, bind=selection.bind)


def _around(records: Iterable[DimensionRecord], fields: dict[str, Any]) -> tuple[str | None, SkyMap]:
    """Return name and sky map of one tract around detector images."""
    border = fields.pop(_BORDER, 0.0)
    with sky_map_errors("cannot make a sky map"):
        name, definition = read_definition({**AROUND_EXPOSURES, **fields})
        base = make_sky_map(definition)
        if not isinstance(base, DiscreteSkyMap):
            raise click.UsageError("a tract around exposures is that of a discrete sky map; leave out --id")
        regions = [record.region for record in records if record.region is not None]
        return name, base.with_tract_around(regions, float(border))


def _show_settings(settings: Sequence[Setting], items: Sequence[str]) -> None:
    """Print the settings that were given; there is nothing else to know before the sky map is made."""
    for item in items:
        name, _, glob = item.partition("=")
        if name in ("config", "history"):
            for setting in settings:
                if fnmatchcase(setting.field.lower(), f"*{glob}".lower() if glob else "*"):
                    source = f"  # {setting.source}" if name == "history" else ""
                    click.echo(f"config.{setting.field}={setting.literal()!r}{source}")
        elif name == "tasks":
            click.echo("Subtasks:")
