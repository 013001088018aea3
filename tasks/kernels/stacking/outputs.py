"""Outputs: the planes that a stack fills."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from .planes import PlaneTable

IMAGE, VARIANCE, MASK, N_IMAGE = range(4)
"""Kinds of planes in the table of the outputs."""


class Outputs(NamedTuple):
    """Where results go; the arrays belong to the caller, and are kept alive by them."""

    planes: PlaneTable
    """Planes of each kind, one for each statistic; of the number of inputs the same for all."""

    n_x: int
    """Pixels of a row."""

    has_n_image: bool
    """Whether the number of inputs that the mask lets through is wanted."""

    @classmethod
    def from_planes(
        cls, results: Sequence[Sequence[npt.NDArray[Any]]], n_image: npt.NDArray[Any] | None
    ) -> "Outputs":
        """Note where results go.

        Parameters
        ----------
        results
            Image, variance and mask of each statistic, of 32-bit numbers without gaps between those of a row.
        n_image
            Gets the number of inputs, int32; None if it is not wanted.
        """
        kinds = [list(kind) for kind in zip(*results, strict=True)]
        # A table has no holes; what is not wanted is never looked at.
        last = kinds[0] if n_image is None else [n_image] * len(results)
        return cls(PlaneTable.from_planes([*kinds, last]), results[0][0].shape[1], n_image is not None)
