"""numba, without the linear algebra that it looks for and no loop of ours calls."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__: list[str] = []

_LINEAR_ALGEBRA = "scipy.linalg"


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Make a module that nobody has imported yet look as if it were not installed."""
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def _load() -> None:
    """Import the part of numba that asks for `scipy.linalg`, which takes as long as a third of a start.

    All it wants to know is whether there is a BLAS for ``np.dot``. There is one, scipy being required here;
    numba imports it when a function that calls it is compiled.
    """
    if _LINEAR_ALGEBRA in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    with _hidden(_LINEAR_ALGEBRA):
        from numba.np import arraymath
    arraymath._HAVE_BLAS = True


_load()
