"""Areas of the sky: the only door to lsst.sphgeom."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .pixelization import SkyPixelization
    from .polygons import overlapping
    from .sky_region import SkyRegion
else:
    __getattr__ = late_names(
        __name__,
        {
            "pixelization": ["SkyPixelization"],
            "polygons": ["overlapping"],
            "sky_region": ["SkyRegion"],
        },
    )

__all__ = ["SkyPixelization", "SkyRegion", "overlapping"]
