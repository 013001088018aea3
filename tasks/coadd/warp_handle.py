"""WarpHandle: a handle of a warp that parses the warp's header and tables once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from butler.images import Box2I, Exposure, Extent2I

__all__ = ["WarpHandle"]


class WarpHandle:
    """Reads like the handle it holds, but keeps what is known of the warp besides pixels.

    Checks, tables of inputs, PSF and dates ask for one part each; the file is opened for the first of them.

    Parameters
    ----------
    handle
        Handle of the warp.
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._parts: Exposure | None = None

    @property
    def dataId(self) -> Any:
        """Data ID of the warp."""
        return self.handle.dataId

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Read the warp or a part of it, as `butler.DeferredDatasetHandle.get` does."""
        if component not in Exposure.PARTS or parameters:
            return self.handle.get(component=component, parameters=parameters)
        if self._parts is None:
            corner = Box2I(self.handle.get(component="bbox").minimum, Extent2I(1, 1))
            self._parts = self.handle.get(parameters={"bbox": corner})
        return getattr(self._parts, component)
