"""Artifact masks: the masks of warps as they were combined, artifacts and all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from butler.images import Box2I, Mask

from .coadd_masks import AltMaskSpans
from .warp_pixels import read_warp_mask
from .warp_visits import visit_of

__all__ = ["ArtifactMasks"]


class ArtifactMasks(Sequence[Mask | None]):
    """The masks of warps with what was found on them, each made anew when it is asked for.

    Parameters
    ----------
    warps
        Handle of each warp, and the pixels to set in its mask; None for a place that has no mask.
    bbox
        Box of the masks.
    apply
        Sets such pixels in a mask, in place.
    """

    def __init__(
        self,
        warps: Sequence[tuple[Any, AltMaskSpans] | None],
        bbox: Box2I,
        apply: Callable[[Mask, AltMaskSpans], Mask],
    ) -> None:
        self._warps, self._bbox, self._apply = warps, bbox, apply

    @property
    def dataIds(self) -> list[Mapping[str, Any]]:
        """Data IDs of the warps that have a mask."""
        return [handle.dataId for handle, _ in filter(None, self._warps)]

    def aligned(self, refs: Sequence[Any]) -> ArtifactMasks:
        """Return the masks in the order of the visits of some refs; None for a visit that was not used."""
        by_visit = {visit_of(own[0]): own for own in self._warps if own is not None}
        return ArtifactMasks([by_visit.get(visit_of(ref)) for ref in refs], self._bbox, self._apply)

    def __len__(self) -> int:
        return len(self._warps)

    @overload
    def __getitem__(self, index: int) -> Mask | None: ...

    @overload
    def __getitem__(self, index: slice) -> ArtifactMasks: ...

    def __getitem__(self, index: int | slice) -> Mask | ArtifactMasks | None:
        if isinstance(index, slice):
            return ArtifactMasks(self._warps[index], self._bbox, self._apply)
        own = self._warps[index]
        if own is None:
            return None
        mask = read_warp_mask(own[0], self._bbox)
        return self._apply(Mask(mask.array.astype(np.int32), mask.xy0, mask.planes), own[1])
