"""Outputs: the planes that a stack fills."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Outputs(NamedTuple):
    """The results, in arrays that the caller owns."""

    image: npt.NDArray[np.float32]
    """Values, shape ``(n_statistics, n_y, n_x)``."""

    variance: npt.NDArray[np.float32]
    """Variances, shape ``(n_statistics, n_y, n_x)``."""

    mask: npt.NDArray[np.int32]
    """Masks, shape ``(n_statistics, n_y, n_x)``."""

    n_image: npt.NDArray[np.int32]
    """Number of inputs that the mask lets through, shape ``(n_y, n_x)``."""
