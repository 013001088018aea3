"""Map pixels: which pixel of a HEALPix map each pixel of an image lies in."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butler.images import Box2I, SkyWcs

from ..kernels.sky_cells import UNDECIDED, cells_of_pixels

__all__ = ["MapPixels"]

_STEP: Final = 16
"""Image pixels between positions that are computed."""
_MARGIN: Final = 1e-3
"""Map pixels from an edge within which an image pixel is placed by its own position."""
_MAX_ORDER: Final = 29
"""Order of the finest HEALPix map that 64 bits can number."""
_FACE_BITS: Final = 2 * _MAX_ORDER


class MapPixels:
    """Some pixels of a HEALPix map, and the pixels of an image in each of them.

    A map pixel is a square on one of the twelve faces of HEALPix (Górski et al. 2005), where positions on
    the sky change smoothly with those on an image. So only every sixteenth position of every sixteenth row
    is computed, and those that come near to an edge; the others are interpolated linearly, but not where the
    middle between four of them shows that this is not good enough, as it is where a face ends.

    Parameters
    ----------
    nside
        Resolution of the map.
    pixels
        Numbers of the map pixels, ascending, in the nested scheme.
    wcs
        WCS of the image.
    """

    def __init__(self, nside: int, pixels: NDArray[np.int64], wcs: SkyWcs) -> None:
        self.pixels = pixels
        self._nside = nside
        self._wcs = wcs
        self._shift = _MAX_ORDER - (nside.bit_length() - 1)
        self._margin = _MARGIN + 2.0**-self._shift

    def slots(self, bbox: Box2I) -> NDArray[np.int32]:
        """Return for each pixel of a box the place of its map pixel among `pixels`, -1 if it has none."""
        n_y, n_x = bbox.shape
        x, y = (low + np.arange(0, n + _STEP, _STEP) for low, n in ((bbox.minX, n_x), (bbox.minY, n_y)))
        face, u, v = self._on_face(*np.meshgrid(x, y))
        middle_face, middle_u, middle_v = self._on_face(*np.meshgrid(x[:-1] + _STEP / 2, y[:-1] + _STEP / 2))
        main = int(np.bincount(middle_face.ravel()).argmax())
        known = (middle_face == main) & (_corners(face != main).sum(axis=0) == 0)
        for at_nodes, at_middle in ((u, middle_u), (v, middle_v)):
            known &= np.abs(_corners(at_nodes).mean(axis=0) - at_middle) < self._margin / 2
        if not known.any():
            return self._computed(bbox, *np.indices(bbox.shape).reshape(2, -1)).reshape(bbox.shape)
        low_u, low_v = (int(p[face == main].min()) - 1 for p in (u, v))
        size = [int(p[face == main].max()) + 2 - low for p, low in ((u, low_u), (v, low_v))]
        if size[0] * size[1] > bbox.area:
            return self._computed(bbox, *np.indices(bbox.shape).reshape(2, -1)).reshape(bbox.shape)
        slots = cells_of_pixels(
            u - low_u,
            v - low_v,
            known,
            step=_STEP,
            shape=bbox.shape,
            cells=self._table(main, (low_u, low_v), (size[0], size[1])),
            margin=self._margin,
        )
        rows, columns = np.nonzero(slots == UNDECIDED)
        slots[rows, columns] = self._computed(bbox, rows, columns)
        return slots

    def _on_face(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the face of each image position, and the place there in units of map pixels."""
        import hpgeom

        ra, dec = self._wcs.pixelToSky(x, y)
        finest: NDArray[np.int64] = hpgeom.angle_to_pixel(1 << _MAX_ORDER, ra, dec)
        scale = 2.0**-self._shift
        return (
            finest >> _FACE_BITS,
            (_every_other_bit(finest) + 0.5) * scale,
            (_every_other_bit(finest >> 1) + 0.5) * scale,
        )

    def _table(self, face: int, low: tuple[int, int], size: tuple[int, int]) -> NDArray[np.int32]:
        """Return the place among `pixels` of the map pixels of a part of a face; -1 if it is not there."""
        numbers = self.pixels << (2 * self._shift)
        u, v = (
            (_every_other_bit(n) >> self._shift) - start
            for n, start in zip((numbers, numbers >> 1), low, strict=True)
        )
        here = (numbers >> _FACE_BITS == face) & (u >= 0) & (v >= 0) & (u < size[0]) & (v < size[1])
        table = np.full(size, -1, np.int32)
        table[u[here], v[here]] = np.flatnonzero(here)
        return table

    def _computed(
        self, bbox: Box2I, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Return the place among `pixels` of the map pixels of some image pixels; -1 if it is not there."""
        import hpgeom

        ra, dec = self._wcs.pixelToSky(columns + bbox.minX, rows + bbox.minY)
        numbers = hpgeom.angle_to_pixel(self._nside, ra, dec)
        slots = np.minimum(np.searchsorted(self.pixels, numbers), self.pixels.size - 1)
        return np.where(self.pixels[slots] == numbers, slots, -1).astype(np.int32)


def _corners(nodes: NDArray[Any]) -> NDArray[Any]:
    """Return the values at the four corners of each space between nodes."""
    return np.stack([nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, :-1], nodes[1:, 1:]])


def _every_other_bit(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the even bits of numbers, closed up: of a nested pixel number, one of its two coordinates."""
    bits = numbers & ((1 << _FACE_BITS) - 1) & 0x5555555555555555
    for n, kept in (
        (1, 0x3333333333333333),
        (2, 0x0F0F0F0F0F0F0F0F),
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 0x00000000FFFFFFFF),
    ):
        bits = (bits | bits >> n) & kept
    return bits
