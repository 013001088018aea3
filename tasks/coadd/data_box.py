"""Data box: where a warp has anything to tell."""

from __future__ import annotations

from typing import Final

import numpy as np

from butler.images import Box2I, MaskedImage

__all__ = ["data_box"]

_COLUMNS: Final = 64
"""Columns that are looked at together; those of a row lie in few lines of memory."""


def data_box(warp: MaskedImage) -> Box2I | None:
    """Return a small box outside which there is only NO_DATA.

    Outside it no pixel is finite, and no mask has another bit than NO_DATA: left out, these pixels change no
    coadd. Only they and the outermost rows and columns of the rest are looked at.

    Parameters
    ----------
    warp
        The warp.

    Returns
    -------
    box
        The box, whose left and right edges may lie up to 63 pixels further out; None if there is nothing.
        All of a warp that does not know NO_DATA.
    """
    image, mask = warp.image.array, warp.mask.array
    no_data = warp.mask.known_bit_mask(["NO_DATA"])
    n_y, n_x = image.shape
    if not no_data:
        return warp.bbox

    def has_data(rows: slice, columns: slice) -> bool:
        other = mask[rows, columns] != no_data
        return bool(other.any() or np.isfinite(image[rows, columns]).any())

    with_data = (y for y in range(n_y) if has_data(slice(y, y + 1), slice(None)))
    bottom = next(with_data, None)
    if bottom is None:
        return None
    top = next(y for y in range(n_y - 1, -1, -1) if has_data(slice(y, y + 1), slice(None)))
    parts = [slice(x, min(x + _COLUMNS, n_x)) for x in range(0, n_x, _COLUMNS)]
    left = next(part for part in parts if has_data(slice(bottom, top + 1), part))
    right = next(part for part in reversed(parts) if has_data(slice(bottom, top + 1), part))
    x0, y0 = warp.bbox.minimum
    return Box2I.from_corners((x0 + left.start, y0 + bottom), (x0 + right.stop - 1, y0 + top))
