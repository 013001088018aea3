"""Sky maps: how the sky is cut into tracts and patches."""

from .cell_info import CellInfo
from .config import DiscreteSkyMapConfig, RingsSkyMapConfig, SkyMapConfig
from .dimension_packer import SkyMapDimensionPacker
from .discrete_sky_map import DiscreteSkyMap, discrete_sky_map_around
from .index import Index2D
from .make_sky_map import make_sky_map, read_definition
from .patch_info import PatchInfo
from .patch_layout import CellLayout, PatchLayout
from .rings_sky_map import RingsSkyMap
from .sky_map import SkyMap
from .tract_info import TractInfo

__all__ = [
    "CellInfo",
    "CellLayout",
    "DiscreteSkyMap",
    "DiscreteSkyMapConfig",
    "Index2D",
    "PatchInfo",
    "PatchLayout",
    "RingsSkyMap",
    "RingsSkyMapConfig",
    "SkyMap",
    "SkyMapConfig",
    "SkyMapDimensionPacker",
    "TractInfo",
    "discrete_sky_map_around",
    "make_sky_map",
    "read_definition",
]
