"""OnlineMean: the weighted mean of warps as running sums, one warp at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, MaskedImage

from .statistics_control import StatisticsControl

__all__ = ["OnlineMean"]


class OnlineMean:
    """Sums over the warps seen so far; what is good, and the mask, follow the rules of the stack.

    Parameters
    ----------
    bbox
        Box of the coadd.
    control
        What is good, how errors are made, and which bits come back.
    mask_map
        Bits of left-out warps that become others on the coadd, as for `tasks.kernels.statistics_stack`.

    Notes
    -----
    The sums are float64 and take about 13 planes of float32, however many warps there are. If the error
    comes from the scatter, squares are taken about the first good value of each pixel, which keeps their
    precision.
    """

    def __init__(self, bbox: Box2I, control: StatisticsControl, mask_map: list[tuple[int, int]]) -> None:
        shape = bbox.shape
        self._bbox, self._control, self._mask_map = bbox, control, mask_map
        self._w, self._wx, self._error = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._scatter = not control.calc_error_from_input_variance
        self._pivot = np.full(shape, np.nan, np.float32) if self._scatter else np.zeros(())
        self._w2 = np.zeros(shape) if self._scatter else np.zeros(())
        self._good_bits, self._any_bits = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self._any_lost = np.zeros(shape, bool)
        self._lost = {bit: np.zeros(shape, np.float32) for bit in control.mask_propagation_thresholds}
        self.n_image: NDArray[np.int32] = np.zeros(shape, np.int32)
        """Number of warps whose mask lets the pixel through."""

    def add(self, warp: MaskedImage, weight: float) -> None:
        """Add a box of a warp; the boxes of one warp must not overlap."""
        where = warp.bbox.slices_in(self._bbox)
        unmasked = ~warp.mask.any_of(self._control.and_mask)
        good = unmasked & np.isfinite(warp.image.array)
        value = np.where(good, warp.image.array, 0.0).astype(np.float64)
        self.n_image[where] += unmasked
        self._w[where] += weight * good
        if self._scatter:
            pivot = self._pivot[where]
            np.copyto(pivot, warp.image.array, where=good & np.isnan(pivot))
            distance = np.where(good, value - pivot, 0.0)
            self._w2[where] += weight**2 * good
            self._error[where] += weight * distance**2
            self._wx[where] += weight * distance
        else:
            self._wx[where] += weight * value
            self._error[where] += np.where(good, weight**2 * warp.variance.array.astype(np.float64), 0.0)
        bits = warp.mask.array
        self._good_bits[where] |= np.where(good, bits, 0)
        self._any_bits[where] |= bits
        self._any_lost[where] |= ~good
        for bit, lost in self._lost.items():
            lost[where] += weight * (~good & ((bits >> bit) & 1).astype(bool))

    def write_to(self, coadd: MaskedImage) -> None:
        """Write value, variance and mask into a coadd of the same box."""
        empty = self._w == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._wx / self._w
            if self._scatter:
                spread = self._error / self._w - mean**2
                variance = spread * self._w2 / (self._w**2 - self._w2)
                mean += self._pivot
            else:
                variance = self._error / self._w**2
        coadd.image.array[:] = mean
        coadd.variance.array[:] = variance
        mask = self._good_bits
        for bit, threshold in self._control.mask_propagation_thresholds.items():
            with np.errstate(divide="ignore", invalid="ignore"):
                mask[self._lost[bit] / (self._w + self._lost[bit]) > threshold] |= np.int32(1 << bit)
        mask[empty] = self._control.bits(["NO_DATA"])
        for look_for, found in self._mask_map:
            mask[self._any_lost & (self._any_bits & look_for != 0)] |= found
        coadd.mask.array[:] = mask
