"""What of the observations no tract of a repository's sky maps touches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..butler import Butler
from ..regions import SkyRegion

__all__ = ["count_outside_tracts", "count_visits_outside_tracts"]


def count_outside_tracts(butler: Butler, regions: Sequence[SkyRegion]) -> int:
    """Return how many regions touch no tract of any sky map; 0 where there is no sky map.

    Parameters
    ----------
    butler
        Of the repository.
    regions
        Regions of detector images.
    """
    found = [record.region for record in butler.registry.records.fetch_all("tract")] if regions else []
    tracts = [region for region in found if region is not None]
    if not tracts:
        return 0
    # Exact tests are slow; most tracts of a large sky map are not near.
    boxes = np.array([tract.bounding_vectors() for tract in tracts])
    low, high = boxes[:, ::2], boxes[:, 1::2]
    outside = 0
    for region in regions:
        box = np.array(region.bounding_vectors())
        near = np.flatnonzero(np.all((low <= box[1::2]) & (high >= box[::2]), axis=1))
        outside += not any(tracts[i].overlaps(region) for i in near)
    return outside


def count_visits_outside_tracts(butler: Butler) -> tuple[int, int]:
    """Return how many visits touch no tract of any sky map, and how many visits have a region.

    Parameters
    ----------
    butler
        Of the repository.
    """
    found = [record.region for record in butler.registry.records.fetch_all("visit")]
    regions = [region for region in found if region is not None]
    return count_outside_tracts(butler, regions), len(regions)
