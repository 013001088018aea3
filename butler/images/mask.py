"""Mask: a bit image whose planes have names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import did_you_mean
from .geometry import ORIGIN, Box2I, Extent2I, Point2I

__all__ = ["DEFAULT_MASK_PLANES", "Mask"]

DEFAULT_MASK_PLANES: Final[Mapping[str, int]] = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
    "VIGNETTED": 9,
    "STREAK": 10,
}
"""Bit numbers that every mask starts with (those of LSST)."""

_N_BITS: Final = 32
_ROWS: Final = 64
"""Rows that are worked on at a time, in the cache."""


@dataclass(slots=True, eq=False)
class Mask:
    """Bit planes over an image.

    The dictionary of planes belongs to the mask, never to the process: two masks may give one name
    different bits, and `conformed` brings them together.

    Parameters
    ----------
    array
        Bits, int32 ``(n_y, n_x)``; held, not copied.
    xy0
        Parent coordinates ``(x, y)`` of the first pixel.
    planes
        Bit number of each plane name; copied.

    Raises
    ------
    ValueError
        Raised for an array that is not two-dimensional int32, or planes that share a bit.
    """

    array: NDArray[np.int32]
    xy0: Point2I = ORIGIN
    planes: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_MASK_PLANES))

    def __post_init__(self) -> None:
        if self.array.ndim != 2 or self.array.dtype.newbyteorder("=") != np.int32:
            raise ValueError(f"a mask is (n_y, n_x) int32, not {self.array.shape} {self.array.dtype}")
        self.xy0 = Point2I(*self.xy0)
        self.planes = dict(self.planes)
        bits = list(self.planes.values())
        if len(set(bits)) != len(bits) or not all(0 <= bit < _N_BITS for bit in bits):
            raise ValueError(f"mask planes need one bit each, 0 to {_N_BITS - 1}; got {self.planes}")

    @classmethod
    def from_bbox(cls, bbox: Box2I, planes: Mapping[str, int] = DEFAULT_MASK_PLANES) -> Mask:
        """Make an empty mask that covers ``bbox``."""
        return cls(np.zeros(bbox.shape, dtype=np.int32), bbox.minimum, dict(planes))

    @property
    def bbox(self) -> Box2I:
        """Box covered, in parent coordinates."""
        height, width = self.array.shape
        return Box2I(self.xy0, Extent2I(width, height))

    @property
    def dimensions(self) -> Extent2I:
        """Width and height in pixels."""
        return self.bbox.dimensions

    def getBBox(self) -> Box2I:
        """Return the box covered, in parent coordinates."""
        return self.bbox

    def getMaskPlaneDict(self) -> dict[str, int]:
        """Return a copy of the plane dictionary."""
        return dict(self.planes)

    def getPlaneBitMask(self, names: str | Iterable[str]) -> int:
        """Return the bit mask of one or several planes.

        Raises
        ------
        KeyError
            Raised if a plane does not exist, with the nearest name.
        """
        value = 0
        for name in [names] if isinstance(names, str) else names:
            if name not in self.planes:
                raise KeyError(f"no mask plane {name!r}{did_you_mean(name, self.planes)}")
            value |= 1 << self.planes[name]
        return value

    def known_bit_mask(self, names: Iterable[str]) -> int:
        """Return the bit mask of those of ``names`` that exist here; others are left out."""
        return self.getPlaneBitMask(name for name in names if name in self.planes)

    def addMaskPlane(self, name: str) -> int:
        """Add a plane on the next free bit, unless it exists; return its bit number.

        Raises
        ------
        ValueError
            Raised if all 32 bits are taken.
        """
        if name not in self.planes:
            free = sorted(set(range(_N_BITS)) - set(self.planes.values()))
            if not free:
                raise ValueError(f"no free bit for mask plane {name!r}; all {_N_BITS} are taken")
            # After the highest one: a gap may be a bit that a neighbour's file still uses.
            following = [bit for bit in free if bit > max(self.planes.values(), default=-1)]
            self.planes[name] = (following or free)[0]
        return self.planes[name]

    def conformed(self, planes: Mapping[str, int]) -> Mask:
        """Return a mask with the same planes by name, on the bits of ``planes``.

        Planes that ``planes`` lacks are added after its bits. The array is shared where no bit moves.
        """
        target = Mask(np.zeros((1, 1), dtype=np.int32), self.xy0, dict(planes))
        for name in sorted(self.planes, key=self.planes.__getitem__):
            target.addMaskPlane(name)
        moved = [name for name, bit in self.planes.items() if target.planes[name] != bit]
        array = self.array
        if moved:
            unsigned = np.zeros(self.array.shape, dtype=np.uint32)
            source = np.ascontiguousarray(self.array, dtype=np.int32).view(np.uint32)
            for name, bit in self.planes.items():
                unsigned |= ((source >> np.uint32(bit)) & np.uint32(1)) << np.uint32(target.planes[name])
            array = unsigned.view(np.int32)
        return Mask(array, self.xy0, target.planes)

    def __getitem__(self, bbox: Box2I) -> Mask:
        """Return the part in ``bbox`` (parent coordinates); shares pixels with this mask."""
        return Mask(self.array[bbox.slices_in(self.bbox)], bbox.minimum, self.planes)

    def isSet(self, names: str | Iterable[str]) -> NDArray[np.bool_]:
        """Return where any of the planes is set, ``(n_y, n_x)``.

        Raises
        ------
        KeyError
            Raised if a plane does not exist.
        """
        return self.any_of(self.getPlaneBitMask(names))

    def any_of(self, bits: int) -> NDArray[np.bool_]:
        """Return where any bit of a bit mask is set, ``(n_y, n_x)``."""
        result = np.empty(self.array.shape, dtype=bool)
        array, value = self.array, bit_mask_value(bits)
        if array.dtype.itemsize == 4 and not array.dtype.isnative:
            # The bits are looked for where they lie, which spares a copy of every pixel.
            array, value = array.view(array.dtype.newbyteorder()), value.byteswap()
        for y in range(0, len(result), _ROWS):
            np.not_equal(array[y : y + _ROWS] & value, 0, out=result[y : y + _ROWS])
        return result

    def set_where(self, names: str | Iterable[str], where: NDArray[np.bool_]) -> None:
        """Set the planes where a boolean array ``(n_y, n_x)`` is true."""
        value = bit_mask_value(self.getPlaneBitMask(names))
        np.bitwise_or(self.array, value, out=self.array, where=where)

    def clear(self, names: str | Iterable[str]) -> None:
        """Clear the planes everywhere.

        Raises
        ------
        KeyError
            Raised if a plane does not exist.
        """
        self.array &= ~bit_mask_value(self.getPlaneBitMask(names))


def bit_mask_value(bits: int) -> Any:
    """Return a bit mask as the int32 that holds the same bits (bit 31 is the sign)."""
    return np.array(bits & 0xFFFFFFFF, dtype=np.uint32).view(np.int32)[()]
