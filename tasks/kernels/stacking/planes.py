"""Planes of many images, read where they lie: in memory or in a mapped file, in either byte order."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

PlanesLike = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
"""An array of shape ``(n, n_y, n_x)``, or ``n`` arrays of shape ``(n_y, n_x)``."""

_WORD = 4  # bytes of a pixel


class PlaneTable(NamedTuple):
    """Where the pixels of planes of 32-bit words lie; it does not keep the planes alive."""

    address: npt.NDArray[np.int64]
    """Address of pixel (0, 0), shape ``(n_kinds, n)``."""

    row_stride: npt.NDArray[np.int64]
    """Bytes from one row to the next, shape ``(n_kinds, n)``."""

    swapped: npt.NDArray[np.bool_]
    """Whether a plane has the byte order that is foreign to this machine, shape ``(n_kinds, n)``."""

    @classmethod
    def from_planes(cls, kinds: Sequence[Sequence[npt.NDArray[Any]]]) -> "PlaneTable":
        """Note where planes lie that `readable_planes` returned; as many of each kind."""
        return cls(
            address=np.array([[plane.ctypes.data for plane in planes] for planes in kinds], np.int64),
            row_stride=np.array([[plane.strides[0] for plane in planes] for planes in kinds], np.int64),
            swapped=np.array([[not plane.dtype.isnative for plane in planes] for planes in kinds], np.bool_),
        )


def readable_planes(planes: PlanesLike, kind: str, dtype: npt.DTypeLike) -> list[npt.NDArray[Any]]:
    """Check planes and give them in a form that compiled code can read.

    Parameters
    ----------
    planes
        The planes, in list order.
    kind
        What the planes are, for messages.
    dtype
        Type of a pixel, of 32 bits; either byte order will do.

    Returns
    -------
    list of numpy.ndarray
        The planes themselves. One with gaps between the pixels of a row, or with pixels off the word
        boundaries, is copied.

    Raises
    ------
    ValueError
        If a plane is not a 2-d array of that type.
    """
    checked = []
    for i, plane in enumerate(planes):
        if not isinstance(plane, np.ndarray) or plane.ndim != 2:
            raise ValueError(f"{kind} {i} must be a 2-d array, got shape {np.shape(plane)}")
        if plane.dtype.newbyteorder("=") != dtype:
            raise ValueError(
                f"{kind} {i} has type {plane.dtype}, expected {np.dtype(dtype)}; convert it first"
            )
        in_place = plane.strides[1] == _WORD and plane.flags.aligned
        checked.append(plane if in_place else plane.copy())
    return checked
