"""From a stored definition to a sky map."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..errors import did_you_mean
from .config import DiscreteSkyMapConfig, RingsSkyMapConfig
from .discrete_sky_map import DiscreteSkyMap
from .rings_sky_map import RingsSkyMap
from .sky_map import SkyMap

__all__ = ["make_sky_map", "read_definition"]

_KIND_FIELD: Final = re.compile(r"""skyMap\[["']?(\w+)["']?\]\.(?:tractBuilder\[["']?\w+["']?\]\.)?(\w+)""")
_ACTIVE_FIELD: Final = re.compile(r"skyMap\.(?:active\.)?(\w+)")


def make_sky_map(config: Mapping[str, Any]) -> SkyMap:
    """Make a sky map of its definition.

    Parameters
    ----------
    config
        ``name``, the kind of sky map ("discrete" or "rings"), and the fields of its configuration, as
        `SkyMap.to_simple` gives them; of a rings map the version too.

    Raises
    ------
    ValueError
        Raised if the kind or a field is unknown, or a value impossible.
    """
    fields = {key: value for key, value in config.items() if key != "name"}
    match config.get("name"):
        case DiscreteSkyMap.name:
            return DiscreteSkyMap(DiscreteSkyMapConfig.model_validate(fields))
        case RingsSkyMap.name:
            version = fields.pop("version", 1)
            return RingsSkyMap(RingsSkyMapConfig.model_validate(fields), version)
        case unknown:
            hint = did_you_mean(str(unknown), (DiscreteSkyMap.name, RingsSkyMap.name))
            raise ValueError(f"no kind of sky map has the name {unknown!r}{hint}")


def read_definition(fields: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Read what a user writes about a sky map, in LSST's way or ours.

    Parameters
    ----------
    fields
        Fields of its configuration, with ``skyMap`` or ``skyMap.name``, its kind, and ``name``, its own name;
        a field may be written ``skyMap["rings"].numRings`` or ``skyMap.active.numRings``. Of a field written
        twice the later value counts. Without ``skyMap``, ``name`` is the kind and ``skymap_name`` the sky
        map's name, as in the files that a repository keeps.

    Returns
    -------
    name, config
        Its name, None if it is not said; and what `make_sky_map` takes.

    Raises
    ------
    ValueError
        Raised if a field is written for another kind.
    """
    config: dict[str, Any] = {}
    for key, value in fields.items():
        kind, name_of_field = None, key
        if match := _KIND_FIELD.fullmatch(key):
            kind, name_of_field = match[1], match[2]
        elif match := _ACTIVE_FIELD.fullmatch(key):
            name_of_field = "skyMap" if match[1] == "name" else match[1]
        if kind is not None and config.setdefault("skyMap", fields.get("skyMap", kind)) != kind:
            raise ValueError(f"{key} is a field of another kind of sky map than {config['skyMap']}")
        config[name_of_field] = value
    stored = config.pop("skymap_name", None)
    name = None if stored is None else str(stored)
    if "skyMap" in config:
        own, kind = config.pop("name", None), config.pop("skyMap")
        return name if own is None else str(own), {**config, "name": kind}
    return name, config
