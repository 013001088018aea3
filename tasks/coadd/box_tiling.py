"""Box tilings: how a patch is cut so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from butler.images import Box2I

__all__ = ["MAX_STRIP_BYTES", "row_strips", "subregions"]

MAX_STRIP_BYTES: Final = 48 * 2**20
"""Bytes that the pixels of all warps of one strip may take, however many warps there are."""

_BYTES_PER_PIXEL: Final = 12


def subregions(bbox: Box2I, size: tuple[int, int]) -> Iterator[Box2I]:
    """Cut a box into blocks, counted from its first pixel; those at the far edges may be smaller.

    Parameters
    ----------
    bbox
        The box.
    size
        Width and height of a block, pixels.

    Yields
    ------
    block
        The blocks, row by row from below.
    """
    for y in range(bbox.minY, bbox.maxY + 1, size[1]):
        for x in range(bbox.minX, bbox.maxX + 1, size[0]):
            yield Box2I.from_corners(
                (x, y), (min(x + size[0] - 1, bbox.maxX), min(y + size[1] - 1, bbox.maxY))
            )


def row_strips(bbox: Box2I, n_warps: int) -> Iterator[Box2I]:
    """Cut a box into strips of whole rows that `n_warps` warps can hold in memory together.

    A strip has `MAX_STRIP_BYTES` in image, mask and variance of all warps, and at least one row: with
    more visits the strips become lower instead of memory growing.
    """
    rows = MAX_STRIP_BYTES // (max(n_warps, 1) * bbox.width * _BYTES_PER_PIXEL)
    yield from subregions(bbox, (bbox.width, max(rows, 1)))
