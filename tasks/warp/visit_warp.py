"""VisitWarp: the warp of one visit as it grows from detector to detector."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, CcdInput, CoaddInputs, Image, MaskedImage, VisitInput

__all__ = ["VisitWarp"]

_NOISE_STRIDE = 16
_STRIP_ROWS = 32
"""Rows that are added at once: what is known of them stays in a processor's cache."""


class VisitWarp:
    """Collects the resampled detector images of a visit, in nJy.

    Where two of them overlap, a pixel comes from one of them: from that which has no bad plane there, or
    else from the detector of less noise, or of two equals from the first. The noise is a number of the
    detector, the median of its variances: to choose pixel by pixel would prefer pixels whose noise, and with
    it their estimated variance, happens to be low.

    Parameters
    ----------
    visit
        Visit number.
    bbox
        Box of the warp.
    badMaskPlanes
        Planes of pixels that give way to others.
    accompanying
        Names of images that come with each detector's, such as realisations of noise.
    """

    def __init__(
        self,
        visit: int,
        bbox: Box2I,
        badMaskPlanes: Collection[str] = (),
        accompanying: Collection[str] = (),
    ) -> None:
        self.visit = visit
        self.masked_image = MaskedImage.without_data(bbox)
        self.masked_image.image.unit = "nJy"
        self.masked_image.variance.unit = "nJy**2"
        self.accompanying = {name: Image.from_bbox(bbox, fill=np.nan) for name in accompanying}
        self._bad_planes = badMaskPlanes
        self._owner = np.full(bbox.shape, -1, dtype=np.int16)
        self._ccds: list[CcdInput] = []
        self._noise: list[float] = []
        self._counts: list[int] = []
        self._factors: list[float] = []

    def add(
        self,
        warped: MaskedImage,
        ccd: CcdInput,
        *,
        noise_factor: float = 1.0,
        accompanying: Mapping[str, Image] | None = None,
    ) -> None:
        """Add what one detector has for pixels that have no data yet, or worse ones.

        Parameters
        ----------
        warped
            Its resampled image, inside the box of the warp; mask planes are brought together by name.
        ccd
            Its record; the number of good pixels is found here.
        noise_factor
            Its `aperture_noise_factor`.
        accompanying
            Its other images, of the same box, by their names.
        """
        mask = warped.mask.conformed(self.masked_image.mask.planes)
        self.masked_image.mask.planes.update(mask.planes)
        sample = warped.variance.array[::_NOISE_STRIDE, ::_NOISE_STRIDE]
        self._noise.append(float(np.median(sample[np.isfinite(sample)])) if np.isfinite(sample).any() else 0)
        self._counts.append(0)
        self._factors.append(noise_factor)
        self._ccds.append(ccd)
        planes = MaskedImage(warped.image, mask, warped.variance)
        box = warped.bbox
        for y in range(box.minY, box.maxY + 1, _STRIP_ROWS):
            strip = Box2I.from_corners((box.minX, y), (box.maxX, min(y + _STRIP_ROWS - 1, box.maxY)))
            self._add_part(
                planes[strip], {name: image[strip] for name, image in (accompanying or {}).items()}
            )

    def _add_part(self, new: MaskedImage, accompanying: Mapping[str, Image]) -> None:
        """Add part of what the last detector has."""
        part = self.masked_image[new.bbox]
        owner = self._owner[new.bbox.slices_in(self.masked_image.bbox)]
        taken = ~new.mask.isSet("NO_DATA")
        overlap = taken & (owner >= 0)
        if overlap.any():
            bad = part.mask.known_bit_mask(self._bad_planes)
            is_bad = (new.mask.array[overlap] & bad != 0, part.mask.array[overlap] & bad != 0)
            taken[overlap] = self._is_better(is_bad, owner[overlap])
            self._counts = list(np.subtract(self._counts, self._owned(owner[overlap & taken])))
        np.copyto(part.image.array, new.image.array, where=taken)
        np.copyto(part.variance.array, new.variance.array, where=taken)
        np.copyto(part.mask.array, new.mask.array, where=taken)
        for name, image in accompanying.items():
            np.copyto(self.accompanying[name][new.bbox].array, image.array, where=taken)
        owner[taken] = len(self._ccds) - 1
        self._counts[-1] += int(np.count_nonzero(taken))

    def _is_better(
        self, is_bad: tuple[NDArray[np.bool_], NDArray[np.bool_]], owner: NDArray[np.int16]
    ) -> NDArray[np.bool_]:
        """Tell where pixels of the last detector replace those of their owners, shape ``(n,)``."""
        new, old = is_bad
        less_noise = self._noise[-1] < np.array(self._noise)[owner]
        return np.where(new == old, less_noise, old)

    def _owned(self, owner: NDArray[np.int16]) -> NDArray[np.intp]:
        """Return how many of some pixels each detector has."""
        return np.bincount(owner, minlength=len(self._ccds))

    @property
    def noise_factor(self) -> float:
        """Mean of the `aperture_noise_factor` over the pixels; 1 if there are none."""
        return float(np.average(self._factors, weights=self._counts)) if any(self._counts) else 1.0

    @property
    def coadd_inputs(self) -> CoaddInputs:
        """The visit and the detectors that some pixel comes from, with their numbers of pixels.

        Both tables are empty if there are no pixels.
        """
        ccds = tuple(
            replace(ccd, goodpix=int(count))
            for ccd, count in zip(self._ccds, self._counts, strict=True)
            if count
        )
        if not ccds:
            return CoaddInputs()
        goodpix = sum(ccd.goodpix for ccd in ccds)
        visit = VisitInput(self.visit, self.masked_image.bbox, goodpix, math.nan, ccds[0].filter)
        return CoaddInputs((visit,), ccds)
