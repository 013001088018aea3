"""Data box: where a warp has anything to tell."""

from __future__ import annotations

from typing import Final

import numpy as np

from butler.images import Box2I, Mask

__all__ = ["data_box"]

_COLUMNS: Final = 64
"""Columns that are looked at together; those of a row lie in few lines of memory."""


def data_box(mask: Mask) -> Box2I | None:
    """Return a small box outside which a warp's mask has NO_DATA and nothing else.

    Parameters
    ----------
    mask
        The warp's mask. Only what lies outside the box, and its edge, is looked at.

    Returns
    -------
    box
        The box, whose left and right edges may lie up to 63 pixels further out; None if there is nothing.
        All of a warp that does not know NO_DATA.
    """
    no_data = mask.known_bit_mask(["NO_DATA"])
    if not no_data:
        return mask.bbox
    # Words of a file are compared as they lie there, in either byte order.
    words = mask.array.view(np.uint32)
    empty = np.array(no_data, mask.array.dtype).view(np.uint32)[()]

    def has_data(rows: slice, columns: slice) -> bool:
        return bool((words[rows, columns] != empty).any())

    n_y, n_x = words.shape
    bottom = next((y for y in range(n_y) if has_data(slice(y, y + 1), slice(None))), None)
    if bottom is None:
        return None
    top = next(y for y in range(n_y - 1, -1, -1) if has_data(slice(y, y + 1), slice(None)))
    rows = slice(bottom, top + 1)
    parts = [slice(x, min(x + _COLUMNS, n_x)) for x in range(0, n_x, _COLUMNS)]
    left = next(part for part in parts if has_data(rows, part))
    right = next(part for part in reversed(parts) if has_data(rows, part))
    x0, y0 = mask.bbox.minimum
    return Box2I.from_corners((x0 + left.start, y0 + bottom), (x0 + right.stop - 1, y0 + top))
