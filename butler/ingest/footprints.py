"""find_footprints: where the images of headers lie on the sky."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ButlerUserError, IngestError
from ..formatters import CameraCards
from ..images import Box2I, Extent2I, Point2I, SkyWcs, is_wcs_card
from ..regions import SkyRegion

__all__ = ["find_footprints"]

_WIDEST = 360.0
"""No image is wider than the sky, degrees; one that seems to be has a scale in another unit."""


def find_footprints(images: Sequence[CameraCards]) -> list[SkyRegion | ButlerUserError]:
    """Return the region of each image, or what is wrong with it; many at once are faster than one by one."""
    found: list[SkyRegion | ButlerUserError | None] = [None] * len(images)
    boxes: dict[Box2I, list[tuple[int, SkyWcs]]] = {}
    for i, cards in enumerate(images):
        try:
            wcs = SkyWcs(cards.select(is_wcs_card))
        except ButlerUserError as error:
            found[i] = error
            continue
        size = Extent2I(int(cards["NAXIS1"]), int(cards["NAXIS2"]))
        boxes.setdefault(Box2I(Point2I(0, 0), size), []).append((i, wcs))
    for box, members in boxes.items():
        regions = SkyRegion.from_wcss([wcs for _, wcs in members], box)
        for (i, wcs), region in zip(members, regions, strict=True):
            degrees = wcs.pixel_scale / 3600.0
            if isinstance(region, ValueError):
                found[i] = IngestError(f"the image has no region on the sky: {region}")
            elif degrees * max(box.dimensions) > _WIDEST:
                found[i] = IngestError(
                    f"the image would be wider than the sky: by its WCS a pixel has {degrees:.3g} degrees; "
                    "check the unit of its CD matrix or CDELT"
                )
            else:
                found[i] = region
    return [each for each in found if each is not None]
