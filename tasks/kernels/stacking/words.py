"""Reading the words of planes where they lie."""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from ..loops.jit import part
from .planes import PlaneTable

_WORD = 4  # bytes of a pixel
_LINE = 64  # bytes that come from memory at once


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
