"""From the detector images of a visit to its warps."""

from .gaussian_psf_factory import GaussianPsfFactory, ModelPsf
from .make_direct_warp import MakeDirectWarpTask
from .make_direct_warp_config import MakeDirectWarpConfig, MakeDirectWarpConnections
from .make_psf_matched_warp import MakePsfMatchedWarpTask
from .make_psf_matched_warp_config import MakePsfMatchedWarpConfig, MakePsfMatchedWarpConnections
from .model_psf_match import KernelGrid, ModelPsfMatchConfig, ModelPsfMatchTask
from .warper import Warper, WarperConfig

__all__ = [
    "GaussianPsfFactory",
    "KernelGrid",
    "MakeDirectWarpConfig",
    "MakeDirectWarpConnections",
    "MakeDirectWarpTask",
    "MakePsfMatchedWarpConfig",
    "MakePsfMatchedWarpConnections",
    "MakePsfMatchedWarpTask",
    "ModelPsf",
    "ModelPsfMatchConfig",
    "ModelPsfMatchTask",
    "Warper",
    "WarperConfig",
]
