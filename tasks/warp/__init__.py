"""From the detector images of a visit to its warps."""

from .make_direct_warp import MakeDirectWarpTask
from .make_direct_warp_config import MakeDirectWarpConfig, MakeDirectWarpConnections
from .warper import Warper, WarperConfig

__all__ = [
    "MakeDirectWarpConfig",
    "MakeDirectWarpConnections",
    "MakeDirectWarpTask",
    "Warper",
    "WarperConfig",
]
