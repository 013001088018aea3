"""From the detector images of a visit to its warps."""

from typing import TYPE_CHECKING

from butler.late import late_names

if TYPE_CHECKING:
    from .gaussian_psf_factory import GaussianPsfFactory, ModelPsf
    from .make_direct_warp import MakeDirectWarpTask
    from .make_direct_warp_config import MakeDirectWarpConfig, MakeDirectWarpConnections
    from .make_psf_matched_warp import MakePsfMatchedWarpTask
    from .make_psf_matched_warp_config import MakePsfMatchedWarpConfig, MakePsfMatchedWarpConnections
    from .model_psf_match import KernelGrid, ModelPsfMatchConfig, ModelPsfMatchTask
    from .warper import Warper, WarperConfig
else:
    # Who resamples images alone needs neither tables nor the matching of PSFs.
    __getattr__ = late_names(
        __name__,
        {
            "gaussian_psf_factory": ["GaussianPsfFactory", "ModelPsf"],
            "make_direct_warp": ["MakeDirectWarpTask"],
            "make_direct_warp_config": ["MakeDirectWarpConfig", "MakeDirectWarpConnections"],
            "make_psf_matched_warp": ["MakePsfMatchedWarpTask"],
            "make_psf_matched_warp_config": ["MakePsfMatchedWarpConfig", "MakePsfMatchedWarpConnections"],
            "model_psf_match": ["KernelGrid", "ModelPsfMatchConfig", "ModelPsfMatchTask"],
            "warper": ["Warper", "WarperConfig"],
        },
    )

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
