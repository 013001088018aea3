"""The cell of space that holds a region: the index behind searches on the sky.

A region is known by its box of unit vectors (`SkyRegion.bounding_vectors`). Space is cut into cubes, in 19
levels of halved edges, and a region belongs to the cube around its box's centre, of the finest level whose
edge is not shorter than its box (a loose octree, T. Ulrich in Game Programming Gems 1, 2000). So each region
has one cell, and the regions near a box lie in few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["BITS", "LEVELS", "SLACK", "cell_of"]

LEVELS: Final = 19
"""Number of levels."""
BITS: Final = 19
"""Bits of a coordinate in the number of a cell."""
# Boxes are padded, so that they reach a little over the cube of edge 2 around the sphere.
SLACK: Final = 1e-6
"""How far boxes may reach over that cube."""


def cell_of(bounds: Sequence[float]) -> int:
    """Return the cell of a region.

    Parameters
    ----------
    bounds
        Its box: minimum and maximum of x, y and z.
    """
    extent = max(bounds[1] - bounds[0], bounds[3] - bounds[2], bounds[5] - bounds[4])
    level = LEVELS - 1
    if extent > 0:
        level = min(max(math.floor(1 - math.log2(extent)), 0), level)
    edge = 2.0 ** (1 - level)
    x, y, z = (math.floor(((bounds[k] + bounds[k + 1]) / 2 + 1 + SLACK) / edge) for k in (0, 2, 4))
    return ((level << BITS | x) << BITS | y) << BITS | z
