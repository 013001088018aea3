"""What processCcd, makeCoaddTempExp and assembleCoadd run, and how their data IDs are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connections import ConfigError

from .arguments import Request
from .log import command_log
from .processing import TaskCommand
from .selection import select_images, select_patches, select_visits
from .settings import Setting

__all__ = ["ASSEMBLE_COADD", "MAKE_COADD_TEMP_EXP", "PROCESS_CCD"]


def _processing(request: Request, settings: Sequence[Setting]) -> tuple[str, list[Setting]]:
    return "from-exposures#processCcd", list(settings)


def _warping(request: Request, settings: Sequence[Setting]) -> tuple[str, list[Setting]]:
    """Choose which warps are made: ``makeDirect`` and ``makePsfMatched`` are Gen2's fields for it."""
    wanted = {"makeDirect": True, "makePsfMatched": False}
    left = []
    for setting in settings:
        if setting.field in wanted:
            wanted[setting.field] = _truth(setting)
        else:
            left.append(setting)
    match wanted["makeDirect"], wanted["makePsfMatched"]:
        case True, False:
            return "coadd-safeclip#makeWarp", left
        case True, True:
            return "coadd-comparewarp#makeWarp,makePsfMatchedWarp", left
        case False, True:
            return "coadd-comparewarp#makePsfMatchedWarp", left
    raise ConfigError("neither makeDirect nor makePsfMatched: there is no warp to make")


def _assembling(request: Request, settings: Sequence[Setting]) -> tuple[str, list[Setting]]:
    if "--legacyCoadd" in request.meta:
        command_log().info(
            "a coadd of clipped means has no CLIPPED pixels: later steps must not ask for that plane"
        )
        return "coadd-direct#assembleCoadd", [
            Setting("statistic", "MEANCLIP", False, "--legacyCoadd"),
            *settings,
        ]
    if "--warpCompareCoadd" in request.meta:
        return "coadd-comparewarp#assembleCoadd", list(settings)
    return "coadd-safeclip#assembleCoadd", list(settings)


def _truth(setting: Setting) -> bool:
    value = setting.literal()
    if not isinstance(value, bool):
        raise ConfigError(f"{setting.field} is True or False, not {value!r} (set by {setting.source})")
    return value


PROCESS_CCD: Final = TaskCommand("processCcd", "processCcd", _processing, select_images)
MAKE_COADD_TEMP_EXP: Final = TaskCommand("makeCoaddTempExp", "makeWarp", _warping, select_patches)
ASSEMBLE_COADD: Final = TaskCommand(
    "assembleCoadd", "assembleCoadd", _assembling, select_visits, takes_visits=True
)
