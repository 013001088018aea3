"""Which inputs of one pixel sigma clipping keeps."""

import numpy as np
import numpy.typing as npt

from .rules import IQR_TO_SIGMA, check_clipping


def kept_by_clipping(
    values: npt.ArrayLike, weights: npt.ArrayLike, *, num_sigma: float, num_iter: int
) -> npt.NDArray[np.bool_]:
    """Tell which inputs of a pixel the last pass of a MEANCLIP keeps.

    Parameters
    ----------
    values, weights
        The good inputs and their weights, ``(n,)``; rounded to float32.
    num_sigma, num_iter
        Half-width of the interval and number of passes, as for `statistics_stack`.

    Returns
    -------
    kept
        Whether each input is kept, ``(n,)``.

    Raises
    ------
    ValueError
        Raised if clipping is impossible.
    """
    check_clipping(num_sigma, num_iter)
    x, w = (np.asarray(given, np.float32).astype(np.float64) for given in (values, weights))
    if not x.size:
        return np.zeros(0, bool)
    lower, centre, upper = np.percentile(x, [25, 50, 75])
    half_width = num_sigma * IQR_TO_SIGMA * (upper - lower)
    kept = np.ones(x.size, bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(num_iter):
            kept = np.abs(x - centre) <= half_width
            d, own = x[kept] - centre, w[kept]
            total = own.sum()
            offset = (own * d).sum() / total
            spread = (own * d * d).sum() / total - offset**2
            variance = spread * total**2 / (total**2 - (own * own).sum())
            centre = centre + offset
            if x.size > 1:
                half_width = num_sigma * np.sqrt(np.maximum(variance, 0))
    return np.asarray(kept)
