"""How the parts of the stacking kernel are compiled, and how long a compiled kernel is kept."""

import hashlib
from pathlib import Path

from numba import njit

part = njit(error_model="numpy")
"""Compile a function into those that call it; dividing by zero gives NaN or infinity, as in numpy."""


def source_digest() -> str:
    """Hash the source of all parts.

    Numba keeps a compiled function until the file that it is written in changes, or a value that it closes
    over. It does not look at the files of the functions called; a kernel of many files must close over this
    digest instead.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
