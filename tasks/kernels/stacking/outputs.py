"""Outputs: the planes that a stack fills."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .planes import PlaneTable

IMAGE, VARIANCE, MASK, N_IMAGE = range(4)
"""Kinds of planes in the table of the outputs."""

Target = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int32]]
"""Image, variance and mask ``(n_y, n_x)`` that get a result."""

_TYPES = {"image": np.float32, "variance": np.float32, "mask": np.int32}


class Outputs(NamedTuple):
    """Where results go; it does not keep the arrays alive."""

    planes: PlaneTable
    """Planes of each kind, one for each statistic; of the number of inputs the same for all."""

    n_x: int
    """Pixels of a row."""

    @classmethod
    def from_planes(cls, targets: Sequence[Target], n_image: npt.NDArray[np.int32]) -> "Outputs":
        """Note where the results of each statistic, and the number of inputs, go."""
        kinds = [list(kind) for kind in zip(*targets, strict=True)]
        return cls(PlaneTable.from_planes([*kinds, [n_image] * len(targets)]), n_image.shape[1])


def new_target(shape: tuple[int, ...]) -> Target:
    """Take the memory for a result."""
    return np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int32)


def check_target(target: Sequence[npt.NDArray[Any]], shape: tuple[int, ...]) -> None:
    """Raise ValueError if a result cannot be written there."""
    for (kind, dtype), plane in zip(_TYPES.items(), target, strict=True):
        if plane.dtype != dtype or plane.shape != shape:
            raise ValueError(
                f"the {kind} of a result must be {np.dtype(dtype)} of shape {shape}, "
                f"got {plane.dtype} of {plane.shape}"
            )
        if plane.strides[1] != plane.itemsize or not (plane.flags.aligned and plane.flags.writeable):
            raise ValueError(
                f"the {kind} of a result must be writeable, without gaps between pixels of a row"
            )
