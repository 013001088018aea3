"""late_names: public names of a package whose modules are imported when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["late_names"]


def late_names(package: str, homes: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__`` (PEP 562), which imports what it is asked for.

    Parameters
    ----------
    package
        Name of the package.
    homes
        Names by the module below the package that defines them.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home_of[name]}"), name)
        # Kept, so that nobody asks again.
        setattr(sys.modules[package], name, value)
        return value

    return find
