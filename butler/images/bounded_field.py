"""BoundedField: what the fields of an aperture correction have in common."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .geometry import Box2I

__all__ = ["BoundedField"]


class BoundedField(Protocol):
    """A function of position in a box."""

    @property
    def bbox(self) -> Box2I:
        """Box in which the function is defined, parent coordinates."""

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the values at parent positions, in the shape to which they broadcast."""
