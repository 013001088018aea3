"""Tiles of a resampled output, each with the part of the source that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tile", "tiles_of"]

Float64Array = NDArray[np.float64]

_SIDE: Final = 256
"""Output pixels along a tile: what it needs of a source stays in a processor's cache."""
_BEZIER: Final = np.array([[0, 18, 0, 0], [-2, 15, 6, -1], [-1, 6, 15, -2], [0, 0, 18, 0]]) / 18.0
"""Control points of the cubic through values at -1, 0, 1 and 2, for the part between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A box of the output."""

    box: tuple[int, int, int, int]
    """First row and the row after the last, then the same of the columns, of the output."""

    node_map: tuple[Float64Array, Float64Array, int]
    """Source x and source y at the nodes of the box, C-contiguous, and their distance in output pixels."""

    source: tuple[slice, slice] | None
    """Rows and columns of the source under any kernel of the box; None if there are none."""

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the output."""
        return slice(*self.box[:2]), slice(*self.box[2:])


def tiles_of(
    node_map: tuple[Float64Array, Float64Array, int],
    out_shape: tuple[int, int],
    source_shape: tuple[int, ...],
    half: int,
) -> Iterator[Tile]:
    """Divide an output into tiles of whole cells of its coordinate map.

    Parameters
    ----------
    node_map
        Source x and source y at the nodes that `map_nodes` lists, and their distance in output pixels.
    out_shape, source_shape
        Shapes ``(n_y, n_x)`` of output and source.
    half
        Half length of the kernel, source pixels.
    """
    map_x, map_y, step = node_map
    n_cells = max(1, _SIDE // step)
    side = n_cells * step
    for y in range(0, out_shape[0], side):
        for x in range(0, out_shape[1], side):
            nodes = np.s_[y // step :, x // step :]
            nodes_x, nodes_y = (
                np.ascontiguousarray(m[nodes][: n_cells + 3, : n_cells + 3]) for m in (map_x, map_y)
            )
            rows = _reached(nodes_y, source_shape[0], half)
            columns = _reached(nodes_x, source_shape[1], half)
            yield Tile(
                (y, min(y + side, out_shape[0]), x, min(x + side, out_shape[1])),
                (nodes_x, nodes_y, step),
                (rows, columns) if rows and columns else None,
            )


def _reached(nodes: Float64Array, length: int, half: int) -> slice | None:
    """Return the pixels along one source axis that a kernel can touch; None if there are none.

    The interpolant of a cell lies between the least and the greatest of its Bezier control points.
    """
    n_y, n_x = nodes.shape
    with np.errstate(over="ignore", invalid="ignore"):
        control = _control_points(n_y - 3) @ nodes @ _control_points(n_x - 3).T
    low, high = control.min(), control.max()
    if not (math.isfinite(low) and math.isfinite(high)):
        # Some of the cells have positions all the same.
        return slice(0, length)
    # One pixel more than the kernel has makes up for rounding.
    begin = max(0, math.floor(min(low, length + half)) - half)
    end = min(length, math.floor(max(high, -half)) + half + 2)
    return slice(begin, end) if begin < end else None


@lru_cache(maxsize=64)
def _control_points(n_cells: int) -> Float64Array:
    """Return the matrix from the values at the nodes along an axis to the control points of its cells."""
    matrix = np.zeros((4 * n_cells, n_cells + 3))
    for cell in range(n_cells):
        matrix[4 * cell : 4 * cell + 4, cell : cell + 4] = _BEZIER
    return matrix
