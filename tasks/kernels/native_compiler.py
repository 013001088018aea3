"""How a function of numba becomes machine code that needs neither numba nor its runtime."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import cfunc
from numba import types as numba_types
from numba.extending import intrinsic
from numba.np import arrayobj as numba_arrays
from numba.np.numpy_support import from_dtype

from .native_loop import ENTRY, host_machine

__all__ = ["compile_entry", "machine_code"]

types: Any = numba_types
arrays: Any = numba_arrays

_WORDS = types.CPointer(types.int64)
# A function of numba returns 0 if it raised nothing. Arrays that it is given are not its own to free.
_AROUND = """
declare i32 @"{function}"(ptr, ptr, ptr)

define i32 @{name}(ptr %words) {{
  %result = alloca ptr
  %error = alloca ptr
  %status = call i32 @"{function}"(ptr %result, ptr %error, ptr %words)
  ret i32 %status
}}

define void @NRT_MemInfo_call_dtor(ptr %array) {{
  ret void
}}
"""


def compile_entry(function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
    """Compile a function with a C entry that takes the address of its packed arguments.

    Parameters
    ----------
    function
        Function of numba.
    arguments
        Arguments of the kinds to compile it for.

    Returns
    -------
    entry
        Callback of numba. Packed arguments are 8 bytes each, as `struct` packs them: an array is its address
        and its shape, with strides if there are gaps in it, a tuple its members.
    """
    kinds = _type_of(arguments)

    def take(typing_context: Any, words: Any) -> Any:
        """Define how numba takes arguments from words."""

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _read(context, builder, kinds, _words_from(builder, values[0]))

        return kinds(words), generate

    unpacked: Any = intrinsic(take)

    @cfunc(types.void(_WORDS), error_model="numpy")
    def entry(words: Any) -> None:
        function(*unpacked(words))

    return entry


def machine_code(entry: Any) -> bytes | None:
    """Return the machine code of an entry; None if it needs what only a process with numba has."""
    module = llvm.parse_assembly(entry.inspect_llvm())
    # What numba wraps around a function for C prints what it raises, with the help of Python.
    wrapper = entry.native_name
    module.get_function(wrapper).linkage = "internal"
    module.link_in(llvm.parse_assembly(_AROUND.format(name=ENTRY, function=wrapper.removeprefix("cfunc."))))
    machine = host_machine()
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.PipelineTuningOptions()))
    process = ctypes.CDLL(None)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    return bytes(machine.emit_object(module)) if all(hasattr(process, name) for name in outside) else None


def _type_of(value: Any) -> Any:
    """Return the type of an argument; an array counts as writable."""
    if isinstance(value, np.ndarray):
        return types.Array(from_dtype(value.dtype), value.ndim, "C" if value.flags.c_contiguous else "A")
    if isinstance(value, tuple):
        named = type(value) if type(value) is not tuple else None
        return types.BaseTuple.from_types([_type_of(member) for member in value], pyclass=named)
    if isinstance(value, (np.integer, np.floating)):
        return from_dtype(value.dtype)
    return {int: types.int64, float: types.float64, bool: types.boolean}[type(value)]


def _words_from(builder: Any, address: Any) -> Iterator[Any]:
    """Yield one word after the other."""
    index = 0
    while True:
        yield builder.load(builder.gep(address, [ir.Constant(ir.IntType(64), index)]))
        index += 1


def _read(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    """Build a value from the next words."""
    if isinstance(kind, types.Array):
        array = arrays.make_array(kind)(context, builder)
        data = builder.inttoptr(next(words), array.data.type)
        item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        shape = [next(words) for _ in range(kind.ndim)]
        if kind.layout == "C":
            strides = [ir.Constant(ir.IntType(64), item)]
            for length in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], length))
        else:
            strides = [next(words) for _ in range(kind.ndim)]
        arrays.populate_array(array, data, shape, strides, item, meminfo=None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        members = [_read(context, builder, member, words) for member in kind.types]
        return context.make_tuple(builder, kind, members)
    word, form = next(words), context.get_value_type(kind)
    if isinstance(kind, types.Float):
        number = builder.bitcast(word, ir.DoubleType())
        return number if number.type == form else builder.fptrunc(number, form)
    return word if word.type == form else builder.trunc(word, form)
