"""ChebyshevBoundedField: a smooth function of position in a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from .geometry import Box2I

__all__ = ["ChebyshevBoundedField"]


@dataclass(frozen=True, slots=True, eq=False)
class ChebyshevBoundedField:
    """A sum of products of Chebyshev polynomials of the first kind.

    The value at ``(x, y)`` is ``sum_ji c[j, i] T_i(x') T_j(y')``, where x' and y' run from -1 to 1 between
    the outer edges of the box.

    Parameters
    ----------
    bbox
        Box in which the function is defined, parent coordinates.
    coefficients
        ``(order_y + 1, order_x + 1)``, finite; copied.

    Raises
    ------
    ValueError
        Raised for coefficients of another shape, or that are not finite.
    """

    bbox: Box2I
    coefficients: NDArray[np.float64]

    def __post_init__(self) -> None:
        coefficients = np.array(self.coefficients, dtype=np.float64)
        if coefficients.ndim != 2 or not coefficients.size or not np.isfinite(coefficients).all():
            raise ValueError(f"a Chebyshev field needs a finite table of coefficients, not {coefficients}")
        object.__setattr__(self, "coefficients", coefficients)

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the values at parent positions, in the shape to which they broadcast."""
        u, v = np.broadcast_arrays(*self._scaled(x, y))
        values: Any = chebyshev.chebval2d(v, u, self.coefficients)
        return np.asarray(values, dtype=np.float64)

    def on_grid(self, bbox: Box2I) -> NDArray[np.float64]:
        """Return the values at all pixels of a box, ``(n_y, n_x)``."""
        x, y = self._scaled(
            np.arange(bbox.minX, bbox.maxX + 1, dtype=float), np.arange(bbox.minY, bbox.maxY + 1, dtype=float)
        )
        values: Any = chebyshev.chebgrid2d(y, x, self.coefficients)
        return np.asarray(values, dtype=np.float64)

    def _scaled(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        (x_c, y_c), box = self.bbox.center, self.bbox
        return (
            2 * (np.asarray(x, dtype=float) - x_c) / box.width,
            2 * (np.asarray(y, dtype=float) - y_c) / box.height,
        )

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, ChebyshevBoundedField):
            return NotImplemented
        return self.bbox == other.bbox and np.array_equal(self.coefficients, other.coefficients)

    __hash__ = None  # type: ignore[assignment]
