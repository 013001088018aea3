"""Planes of many images, read where they lie: in memory or in a mapped file, in either byte order."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from .jit import part

PlanesLike = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
"""An array of shape ``(n, n_y, n_x)``, or ``n`` arrays of shape ``(n_y, n_x)``."""

_WORD = 4  # bytes of a pixel
_LINE = 64  # bytes that come from memory at once


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
    """Check planes and give them in a form that `read_words` can read.

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


def _cast_to_pointer(typing_context: Any, address: Any) -> Any:
    """Define how numba turns an address into a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(address), generate


_pointer: Any = intrinsic(_cast_to_pointer)


def _prefetch_address(typing_context: Any, address: Any) -> Any:
    """Define how numba asks for a line of memory ahead of its use."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        # To be read; into the second cache; data, not code.
        builder.call(function, [builder.inttoptr(arguments[0], byte), flag(0), flag(2), flag(1)])
        return context.get_dummy_value()

    return types.void(address), generate


_prefetch: Any = intrinsic(_prefetch_address)


def _reinterpret(typing_context: Any, word: Any) -> Any:
    """Define how numba takes the bits of a word for a float."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return types.float32(types.uint32), generate


as_float: Any = intrinsic(_reinterpret)
"""Take the bits of a word for a float."""


@part
def swap(word: np.uint32) -> np.uint32:
    """Return a word with its bytes the other way round."""
    return np.uint32((word >> 24) | ((word >> 8) & 0xFF00) | ((word & 0xFF00) << 8) | (word << 24))


@part
def row_of(table: PlaneTable, kind: int, i: int, y: int, x: int, width: int) -> npt.NDArray[np.uint32]:
    """Return pixels of row ``y`` of a plane, from column ``x`` on, where they lie and in its byte order."""
    address = table.address[kind, i] + y * table.row_stride[kind, i] + x * _WORD
    return carray(_pointer(address), (width,), np.uint32)


@part
def read_words(table: PlaneTable, kind: int, i: int, y: int, x: int, words: npt.NDArray[np.uint32]) -> None:
    """Copy pixels of row ``y`` of a plane, from column ``x`` on, in this machine's byte order."""
    source = row_of(table, kind, i, y, x, words.size)
    if table.swapped[kind, i]:
        for p in range(words.size):
            words[p] = swap(source[p])
    else:
        for p in range(words.size):
            words[p] = source[p]


@part
def fetch_ahead(table: PlaneTable, i: int, y: int, x: int, width: int) -> None:
    """Ask for the pixels of all kinds of an image that will be read next, while others are worked on."""
    for kind in range(table.address.shape[0]):
        address = table.address[kind, i] + y * table.row_stride[kind, i] + x * _WORD
        for offset in range(0, width * _WORD, _LINE):
            _prefetch(address + offset)
