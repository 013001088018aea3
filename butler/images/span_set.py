"""SpanSet: a set of pixels kept as horizontal runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BoxError
from .geometry import ORIGIN, Box2I, Extent2I, Point2I
from .mask import Mask, bit_mask_value

__all__ = ["Span", "SpanSet"]

_Keys = NDArray[np.int64]

_ROW: Final = 1 << 32
"""Distance of two rows on the line of keys: pixel ``(x, y)`` has the key ``y * _ROW + x``."""

_LIMIT: Final = 1 << 29
"""Largest coordinate; leaves room for shifts and dilations before rows could meet on the line."""

_MAX_PRODUCT: Final = 1 << 20
"""Largest number of shifted spans that a dilation or erosion holds at once."""

_LONG: Final = 32
"""Mean length of runs that are faster changed one by one than pixel by pixel."""


class Span(NamedTuple):
    """One run of pixels in a row; both ends belong to it."""

    y: int
    x0: int
    x1: int


class SpanSet:
    """An immutable set of pixels in parent coordinates, kept as horizontal runs.

    Every set has exactly one form: runs ordered by row and column, none touching the next. The empty
    set is allowed.

    Parameters
    ----------
    spans
        Runs ``(y, x0, x1)``, both ends inclusive, in any order; they may overlap.

    Raises
    ------
    ValueError
        Raised if a run ends before it starts, or for coordinates that are not integers within ±2**29.

    Notes
    -----
    All rows lie on one line of integer keys, far apart; a set is then a list of half-open intervals
    on that line, and the operations are those on intervals.
    """

    __slots__ = ("_ends", "_starts")

    _starts: _Keys
    _ends: _Keys

    def __init__(self, spans: Iterable[tuple[int, int, int]] = ()) -> None:
        table = np.array([Span(*span) for span in spans]).reshape(-1, 3)
        self._starts, self._ends = _parse(*table.T)

    @classmethod
    def from_arrays(cls, y: ArrayLike, x0: ArrayLike, x1: ArrayLike) -> SpanSet:
        """Make a set from the rows, first and last columns (inclusive) of its runs.

        Raises
        ------
        ValueError
            Raised as by the class itself, and for arrays of different lengths.
        """
        return cls._from_keys(*_parse(np.asarray(y), np.asarray(x0), np.asarray(x1)))

    @classmethod
    def from_groups(
        cls, y: NDArray[Any], x0: NDArray[Any], x1: NDArray[Any], counts: NDArray[np.integer]
    ) -> list[SpanSet]:
        """Make many sets at once, of runs that come set after set, each in order and apart from the next.

        Parameters
        ----------
        y, x0, x1
            Rows, first and last columns (inclusive) of the runs of all sets.
        counts
            Number of runs of each set.

        Raises
        ------
        ValueError
            Raised as by the class itself, and for runs of one set that are out of order, overlap or touch.
        """
        starts, ends = _keys(y, x0, x1)
        bounds = np.concatenate([[0], np.cumsum(counts)])
        if bounds[-1] != len(starts):
            raise ValueError(f"the counts are of {bounds[-1]} runs, but there are {len(starts)}")
        joined = np.append(ends[:-1] >= starts[1:], False)
        # The last run of a set may lie anywhere with regard to the first of the next one.
        joined[bounds[1:] - 1] = False
        if joined.any():
            raise ValueError("runs of one set overlap, touch or are out of order; use from_arrays")
        return [cls._from_keys(starts[a:b], ends[a:b]) for a, b in pairwise(bounds.tolist())]

    @classmethod
    def fromMask(
        cls, mask: Mask | NDArray[Any], bits: int | None = None, xy0: tuple[int, int] | None = None
    ) -> SpanSet:
        """Make the set of pixels that are set in a mask or array.

        Parameters
        ----------
        mask
            A mask, or an array ``(n_y, n_x)``.
        bits
            Bit mask of the planes that count, for masks; None means any value but 0.
        xy0
            Parent coordinates ``(x, y)`` of the first pixel; None means those of the mask, and
            ``(0, 0)`` for an array.

        Raises
        ------
        ValueError
            Raised for ``bits`` with an array that is not int32.
        """
        array, origin = (mask.array, mask.xy0) if isinstance(mask, Mask) else (mask, ORIGIN)
        chosen = array != 0 if bits is None else Mask(array).any_of(bits)
        padded = np.zeros((chosen.shape[0], chosen.shape[1] + 2), dtype=bool)
        padded[:, 1:-1] = chosen
        # In each row the value changes alternately into and out of a run.
        rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
        x, y = origin if xy0 is None else xy0
        keys = (rows + y) * _ROW + (columns + x)
        return cls._from_keys(keys[0::2], keys[1::2])

    @classmethod
    def fromShape(cls, radius: int, *, offset: tuple[int, int] = ORIGIN) -> SpanSet:
        """Make a disc: the pixels with ``dx**2 + dy**2 <= radius**2``.

        Parameters
        ----------
        radius
            Radius in pixels; 0 gives a single pixel.
        offset
            Pixel ``(x, y)`` of the centre.

        Raises
        ------
        ValueError
            Raised for a negative radius.
        """
        if radius < 0:
            raise ValueError(f"the radius of a disc is 0 or more pixels, not {radius}")
        dy = np.arange(-radius, radius + 1)
        half = np.floor(np.sqrt(radius * radius - dy * dy)).astype(np.int64)
        return cls.from_arrays(offset[1] + dy, offset[0] - half, offset[0] + half)

    @classmethod
    def from_bbox(cls, bbox: Box2I) -> SpanSet:
        """Make the set of all pixels of a box."""
        y = np.arange(bbox.minY, bbox.maxY + 1)
        return cls.from_arrays(y, np.full_like(y, bbox.minX), np.full_like(y, bbox.maxX))

    @classmethod
    def _from_keys(cls, starts: _Keys, ends: _Keys) -> SpanSet:
        """Make a set from intervals that are sorted and separate already."""
        self = cls.__new__(cls)
        self._starts, self._ends = starts, ends
        return self

    def to_arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Return the rows, first and last columns (inclusive) of the runs, in order."""
        y = (self._starts + _ROW // 2) // _ROW
        x0, x1 = self._starts - y * _ROW, self._ends - y * _ROW - 1
        return y.astype(np.int32), x0.astype(np.int32), x1.astype(np.int32)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self._ends - self._starts).sum())

    def getArea(self) -> int:
        """Return the number of pixels."""
        return self.area

    @property
    def bbox(self) -> Box2I:
        """Smallest box that holds the set; a BoxError if the set is empty."""
        if not self:
            raise BoxError("an empty SpanSet has no box; test its area first")
        y, x0, x1 = self.to_arrays()
        return Box2I.from_corners((int(x0.min()), int(y[0])), (int(x1.max()), int(y[-1])))

    def getBBox(self) -> Box2I:
        """Return the smallest box that holds the set.

        Raises
        ------
        BoxError
            Raised if the set is empty.
        """
        return self.bbox

    def contains(self, other: SpanSet | tuple[int, int]) -> bool:
        """Tell whether a pixel ``(x, y)``, or every pixel of another set, belongs to this one."""
        if isinstance(other, SpanSet):
            return not other.intersectNot(self)
        key = int(other[1]) * _ROW + int(other[0])
        i = int(np.searchsorted(self._starts, key, side="right")) - 1
        return i >= 0 and bool(key < self._ends[i])

    def overlaps(self, other: SpanSet) -> bool:
        """Tell whether the sets share a pixel."""
        return bool(self.intersect(other))

    def union(self, other: SpanSet) -> SpanSet:
        """Return the pixels of either set."""
        return _covered(_joined(self._starts, other._starts), _joined(self._ends, other._ends), 1)

    def intersect(self, other: SpanSet) -> SpanSet:
        """Return the pixels of both sets."""
        return _covered(_joined(self._starts, other._starts), _joined(self._ends, other._ends), 2)

    def intersectNot(self, other: SpanSet) -> SpanSet:
        """Return the pixels of this set that the other one lacks."""
        limit = np.iinfo(np.int64)
        # The gaps of the other set are intervals too.
        gap_starts = _joined(np.array([limit.min]), other._ends)
        gap_ends = _joined(other._starts, np.array([limit.max]))
        return _covered(_joined(self._starts, gap_starts), _joined(self._ends, gap_ends), 2)

    def dilated(self, kernel: int | SpanSet) -> SpanSet:
        """Return the set grown by a disc of that radius, or by another set about ``(0, 0)``.

        The result holds every sum of a pixel of this set and one of the kernel.

        Raises
        ------
        ValueError
            Raised for a negative radius.
        """
        result = SpanSet()
        for part in self._kernel_parts(kernel):
            starts = part._starts[:, np.newaxis] + self._starts
            ends = part._ends[:, np.newaxis] - 1 + self._ends
            result = result.union(_covered(starts.ravel(), ends.ravel(), 1))
        return result

    def eroded(self, kernel: int | SpanSet) -> SpanSet:
        """Return the positions at which a disc of that radius, or another set, fits into this one.

        Raises
        ------
        ValueError
            Raised for a negative radius, or an empty kernel, which fits everywhere.
        """
        result: SpanSet | None = None
        for part in self._kernel_parts(kernel):
            starts = self._starts - part._starts[:, np.newaxis]
            ends = self._ends - (part._ends[:, np.newaxis] - 1)
            fits = starts < ends
            piece = _covered(starts[fits], ends[fits], len(part))
            result = piece if result is None else result.intersect(piece)
        if result is None:
            raise ValueError("cannot erode by an empty SpanSet; give a radius or a set with pixels")
        return result

    def _kernel_parts(self, kernel: int | SpanSet) -> Iterator[SpanSet]:
        """Yield a kernel in parts whose product with this set fits into memory."""
        shape = kernel if isinstance(kernel, SpanSet) else SpanSet.fromShape(kernel)
        step = max(1, _MAX_PRODUCT // max(1, len(self)))
        for i in range(0, len(shape), step):
            yield SpanSet._from_keys(shape._starts[i : i + step], shape._ends[i : i + step])

    def clippedTo(self, bbox: Box2I) -> SpanSet:
        """Return the pixels inside a box."""
        y, x0, x1 = self.to_arrays()
        x0, x1 = np.maximum(x0, bbox.minX), np.minimum(x1, bbox.maxX)
        inside = (y >= bbox.minY) & (y <= bbox.maxY) & (x0 <= x1)
        return SpanSet.from_arrays(y[inside], x0[inside], x1[inside])

    def shiftedBy(self, dx: int, dy: int) -> SpanSet:
        """Return the set moved by ``(dx, dy)`` pixels.

        Raises
        ------
        ValueError
            Raised if a coordinate leaves ±2**29.
        """
        y, x0, x1 = (v.astype(np.int64) for v in self.to_arrays())
        return SpanSet.from_arrays(y + dy, x0 + dx, x1 + dx)

    def split(self) -> list[SpanSet]:
        """Return the 8-connected pieces, in the order of their first pixels."""
        if not self:
            return []
        # Runs of the next row within one column: they end at or after this run's start ...
        first = np.searchsorted(self._ends, self._starts + _ROW, side="left")
        # ... and start at or before its end (which is half-open).
        last = np.searchsorted(self._starts, self._ends + _ROW, side="right")
        above = np.repeat(np.arange(len(self)), last - first)
        below = _ranges(first, last - first)
        roots = _roots(len(self), above, below)
        order = np.argsort(roots, kind="stable")
        pieces = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
        return [SpanSet._from_keys(self._starts[runs], self._ends[runs]) for runs in pieces]

    def isContiguous(self) -> bool:
        """Tell whether the set is one 8-connected piece, or empty."""
        return len(self.split()) <= 1

    def indices(self, xy0: tuple[int, int] = ORIGIN) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the index ``(rows, columns)`` of all pixels in an array that starts at ``xy0``."""
        y, x0, x1 = (v.astype(np.int64) for v in self.to_arrays())
        lengths = x1 - x0 + 1
        return np.repeat(y - xy0[1], lengths), _ranges(x0 - xy0[0], lengths)

    def asArray(self, bbox: Box2I | None = None) -> NDArray[np.bool_]:
        """Return where the set has pixels in a box, ``(n_y, n_x)``.

        Parameters
        ----------
        bbox
            The box; None means that of the set. Pixels outside are left out.

        Raises
        ------
        BoxError
            Raised if the set is empty and no box is given.
        """
        bbox = self.bbox if bbox is None else bbox
        array = np.zeros(bbox.shape, dtype=bool)
        array[self.clippedTo(bbox).indices(bbox.minimum)] = True
        return array

    def count_where(self, array: NDArray[Any], xy0: tuple[int, int] = ORIGIN) -> int:
        """Return the number of pixels of the set at which an array is not 0.

        Parameters
        ----------
        array
            Values ``(n_y, n_x)``; beyond its edges nothing is counted.
        xy0
            Parent coordinates ``(x, y)`` of its first pixel.
        """
        height, width = array.shape
        inside = self.clippedTo(Box2I(Point2I(*xy0), Extent2I(width, height)))
        return int(np.count_nonzero(array[inside.indices(xy0)]))

    def setMask(self, mask: Mask, bits: int) -> None:
        """Set the bits of a bit mask at the set's pixels.

        Raises
        ------
        BoxError
            Raised if a pixel lies outside the mask; `clippedTo` leaves such pixels out.
        """
        self._change(mask, np.bitwise_or, bit_mask_value(bits))

    def clearMask(self, mask: Mask, bits: int) -> None:
        """Clear the bits of a bit mask at the set's pixels.

        Raises
        ------
        BoxError
            Raised if a pixel lies outside the mask; `clippedTo` leaves such pixels out.
        """
        self._change(mask, np.bitwise_and, ~bit_mask_value(bits))

    def _change(self, mask: Mask, operation: np.ufunc, bits: Any) -> None:
        """Combine the mask with bits at the set's pixels."""
        if not self:
            return
        self.bbox.slices_in(mask.bbox)
        if self.area < _LONG * len(self):
            where = self.indices(mask.xy0)
            mask.array[where] = operation(mask.array[where], bits)
            return
        # Indices would take four times the memory of the mask.
        for y, x0, x1 in self:
            row = mask.array[y - mask.xy0.y, x0 - mask.xy0.x : x1 + 1 - mask.xy0.x]
            operation(row, bits, out=row)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Span]:
        y, x0, x1 = (v.tolist() for v in self.to_arrays())
        return map(Span, y, x0, x1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return np.array_equal(self._starts, other._starts) and np.array_equal(self._ends, other._ends)

    def __hash__(self) -> int:
        return hash((self._starts.tobytes(), self._ends.tobytes()))

    def __repr__(self) -> str:
        return f"SpanSet({self.area} pixels in {self.bbox})" if self else "SpanSet()"


def _covered(starts: _Keys, ends: _Keys, times: int) -> SpanSet:
    """Return the keys that lie in at least ``times`` of some half-open intervals.

    Depth changes only at ends of intervals; between two of them it is the number of intervals that
    started less the number that ended.
    """
    # Timsort ("stable") only merges: the intervals of each operand come in order.
    starts, ends = np.sort(starts, kind="stable"), np.sort(ends, kind="stable")
    edges = np.sort(np.concatenate([starts, ends]), kind="stable")
    depth = np.searchsorted(starts, edges, side="right") - np.searchsorted(ends, edges, side="right")
    inside = depth >= times
    before = np.zeros_like(inside)
    before[1:] = inside[:-1]
    return SpanSet._from_keys(edges[inside & ~before], edges[before & ~inside])


def _parse(y: NDArray[Any], x0: NDArray[Any], x1: NDArray[Any]) -> tuple[_Keys, _Keys]:
    """Return the sorted, separate intervals of keys of runs given in any order."""
    starts, ends = _keys(y, x0, x1)
    if np.all(ends[:-1] < starts[1:]):
        return starts, ends
    merged = _covered(starts, ends, 1)
    return merged._starts, merged._ends


def _keys(y: NDArray[Any], x0: NDArray[Any], x1: NDArray[Any]) -> tuple[_Keys, _Keys]:
    """Return the intervals of keys of runs, in the order given."""
    if not (y.ndim == 1 and y.shape == x0.shape == x1.shape):
        raise ValueError(f"y, x0 and x1 need one length, not shapes {y.shape}, {x0.shape} and {x1.shape}")
    if not len(y):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for name, values in (("y", y), ("x0", x0), ("x1", x1)):
        if values.dtype.kind not in "iu" or values.min() < -_LIMIT or values.max() > _LIMIT:
            raise ValueError(f"{name} of a span is an integer within ±{_LIMIT}; got {values}")
    if np.any(x0 > x1):
        i = int(np.argmax(x0 > x1))
        raise ValueError(f"a span needs x0 <= x1; span {i} in row {y[i]} has {x0[i]} and {x1[i]}")
    rows = y.astype(np.int64) * _ROW
    return rows + x0.astype(np.int64), rows + x1.astype(np.int64) + 1


def _roots(n: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of ``n`` nodes the lowest node it is linked to, directly or not, by links (a, b).

    Trees are hooked onto lower neighbours and flattened by pointer jumping, all at once (after Shiloach
    & Vishkin 1982); the number of rounds grows with the logarithm of n.
    """
    roots = np.arange(n)
    while np.any(roots[a] != roots[b]):
        lower = np.minimum(roots[a], roots[b])
        np.minimum.at(roots, roots[a], lower)
        np.minimum.at(roots, roots[b], lower)
        while np.any(roots[roots] != roots):
            roots = roots[roots]
    return roots


def _joined(a: _Keys, b: _Keys) -> _Keys:
    return np.concatenate([a, b])


def _ranges(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``first[i], first[i] + 1, ...`` (``lengths[i]`` numbers) for all i, one after the other."""
    before = np.cumsum(lengths) - lengths
    result: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(first - before, lengths)
    return result
