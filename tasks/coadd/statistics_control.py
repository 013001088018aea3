"""StatisticsControl: how the pixels of warps are combined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["StatisticsControl"]


@dataclass(frozen=True, slots=True)
class StatisticsControl:
    """The options of a stack, and the mask planes that its bit masks refer to."""

    planes: Mapping[str, int]
    """Bit number of each mask plane, in all warps and the coadd."""

    and_mask: int
    """Bit mask of the planes whose pixels are left out."""

    num_sigma: float
    """Half-width of the clipping interval, in standard deviations."""

    num_iter: int
    """Number of clipping passes."""

    calc_error_from_input_variance: bool
    """Whether the variance of the coadd comes from those of the warps instead of their scatter."""

    mask_propagation_thresholds: Mapping[int, float]
    """By bit number: share of the weight that pixels left out must exceed for the bit to be set."""

    def bits(self, names: Iterable[str]) -> int:
        """Return the bit mask of some planes."""
        return sum(1 << self.planes[name] for name in set(names))

    def stack_options(self) -> dict[str, Any]:
        """Return the options by the names that the stacking kernels have for them."""
        return {
            "num_sigma": self.num_sigma,
            "num_iter": self.num_iter,
            "and_mask": self.and_mask,
            "nan_safe": True,
            "weighted": True,
            "calc_error_from_input_variance": self.calc_error_from_input_variance,
            "mask_propagation_thresholds": dict(self.mask_propagation_thresholds),
            "clipped": self.bits(["CLIPPED"]),
            "no_good_pixels_mask": self.bits(["NO_DATA"]),
        }
