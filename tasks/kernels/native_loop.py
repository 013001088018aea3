"""NativeLoop: a compiled loop whose machine code later processes find without importing numba.

Before numba calls a function that it has kept, it imports and registers all that it could compile; that takes
longer than to warp an exposure. Here the machine code alone is kept, and llvmlite loads it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, cast

import llvmlite
import llvmlite.binding as llvm
import numpy as np

__all__ = ["ENTRY", "NativeLoop", "host_machine"]

ENTRY = "native_loop"
"""Name of the function in the machine code; its argument is the address of packed arguments."""

_Entry = Callable[[bytes], int | None]
_HOME = Path(__file__).parent
_tells_status = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p)
_tells_nothing = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


class NativeLoop:
    """A function compiled by numba for each kind of arguments; calling it releases Python's lock.

    Parameters
    ----------
    module
        Full name of the module of `tasks.kernels` that defines the function; imported only to compile it.
    name
        Name of the function, which numba compiles with what it calls. It returns nothing, and allocates and
        raises nothing either: its machine code must not need numba.

    Notes
    -----
    Arguments are arrays, Python's and numpy's numbers, ``bool``, and tuples of such, also named ones. Arrays
    count as writable.

    The code is kept where numba keeps its own: in ``NUMBA_CACHE_DIR``, or else beside the sources, or where
    they cannot be written in the user's cache. It is made anew when any source of the kernels has changed,
    or llvmlite or the processor is another. What is damaged there is not used.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name
        self._entries: dict[str, _Entry] = {}
        self._lock = Lock()

    def __call__(self, *arguments: Any) -> None:
        """Run the loop.

        Raises
        ------
        TypeError
            Raised for an argument of another kind.
        """
        values: list[int | float] = []
        kinds = _describe(arguments, values)
        entry = self._entries.get(kinds) or self._find(kinds, arguments)
        packed = struct.pack("".join("d" if isinstance(value, float) else "q" for value in values), *values)
        if entry(packed):
            raise RuntimeError(f"{self._module}.{self._name} raised an error with arguments {kinds}")

    def _find(self, kinds: str, arguments: tuple[Any, ...]) -> _Entry:
        """Find the loop for arguments of these kinds; of several threads one compiles it."""
        with self._lock:
            if kinds not in self._entries:
                loop = f"{self._module}.{self._name}"
                key = f"{_sources()} {llvmlite.__version__} {loop}{kinds}"
                name = f"{loop}-{_short(kinds)}-{_short(' '.join(_host()))}.code"
                code = _kept(name, key)
                self._entries[kinds] = self._compile(name, key, arguments) if code is None else _load(code)
            return self._entries[kinds]

    def _compile(self, name: str, key: str, arguments: tuple[Any, ...]) -> _Entry:
        """Compile the loop, and keep its code unless that cannot leave this process."""
        from .native_compiler import compile_entry, machine_code

        function = getattr(import_module(self._module), self._name)
        compiled = compile_entry(function, arguments)
        code = machine_code(compiled)
        if code is None:
            return _held(_tells_nothing(compiled.address), compiled)
        _keep(name, key, code)
        return _load(code)


def _describe(value: Any, values: list[int | float]) -> str:
    """Append the numbers that make up an argument; return its kind."""
    if isinstance(value, np.ndarray):
        if not (value.flags.aligned and value.dtype.isnative):
            raise TypeError(f"a loop takes arrays of aligned native words, not of {value.dtype.str}")
        values.append(value.ctypes.data)
        values.extend(value.shape)
        if value.flags.c_contiguous:
            return f"{value.dtype.name}[{value.ndim}]"
        values.extend(value.strides)
        return f"{value.dtype.name}[{value.ndim}, with gaps]"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({','.join([_describe(member, values) for member in value])})"
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"a loop takes arrays, numbers, bool and tuples of them, not {type(value)}")
    values.append(int(value) if isinstance(value, (int, np.integer)) else float(value))
    return type(value).__name__


def host_machine() -> llvm.TargetMachine:
    """Return what makes machine code for the processor of this machine."""
    cpu, features = _host()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


@cache
def _host() -> tuple[str, str]:
    """Return the name of the processor, and what it can do."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _load(code: bytes) -> _Entry:
    """Return the loop of some machine code."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return _held(_tells_status(engine.get_function_address(ENTRY)), engine)


def _held(entry: Any, owner: object) -> _Entry:
    """Return an entry that is there as long as what owns its code."""
    entry.owner = owner
    return cast(_Entry, entry)


@cache
def _sources() -> str:
    """Hash the sources of all kernels, of which any may be compiled into a loop."""
    sources = sorted(_HOME.rglob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _places() -> list[Path]:
    """Return the directories for kept code, the best first."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return [_HOME / "__pycache__", Path(caches, "coadd-butler")]


def _kept(name: str, key: str) -> bytes | None:
    """Return kept code that was made with this key and is whole."""
    for place in _places():
        with suppress(OSError):
            kept = (place / name).read_bytes()
            digest, code = kept[:32], kept[32:]
            if digest == _digest(key, code):
                return code
    return None


def _keep(name: str, key: str, code: bytes) -> None:
    """Keep code in the first place that can be written, whole or not at all; without one, do nothing."""
    for place in _places():
        written = place / f".{name}.{os.getpid()}"
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            try:
                written.write_bytes(_digest(key, code) + code)
                written.replace(place / name)
            finally:
                written.unlink(missing_ok=True)
            return


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()
