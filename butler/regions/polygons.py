"""Overlaps of many pairs of regions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from .sky_region import SkyRegion

__all__ = ["overlapping"]

_POLYGON: Final = ord("p")
"""First byte of an encoded convex polygon; then come three float64 a vertex."""
_MAX_VERTICES: Final = 16
_CHUNK: Final = 16384
# The error of a triple product of unit vectors is some 1e-15; what is nearer to zero is not decided by it.
_CERTAIN: Final = 1e-14
_HEMISPHERE: Final = 0.1
"""Least cosine between the vertices of two polygons and their common centre."""
_APART, _OVERLAP, _UNSURE = range(3)


def overlapping(
    first: Sequence[bytes], second: Sequence[bytes], i: NDArray[np.intp], j: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Tell of pairs of regions whether they share a position.

    Parameters
    ----------
    first, second
        Encoded regions.
    i, j
        The pairs: indexes into `first` and `second`, each of shape ``(n,)``.

    Returns
    -------
    overlap
        Shape ``(n,)``; of each pair the same as `SkyRegion.overlaps`.

    Notes
    -----
    Two convex polygons in one hemisphere are apart exactly if an edge of one has all vertices of the other
    on its outside: the separating axis theorem of the plane, carried over by the gnomonic projection. Most
    pairs need no such test, as the centre of one lies within the other. Pairs for which the sign of a triple
    product is not certain, and regions of other shapes, are tested singly.
    """
    one, two = _Polygons.read(first), _Polygons.read(second)
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(i), _CHUNK)]
    verdicts = [_compare(one, two, i[chunk], j[chunk]) for chunk in chunks]
    verdict = np.concatenate(verdicts) if verdicts else np.empty(0, dtype=np.int8)
    decode = cache(SkyRegion.decode)
    for pair in np.flatnonzero(verdict == _UNSURE).tolist():
        region, other = decode(bytes(first[int(i[pair])])), decode(bytes(second[int(j[pair])]))
        verdict[pair] = _OVERLAP if region.overlaps(other) else _APART
    return np.asarray(verdict == _OVERLAP)


@dataclass(frozen=True, eq=False)
class _Polygons:
    """Convex polygons as arrays; regions of other shapes are places without meaning in them.

    Parameters
    ----------
    simple
        Which are polygons with few vertices, shape ``(n,)``.
    vertices, normals
        Unit vectors and the inward normals of the edges after them, shape ``(n, k, 3)``. Polygons with fewer
        than ``k`` vertices repeat the last, with a normal of zero.
    """

    simple: NDArray[np.bool_]
    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]

    @classmethod
    def read(cls, encoded: Sequence[bytes]) -> Self:
        """Read encoded regions."""
        sizes = np.array([(len(e) - 1) // 24 if e[0] == _POLYGON else 0 for e in encoded], dtype=np.intp)
        simple = (sizes > 0) & (sizes <= _MAX_VERTICES)
        widest = int(sizes[simple].max(initial=1))
        vertices = np.zeros((len(encoded), widest, 3))
        for size in np.unique(sizes[simple]).tolist():
            members = np.flatnonzero(sizes == size).tolist()
            bodies = b"".join([bytes(encoded[m])[1:] for m in members])
            vertices[members, :size] = np.frombuffer(bodies, dtype="<f8").reshape(-1, size, 3)
            vertices[members, size:] = vertices[members, size - 1 : size]
        following = np.roll(vertices, -1, axis=1)
        return cls(simple, vertices, np.cross(vertices, following))

    def hold(self, which: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell whether polygons certainly hold points, one each.

        Parameters
        ----------
        which
            Indexes of the polygons, shape ``(n,)``.
        points
            Unit vectors, shape ``(3, n)``.
        """
        held = self.simple[which]
        for edge in range(self.normals.shape[1]):
            x, y, z = self.normals[:, edge].T
            height = x[which] * points[0] + y[which] * points[1] + z[which] * points[2]
            # What follows the last vertex of a polygon with few of them is no edge.
            is_edge = (x != 0) | (y != 0) | (z != 0)
            held &= (height > _CERTAIN) | ~is_edge[which]
        return held

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Unit vectors inside, shape ``(3, n)``."""
        sums = self.vertices.sum(axis=1)
        centres: NDArray[np.float64] = (sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-300)[:, None]).T
        return centres


def _compare(one: _Polygons, two: _Polygons, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return a verdict on each pair."""
    verdict = np.full(len(i), _OVERLAP, dtype=np.int8)
    simple = one.simple[i] & two.simple[j]
    left = np.flatnonzero(~(simple & two.hold(j, one.centres[:, i])))
    left = left[~(simple[left] & one.hold(i[left], two.centres[:, j[left]]))]
    verdict[left] = _separated(one, two, i[left], j[left])
    return verdict


def _separated(one: _Polygons, two: _Polygons, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return a verdict on each pair, by all edges and vertices."""
    a, b = one.vertices[i], two.vertices[j]
    furthest = np.concatenate([_outermost(one.normals[i], b), _outermost(two.normals[j], a)], axis=1)
    apart = np.any(furthest < -_CERTAIN, axis=1)
    verdict = np.where(apart, _APART, _OVERLAP).astype(np.int8)
    verdict[~apart & np.any(np.abs(furthest) <= _CERTAIN, axis=1)] = _UNSURE
    centre = a.mean(axis=1) + b.mean(axis=1)
    centre /= np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), 1e-300)
    together = np.concatenate([a, b], axis=1) @ centre[:, :, np.newaxis]
    spread = np.min(together, axis=(1, 2)) < _HEMISPHERE
    verdict[spread | ~(one.simple[i] & two.simple[j])] = _UNSURE
    return verdict


def _outermost(normals: NDArray[np.float64], vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far inside each edge the other polygon reaches; 1 for an edge without length."""
    inside = np.max(normals @ vertices.transpose(0, 2, 1), axis=2)
    inside[~np.any(normals, axis=2)] = 1.0
    return np.asarray(inside)
