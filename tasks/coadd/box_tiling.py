"""Box tilings: how a patch is cut so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from butler.images import Box2I

__all__ = ["MAX_STRIP_BYTES", "RowStrips", "pixels_at_once", "subregions"]

MAX_STRIP_BYTES: Final = 48 * 2**20
"""Bytes of memory that the pixels of all warps of one strip may take, however many warps there are."""

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


def pixels_at_once(n_warps: int) -> int:
    """Return of how many pixels copies from all warps stay below `MAX_STRIP_BYTES`; at least one."""
    return max(MAX_STRIP_BYTES // (max(n_warps, 1) * _BYTES_PER_PIXEL), 1)


class RowStrips:
    """Strips of whole rows of a box, so high that what their pixels take stays below `MAX_STRIP_BYTES`.

    The first strip is as high as if all pixels of all warps were to be copied. It tells what a row really
    takes: files that are mapped take nothing, and the next strips are higher. With more visits the strips
    become lower instead of memory growing; they have at least one row.

    Parameters
    ----------
    bbox
        The box.
    n_warps
        Number of warps that are read together.
    n_results
        Number of bytes that results take for each pixel, besides the warps.
    """

    def __init__(self, bbox: Box2I, n_warps: int, n_results: int = 0) -> None:
        self._bbox = bbox
        self._n_results = n_results * bbox.width
        self._row_bytes = max(n_warps, 1) * bbox.width * _BYTES_PER_PIXEL + self._n_results

    def __iter__(self) -> Iterator[Box2I]:
        """Yield the strips from below."""
        y = self._bbox.minY
        while y <= self._bbox.maxY:
            rows = max(MAX_STRIP_BYTES // max(self._row_bytes, 1), 1)
            top = min(y + rows - 1, self._bbox.maxY)
            yield Box2I.from_corners((self._bbox.minX, y), (self._bbox.maxX, top))
            y = top + 1

    def note_memory(self, strip: Box2I, n_bytes: int) -> None:
        """Note how much memory the warps of a strip took."""
        self._row_bytes = -(-n_bytes // strip.height) + self._n_results
