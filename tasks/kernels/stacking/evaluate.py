"""Each statistic of a block: value and squared error."""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .block import Block
from .moments import Moments
from .order import Order
from .statistic import STATISTIC_CODE, Statistic

_MEAN = STATISTIC_CODE[Statistic.MEAN]
_MEDIAN = STATISTIC_CODE[Statistic.MEDIAN]
_MEANCLIP = STATISTIC_CODE[Statistic.MEANCLIP]
_VARIANCE = STATISTIC_CODE[Statistic.VARIANCE]
_VARIANCECLIP = STATISTIC_CODE[Statistic.VARIANCECLIP]
_STDEV = STATISTIC_CODE[Statistic.STDEV]
_STDEVCLIP = STATISTIC_CODE[Statistic.STDEVCLIP]
_MIN = STATISTIC_CODE[Statistic.MIN]
_MAX = STATISTIC_CODE[Statistic.MAX]
_SUM = STATISTIC_CODE[Statistic.SUM]
_IQRANGE = STATISTIC_CODE[Statistic.IQRANGE]
_MEANSQUARE = STATISTIC_CODE[Statistic.MEANSQUARE]


@part
def is_clipped(code: int) -> bool:
    """Whether a statistic is taken after clipping."""
    return code in (_MEANCLIP, _VARIANCECLIP, _STDEVCLIP)


@part
def is_ordered(code: int) -> bool:
    """Whether a statistic needs the inputs sorted."""
    return is_clipped(code) or code in (_MEDIAN, _MIN, _MAX, _IQRANGE)


@part
def evaluate(
    code: int,
    block: Block,
    order: Order,
    moments: Moments,
    input_errors: bool,
    result: npt.NDArray[np.float64],
) -> None:
    """Compute a statistic where at least one input is good; elsewhere the result has no meaning.

    Parameters
    ----------
    code
        From `STATISTIC_CODE`.
    block, order
        The screened inputs, and the good ones sorted if the statistic needs it.
    moments
        Sums over the good inputs, or over those that clipping left if the statistic is clipped.
    input_errors
        Whether the error of a mean comes from the input variances.
    result
        Values and squared errors, shape ``(2, width)``.
    """
    mean, spread, variance = moments.mean, moments.spread, moments.variance
    w, w2, vw2 = moments.w, moments.w2, moments.vw2
    n_good, values, quartiles = block.n_good, order.values, order.quartiles
    for p in range(result.shape[1]):
        n = n_good[p]
        squared_error = 0.0
        if code in (_MEAN, _MEANCLIP):
            value = mean[p]
            squared_error = (vw2[p] if input_errors else variance[p] * w2[p]) / (w[p] * w[p])
        elif code == _MEDIAN:
            value = quartiles[1, p]
            squared_error = np.pi / 2 * variance[p] / n
        elif code == _VARIANCE:
            value = variance[p]
            squared_error = 2.0 * (n - 1) * value * value / (n * n)
        elif code == _VARIANCECLIP:
            value = variance[p]
            squared_error = np.nan
        elif code in (_STDEV, _STDEVCLIP):
            value = np.sqrt(variance[p])
        elif code == _MIN:
            value = np.float64(values[0, p])
        elif code == _MAX:
            value = np.float64(values[max(n - 1, 0), p])
        elif code == _IQRANGE:
            value = quartiles[2, p] - quartiles[0, p]
        elif code == _SUM:
            value = moments.wd[p] + w[p] * moments.pivot[p]
        elif code == _MEANSQUARE:
            value = spread[p] + mean[p] * mean[p]
        else:
            value = np.float64(n)
        result[0, p] = value
        result[1, p] = squared_error
