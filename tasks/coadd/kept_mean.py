"""KeptMean: the mean of all warps, kept until it is known which pixels of which warps do not belong in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from butler.images import Box2I, Image, MaskedImage, SpanSet

from .coadd_masks import AltMaskSpans
from .span_union import union_of

__all__ = ["KeptMean"]


@dataclass(frozen=True, slots=True, eq=False)
class KeptMean:
    """The mean of all warps, to be stacked again where warps are clipped.

    A statistic of one pixel knows nothing of its neighbours: where no mask changes, a second pass over the
    warps would give the same bits.
    """

    pixels: MaskedImage
    """The mean."""

    n_image: Image | None
    """Number of warps of each pixel, uint16; None if nobody asks for it."""

    @classmethod
    def from_bbox(cls, bbox: Box2I, planes: Mapping[str, int], *, with_n_image: bool) -> KeptMean:
        """Take the memory of the mean in a box."""
        n_image = Image.from_bbox(bbox, dtype=np.uint16) if with_n_image else None
        return cls(MaskedImage.from_bbox(bbox, planes), n_image)

    def __getitem__(self, bbox: Box2I) -> KeptMean:
        """Return the mean in a box, of the same memory."""
        return KeptMean(self.pixels[bbox], None if self.n_image is None else self.n_image[bbox])

    def stale(self, altMaskList: Iterable[AltMaskSpans | None]) -> SpanSet:
        """Return the pixels that change if warps get other masks, and CLIPPED pixels are left out.

        Parameters
        ----------
        altMaskList
            For each warp, pixels to set in its mask.

        Returns
        -------
        stale
            The pixels of all these, and those that any warp has as CLIPPED already. The mean tells of them:
            the mask of a good input is in its mask, and `setRejectedMaskMapping` brings CLIPPED of others.
        """
        changed = [own for spans in altMaskList if spans for sets in spans.values() for own in sets]
        mask = self.pixels.mask
        return union_of([*changed, SpanSet.fromMask(mask, mask.getPlaneBitMask("CLIPPED"))])
