"""From a stored definition to a sky map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import did_you_mean
from .config import DiscreteSkyMapConfig, RingsSkyMapConfig
from .discrete_sky_map import DiscreteSkyMap
from .rings_sky_map import RingsSkyMap
from .sky_map import SkyMap

__all__ = ["make_sky_map"]


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
