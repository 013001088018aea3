"""Stacking of images into statistics, bit for bit as LSST does it."""

from .clipped_mean import clipped_mean
from .stack import StackResult, mean_and_meanclip_stack, statistics_stack
from .statistic import Statistic

__all__ = ["StackResult", "Statistic", "clipped_mean", "mean_and_meanclip_stack", "statistics_stack"]
