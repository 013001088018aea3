"""Stacking of images into statistics, bit for bit as LSST does it."""

from .clipped_mean import clipped_mean
from .kept import kept_by_clipping
from .stack import StackResult, mean_and_meanclip_stack, statistics_stack
from .statistic import Statistic

__all__ = [
    "StackResult",
    "Statistic",
    "clipped_mean",
    "kept_by_clipping",
    "mean_and_meanclip_stack",
    "statistics_stack",
]
