"""Cells of space that hold regions, for many boxes at once; see `sky_cell`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .sky_cell import BITS, LEVELS, SLACK

__all__ = ["candidate_pairs", "cells_near"]


def cells_near(bounds: NDArray[np.float64], *, limit: int) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
    """Return the cells of all regions that may overlap one of some boxes.

    Parameters
    ----------
    bounds
        Boxes, shape ``(n, 6)``.
    limit
        Most cells to name one by one.

    Returns
    -------
    cells
        Single cells.
    ranges
        First and last cell of levels at which there would be too many.
    """
    cells: list[NDArray[np.int64]] = []
    ranges: list[tuple[int, int]] = []
    left = limit
    for level in range(LEVELS):
        low, high = _corners(bounds, level)
        counts = np.prod(high - low + 1, axis=1, dtype=np.float64)
        if counts.sum() > 30 * left:
            ranges.append((level << 3 * BITS, ((level + 1) << 3 * BITS) - 1))
            continue
        found = np.unique(np.concatenate([_shell(a, b, level) for a, b in zip(low, high, strict=True)]))
        if len(found) > left:
            ranges.append((level << 3 * BITS, ((level + 1) << 3 * BITS) - 1))
            continue
        left -= len(found)
        cells.append(found)
    return np.concatenate(cells) if cells else np.empty(0, dtype=np.int64), ranges


def candidate_pairs(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of boxes that overlap.

    Parameters
    ----------
    first, second
        Boxes, shapes ``(n, 6)`` and ``(m, 6)``.

    Returns
    -------
    i, j
        Indexes into `first` and `second`, in the order of `first`.
    """
    found: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    levels_1, levels_2 = _levels(first), _levels(second)
    for one in np.unique(levels_1):
        members = np.flatnonzero(levels_1 == one)
        for two in np.unique(levels_2):
            others = np.flatnonzero(levels_2 == two)
            if one <= two:
                found += [(members[i], others[j]) for j, i in _search(second[others], first[members], one)]
            else:
                found += [(members[i], others[j]) for i, j in _search(first[members], second[others], two)]
    if not found:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    i, j = (np.concatenate(part) for part in zip(*found, strict=True))
    a, b = first[i], second[j]
    meet = np.all((a[:, ::2] <= b[:, 1::2]) & (b[:, ::2] <= a[:, 1::2]), axis=1)
    i, j = i[meet], j[meet]
    order = np.lexsort((j, i))
    return i[order], j[order]


def _levels(bounds: NDArray[np.float64]) -> NDArray[np.int64]:
    extent = np.max(bounds[:, 1::2] - bounds[:, ::2], axis=1)
    level = np.floor(1 - np.log2(np.maximum(extent, 1e-12)))
    found: NDArray[np.int64] = np.clip(level, 0, LEVELS - 1).astype(np.int64)
    return found


def _corners(bounds: NDArray[np.float64], level: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest and highest coordinates of the cells near each box, both ``(n, 3)``."""
    edge = 2.0 ** (1 - level)
    reach = edge / 2 + 2 * SLACK
    low = np.floor((bounds[:, ::2] - reach + 1 + SLACK) / edge).astype(np.int64)
    high = np.floor((bounds[:, 1::2] + reach + 1 + SLACK) / edge).astype(np.int64)
    return np.clip(low, 0, 2**level), np.clip(high, 0, 2**level)


def _pack(level: int, coordinates: NDArray[np.int64]) -> NDArray[np.int64]:
    x, y, z = coordinates[..., 0], coordinates[..., 1], coordinates[..., 2]
    packed: NDArray[np.int64] = ((level << BITS | x) << BITS | y) << BITS | z
    return packed


def _shell(low: NDArray[np.int64], high: NDArray[np.int64], level: int) -> NDArray[np.int64]:
    """Return the cells between two corners that centres of boxes around pieces of the sphere can be in."""
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    cubes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    edge = 2.0 ** (1 - level)
    corner = cubes * edge - 1 - SLACK
    nearest = np.linalg.norm(np.clip(0.0, corner, corner + edge), axis=1)
    furthest = np.linalg.norm(np.maximum(np.abs(corner), np.abs(corner + edge)), axis=1)
    margin = math.sqrt(3) / 2 * edge + 3 * SLACK
    return _pack(level, cubes[(nearest <= 1 + margin) & (furthest >= 1 - margin)])


def _search(
    boxes: NDArray[np.float64], held: NDArray[np.float64], level: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs of small boxes and those held in the cells of a level that are near them."""
    edge = 2.0 ** (1 - level)
    centres = (held[:, ::2] + held[:, 1::2]) / 2
    cells = _pack(level, np.floor((centres + 1 + SLACK) / edge).astype(np.int64))
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    low, high = _corners(boxes, level)
    for step in np.ndindex(*(np.max(high - low, axis=0) + 1)):
        asked = low + np.array(step)
        within = np.flatnonzero(np.all(asked <= high, axis=1))
        wanted = _pack(level, asked[within])
        begin, end = np.searchsorted(ordered, wanted, "left"), np.searchsorted(ordered, wanted, "right")
        counts = end - begin
        total = int(counts.sum())
        if total:
            starts = np.repeat(begin - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
            yield np.repeat(within, counts), order[starts + np.arange(total)]
