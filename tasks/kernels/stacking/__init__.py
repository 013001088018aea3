"""Stacking of images into statistics, bit for bit as LSST does it."""

from .clipped_mean import clipped_mean
from .kept import kept_by_clipping
from .outputs import Target, new_target
from .plane_pixels import median_of_finite
from .stack import StackResult, mean_and_meanclip_stack, statistics_stack
from .statistic import Statistic

__all__ = [
    "StackResult",
    "Statistic",
    "Target",
    "clipped_mean",
    "kept_by_clipping",
    "mean_and_meanclip_stack",
    "median_of_finite",
    "new_target",
    "statistics_stack",
]
