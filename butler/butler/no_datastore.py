"""NoDatastore: what a butler has that only asks the registry."""

from __future__ import annotations

from typing import NoReturn

from ..errors import ButlerUserError

__all__ = ["NoDatastore"]


class NoDatastore:
    """Stands where a datastore would; whatever is wanted from it, it refuses."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ButlerUserError("this butler was opened without its datastore, and knows no files")
