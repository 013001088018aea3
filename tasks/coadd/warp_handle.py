"""WarpHandle: a handle of a warp that parses the warp's header and tables once, and keeps its map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from butler.images import Box2I, Exposure, Extent2I, MaskedImage

from .warp_pixels import memory_of

__all__ = ["WarpHandle"]


class WarpHandle:
    """Reads like the handle it holds, but keeps what is known of the warp besides pixels.

    Checks, tables of inputs, PSF and dates ask for one part each; the file is opened for the first of them.
    If its pixels are mapped, the first map that is large enough serves all that are read in place: to have
    the operating system find the pages of a file anew, for each pass over them, takes about as long as to
    add them up.

    Parameters
    ----------
    handle
        Handle of the warp.
    keeps_map
        Whether to keep a map. Each takes file descriptors, of which a process has not many.
    """

    def __init__(self, handle: Any, *, keeps_map: bool = False) -> None:
        self.handle = handle
        self._keeps_map = keeps_map
        self._parts: Exposure | None = None
        self._mapped: MaskedImage | None = None

    @property
    def dataId(self) -> Any:
        """Data ID of the warp."""
        return self.handle.dataId

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Read the warp or a part of it, as `butler.DeferredDatasetHandle.get` does."""
        if parameters and parameters.get("inPlace") and component in ("maskedImage", "mask"):
            return self._in_place(component, parameters)
        if component not in Exposure.PARTS or parameters:
            return self.handle.get(component=component, parameters=parameters)
        if self._parts is None:
            corner = Box2I(self.handle.get(component="bbox").minimum, Extent2I(1, 1))
            self._parts = self.handle.get(parameters={"bbox": corner})
        return getattr(self._parts, component)

    def _in_place(self, component: str, parameters: Mapping[str, Any]) -> Any:
        """Read pixels that nobody changes, from the map if there is one with all of them."""
        box: Box2I | None = parameters.get("bbox")
        if self._mapped is None or box is None or not self._mapped.bbox.contains(box):
            found = self.handle.get(component=component, parameters=parameters)
            if self._keeps_map and isinstance(found, MaskedImage) and not memory_of([found]):
                self._mapped = found
            return found
        part = self._mapped[box]
        return part.mask if component == "mask" else part
