"""Depth maps: how often, or how long, each part of the sky was observed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ButlerUserError
from ..regions import SkyRegion
from .sky_outline import SkyOutline

__all__ = ["DEPTH_KINDS", "depth_map", "write_depth_map"]

DEPTH_KINDS: Final = {"visits": "number of visits", "exposure_time": "exposure time (s)"}
"""What a depth map may hold, with its label."""

_MAX_NSIDE: Final = 2**18
_MAX_PIXELS: Final = 4_000_000
"""Most pixels of all outlines together, if the resolution is chosen here."""
_PIXELS_ACROSS: Final = 250
_BLOCK_SIDE: Final = 128
"""Pixels along a side of the blocks that a map is stored in ..."""
_MAX_BLOCKS_NSIDE: Final = 256
"""... unless the list of all blocks on the sky would become long."""


def depth_map(outlines: Sequence[SkyOutline], kind: str = "visits", *, nside: int | None = None) -> Any:
    """Make a HealSparse map of how often or how long the sky was observed.

    Parameters
    ----------
    outlines
        Detectors' images, or visits. What a visit has seen with two of its detectors counts once.
    kind
        ``visits`` counts them (int32), ``exposure_time`` adds up their seconds (float32).
    nside
        Resolution, a power of two; if None, there are 250 pixels across an outline, or fewer if there are
        many outlines.

    Returns
    -------
    depth
        ``healsparse.HealSparseMap``, in NEST order; its metadata says ``KIND``. A pixel belongs to an outline
        if its centre does.

    Raises
    ------
    ButlerUserError
        Raised if there is no such kind, if an exposure time is not known, or if no pixel's centre is in an
        outline.
    """
    import healsparse

    if kind not in DEPTH_KINDS:
        raise ButlerUserError(f"a depth map is one of {', '.join(DEPTH_KINDS)}, not {kind!r}")
    if nside is None:
        nside = _choose_nside([outline.region for outline in outlines])
    elif nside not in {2**level for level in range(19)}:
        raise ButlerUserError(f"nside is a power of two up to {_MAX_NSIDE}, not {nside}")
    pixels, values = _sum_by_pixel(_pixels_of_visits(outlines, kind, nside))
    if not pixels.size:
        raise ButlerUserError(f"no pixel of nside {nside} lies in what was observed; take a larger nside")
    dtype = np.int32 if kind == "visits" else np.float32
    blocks = min(max(1, nside // _BLOCK_SIDE), _MAX_BLOCKS_NSIDE)
    depth = healsparse.HealSparseMap.make_empty(blocks, nside, dtype, metadata={"KIND": kind})
    depth.update_values_pix(pixels, values.astype(dtype))
    return depth


def write_depth_map(depth: Any, path: Path) -> None:
    """Write a map into a file, over one that is there.

    Raises
    ------
    ButlerUserError
        Raised if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        depth.write(str(path), clobber=True)
    except OSError as error:
        raise ButlerUserError(f"cannot write the depth map {path}: {error.strerror or error}") from error


def _pixels_of_visits(
    outlines: Sequence[SkyOutline], kind: str, nside: int
) -> Iterable[tuple[NDArray[np.int64], float]]:
    """Yield the pixels of each visit, each once, and what it adds to them."""
    visits: dict[tuple[str, int], list[SkyOutline]] = {}
    for outline in outlines:
        visits.setdefault(outline.visit, []).append(outline)
    for (_, number), members in visits.items():
        weight = 1.0 if kind == "visits" else members[0].exposure_time
        if weight is None:
            raise ButlerUserError(f"the exposure time of visit {number} is not known; count visits instead")
        seen = [_pixels_inside(member.region, nside) for member in members]
        yield np.unique(np.concatenate(seen)), weight


def _sum_by_pixel(
    parts: Iterable[tuple[NDArray[np.int64], float]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all pixels, sorted, and the sum of the weights that came with each."""
    known = list(parts)
    if not known:
        return np.empty(0, dtype=np.int64), np.empty(0)
    pixels, inverse = np.unique(np.concatenate([found for found, _ in known]), return_inverse=True)
    weights = np.repeat([weight for _, weight in known], [len(found) for found, _ in known])
    sums = np.bincount(inverse, weights=weights, minlength=len(pixels))
    return pixels.astype(np.int64), sums.astype(np.float64)


def _pixels_inside(region: SkyRegion, nside: int) -> NDArray[np.int64]:
    """Return the pixels whose centres lie in a region."""
    import hpgeom

    if region.is_empty:
        return np.empty(0, dtype=np.int64)
    ra, dec, radius = region.bounding_circle()
    near = hpgeom.query_circle(nside, ra, dec, max(radius, 1e-9), inclusive=False)
    inside = region.contains(*hpgeom.pixel_to_angle(nside, near))
    return np.asarray(near[inside], dtype=np.int64)


def _choose_nside(regions: Sequence[SkyRegion]) -> int:
    """Return a resolution that shows the smallest region well, and does not take too long."""
    radii = [region.bounding_circle()[2] for region in regions if not region.is_empty]
    if not radii:
        return 1
    wanted = 2 * max(min(radii), 1e-4) / _PIXELS_ACROSS
    # A square fills two thirds of the circle around it.
    area = sum(math.radians(radius) ** 2 * math.pi * 0.64 for radius in radii)
    affordable = math.degrees(math.sqrt(area / _MAX_PIXELS))
    pixel = math.radians(max(wanted, affordable))
    level = math.floor(math.log2(math.sqrt(4 * math.pi / 12) / pixel))
    return int(min(max(2 ** max(level, 0), 1), _MAX_NSIDE))
