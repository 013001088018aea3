"""VisitWarp: the warp of one visit as it grows from detector to detector."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from butler.images import Box2I, CcdInput, CoaddInputs, MaskedImage, VisitInput

__all__ = ["VisitWarp"]


class VisitWarp:
    """Collects the resampled detector images of a visit, in nJy.

    Where two of them overlap, a pixel is that of the lower variance, or of the first if both are equal: each
    comes from one detector, whatever is added later.

    Parameters
    ----------
    visit
        Visit number.
    bbox
        Box of the warp.
    """

    def __init__(self, visit: int, bbox: Box2I) -> None:
        self.visit = visit
        self.masked_image = MaskedImage.without_data(bbox)
        self.masked_image.image.unit = "nJy"
        self.masked_image.variance.unit = "nJy**2"
        self._owner = np.full(bbox.shape, -1, dtype=np.int16)
        self._ccds: list[CcdInput] = []

    def add(self, warped: MaskedImage, ccd: CcdInput) -> None:
        """Add what one detector has for pixels that have no data yet, or a larger variance.

        Parameters
        ----------
        warped
            Its resampled image, inside the box of the warp; mask planes are brought together by name.
        ccd
            Its record; the number of good pixels is found here.
        """
        whole = self.masked_image
        mask = warped.mask.conformed(whole.mask.planes)
        part = whole[warped.bbox]
        # Without data, the variance is infinite.
        taken = ~mask.isSet("NO_DATA") & (warped.variance.array < part.variance.array)
        part.image.array[taken] = warped.image.array[taken]
        part.variance.array[taken] = warped.variance.array[taken]
        part.mask.array[taken] = mask.array[taken]
        whole.mask.planes.update(mask.planes)
        self._owner[warped.bbox.slices_in(whole.bbox)][taken] = len(self._ccds)
        self._ccds.append(ccd)

    @property
    def coadd_inputs(self) -> CoaddInputs:
        """The visit and the detectors that some pixel comes from, with their numbers of pixels.

        Both tables are empty if there are no pixels.
        """
        counts = np.bincount(self._owner[self._owner >= 0], minlength=len(self._ccds))
        ccds = tuple(
            replace(ccd, goodpix=int(count)) for ccd, count in zip(self._ccds, counts, strict=True) if count
        )
        if not ccds:
            return CoaddInputs()
        goodpix = sum(ccd.goodpix for ccd in ccds)
        visit = VisitInput(self.visit, self.masked_image.bbox, goodpix, math.nan, ccds[0].filter)
        return CoaddInputs((visit,), ccds)
