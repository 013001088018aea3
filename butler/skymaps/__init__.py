"""Sky maps: how the sky is cut into tracts and patches."""

from .config import DiscreteSkyMapConfig, RingsSkyMapConfig, SkyMapConfig
from .discrete_sky_map import DiscreteSkyMap, discrete_sky_map_around
from .make_sky_map import make_sky_map
from .patch_info import Index2D, PatchInfo
from .rings_sky_map import RingsSkyMap
from .sky_map import SkyMap
from .tract_info import TractInfo

__all__ = [
    "DiscreteSkyMap",
    "DiscreteSkyMapConfig",
    "Index2D",
    "PatchInfo",
    "RingsSkyMap",
    "RingsSkyMapConfig",
    "SkyMap",
    "SkyMapConfig",
    "TractInfo",
    "discrete_sky_map_around",
    "make_sky_map",
]
