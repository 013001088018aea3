"""CoaddBoundedField: an aperture correction of a coadd, from those of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .ap_corr_map import ApCorrMap
from .coadd_inputs import CcdInput
from .geometry import Box2I
from .sky_wcs import SkyWcs

__all__ = ["CoaddBoundedField", "coadd_ap_corr_map"]


@dataclass(frozen=True, slots=True)
class CoaddBoundedField:
    """At each position the weighted mean over the detector images that contain it and have the field.

    Parameters
    ----------
    bbox
        Box of the coadd.
    wcs
        Its WCS.
    name
        Name of the field in the inputs' aperture corrections.
    ccds
        The inputs; those without the field do not count.
    """

    bbox: Box2I
    wcs: SkyWcs
    name: str
    ccds: tuple[CcdInput, ...]

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the values at parent positions, in the shape to which they broadcast; NaN without inputs."""
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        ra, dec = self.wcs.pixelToSky(x.ravel(), y.ravel())
        total, weights = np.zeros(x.size), np.zeros(x.size)
        for ccd in self.ccds:
            if ccd.apCorrMap is None or self.name not in ccd.apCorrMap:
                continue
            own = np.array(ccd.require_wcs().skyToPixel(ra, dec))
            inside = np.array([ccd.contains(float(px), float(py)) for px, py in own.T], dtype=bool)
            total[inside] += ccd.weight * ccd.apCorrMap[self.name].evaluate(*own[:, inside])
            weights[inside] += ccd.weight
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = (total / weights).reshape(x.shape)
        return mean


def coadd_ap_corr_map(ccds: Sequence[CcdInput], wcs: SkyWcs, bbox: Box2I) -> ApCorrMap | None:
    """Return the aperture corrections of a warp or coadd; None if no input has any.

    Parameters
    ----------
    ccds
        The inputs.
    wcs, bbox
        WCS and box of the warp or coadd.
    """
    names = sorted({name for ccd in ccds for name in ccd.apCorrMap or ()})
    fields = {name: CoaddBoundedField(bbox, wcs, name, tuple(ccds)) for name in names}
    return ApCorrMap(fields) if fields else None
