"""PlaneMap: a map of the plane by two polynomials, and its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PlaneMap"]

_MOST_STEPS: Final = 20
_TOLERANCE: Final = 1e-9
"""Last step of a search, of the coordinate or of one unit. It is squared by the step itself."""


class PlaneMap:
    """A map ``(u, v) -> (x, y)`` by two polynomials, which is a linear map but for small terms.

    Parameters
    ----------
    coefficients
        ``(n, n, 2)``: at ``[i, j]`` the factors of ``u**i * v**j`` in x and in y.

    Raises
    ------
    ValueError
        Raised if the linear terms at the origin have no inverse.
    """

    def __init__(self, coefficients: NDArray[np.float64]) -> None:
        self._coefficients = coefficients
        (x_u, y_u), (x_v, y_v) = coefficients[1, 0].tolist(), coefficients[0, 1].tolist()
        if x_u * y_v - x_v * y_u == 0.0:
            raise ValueError("the linear terms of the polynomials have no inverse")

    @cached_property
    def _straight(self) -> NDArray[np.float64]:
        """What undoes the linear terms, 2 x 2."""
        (x_u, y_u), (x_v, y_v) = self._coefficients[1, 0].tolist(), self._coefficients[0, 1].tolist()
        straight: NDArray[np.float64] = np.array([[y_v, -x_v], [-y_u, x_u]])
        straight /= x_u * y_v - x_v * y_u
        return straight

    @cached_property
    def _search_terms(self) -> NDArray[np.float64]:
        """Factors in both coordinates, their linear part undone, and of their slopes: ``(n, n, 2, 3)``."""
        straightened = self._coefficients @ self._straight.T
        along_u = np.zeros_like(straightened)
        along_u[:-1] = np.polynomial.polynomial.polyder(straightened, axis=0)
        along_v = np.zeros_like(straightened)
        along_v[:, :-1] = np.polynomial.polynomial.polyder(straightened, axis=1)
        return np.stack([straightened, along_u, along_v], axis=-1)

    def __call__(self, u: ArrayLike, v: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates that a place is mapped to."""
        u, v = np.broadcast_arrays(np.asarray(u, dtype=float), np.asarray(v, dtype=float))
        x, y = np.polynomial.polynomial.polyval2d(u, v, self._coefficients)
        return x, y

    @staticmethod
    def map_rows(
        maps: Sequence[PlaneMap], u: NDArray[np.float64], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates of places ``(n, m)``, of each row by a map of its own."""
        size = max(len(each._coefficients) for each in maps)
        factors = np.zeros((size, size, 2, len(maps), 1))
        for i, each in enumerate(maps):
            n = len(each._coefficients)
            factors[:n, :n, :, i, 0] = each._coefficients
        x, y = (_polynomial_of_rows(u, v, factors[:, :, axis]) for axis in range(2))
        return x, y

    @np.errstate(all="ignore")
    def inverse(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the place that is mapped to given coordinates; NaN where none is found.

        It is searched for by Newton's method from where the linear terms put it. Far from the origin the
        polynomials fold the plane over, and several places are mapped to one. An answer must lie where the
        map, its linear part undone, turns no direction by a right angle or more, which it does at a fold.
        """
        wanted_x, wanted_y = np.tensordot(self._straight, np.broadcast_arrays(x, y), axes=1)
        u, v = wanted_x - self._search_terms[0, 0, 0, 0], wanted_y - self._search_terms[0, 0, 1, 0]
        for _ in range(_MOST_STEPS):
            (x_there, x_u, x_v), (y_there, y_u, y_v) = np.polynomial.polynomial.polyval2d(
                u, v, self._search_terms
            )
            miss_x, miss_y, area = wanted_x - x_there, wanted_y - y_there, x_u * y_v - x_v * y_u
            du, dv = (y_v * miss_x - x_v * miss_y) / area, (x_u * miss_y - y_u * miss_x) / area
            u, v = u + du, v + dv
            still_moving = np.hypot(du, dv) > _TOLERANCE * (1.0 + np.hypot(u, v))
            if not np.any(still_moving):
                break
        turned = ~((x_u + y_v > 0.0) & (4.0 * x_u * y_v > (x_v + y_u) ** 2))
        lost = still_moving | turned
        return np.where(lost, np.nan, u), np.where(lost, np.nan, v)


def _polynomial_of_rows(
    u: NDArray[np.float64], v: NDArray[np.float64], factors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return polynomials of both coordinates; factors are ``(n, n, rows, 1)``."""
    polyval = np.polynomial.polynomial.polyval
    along_u = [polyval(u, factors[:, j], tensor=False) for j in range(len(factors))]
    return np.asarray(polyval(v, along_u, tensor=False), dtype=float)
