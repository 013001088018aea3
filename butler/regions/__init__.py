"""Areas of the sky: the only door to lsst.sphgeom."""

from .pixelization import SkyPixelization
from .polygons import overlapping
from .sky_region import SkyRegion

__all__ = ["SkyPixelization", "SkyRegion", "overlapping"]
