"""Register a sky map: its dataset, and the records of its tracts and patches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, TypeVar

from ..butler import Butler
from ..datasets import DatasetRef, DatasetType
from ..errors import (
    ConflictingDefinitionError,
    DatasetNotFoundError,
    IngestError,
    MissingDatasetTypeError,
    did_you_mean,
)
from ..regions import SkyRegion
from ..registry import CollectionType
from ..skymaps import SkyMap, TractInfo

__all__ = ["SKY_MAP", "SKY_MAP_RUN", "find_sky_map", "register_sky_map"]

SKY_MAP: Final = DatasetType("skyMap", ("skymap",), "SkyMap")
SKY_MAP_RUN: Final = "skymaps"
"""RUN that sky maps are put into, as in LSST's repositories."""
_BATCH: Final = 4000
"""Patches whose records are inserted together."""
MAX_PATCHES: Final = 10_000_000
"""Most patches of a sky map; the largest survey so far has 1.5 million."""

_Item = TypeVar("_Item")


def register_sky_map(
    butler: Butler,
    name: str,
    sky_map: SkyMap,
    *,
    progress: Callable[[Iterable[TractInfo]], Iterable[TractInfo]] = iter,
) -> DatasetRef | None:
    """Register a sky map with all tracts and patches.

    Parameters
    ----------
    butler
        A writeable butler.
    name
        Name of the sky map in data IDs.
    sky_map
        The sky map.
    progress
        Wraps the iteration over the tracts, to show a bar.

    Returns
    -------
    ref
        The dataset; None if the same sky map is registered already.

    Raises
    ------
    ConflictingDefinitionError
        Raised if the name belongs to another sky map (the message says what differs), or the sky map has
        another name already.
    IngestError
        Raised if it has more patches than a registry can list.
    """
    registry = butler.registry
    sha1 = sky_map.getSha1().hex()
    known = registry.records.fetch_one("skymap", {"skymap": name})
    if known is not None:
        _require_same(butler, name, sky_map, same_hash=known["hash"] == sha1)
        return None
    for other in registry.records.fetch_all("skymap"):
        if other["hash"] == sha1:
            raise ConflictingDefinitionError(
                f"this sky map is registered as {other['skymap']!r} already; one sky map has one name"
            )
    largest = sky_map.max_num_patches
    n_patches = len(sky_map) * largest.x * largest.y
    if n_patches > MAX_PATCHES:
        raise IngestError(
            f"sky map {name!r} has about {n_patches} patches, more than {MAX_PATCHES}; "
            "are its pixel scale in arcseconds and its patches in pixels?"
        )
    with butler.transaction():
        registry.registerDatasetType(SKY_MAP)
        registry.registerRun(SKY_MAP_RUN)
        record = {
            "name": name,
            "hash": sha1,
            "tract_max": len(sky_map),
            "patch_nx_max": largest.x,
            "patch_ny_max": largest.y,
        }
        registry.insertDimensionData("skymap", record)
        per_batch = max(1, _BATCH // max(1, largest.x * largest.y))
        for tracts in _batched(progress(sky_map), per_batch):
            registry.insertDimensionData("tract", *(_tract_record(name, tract) for tract in tracts))
            patches = chain.from_iterable(_patch_records(name, tract) for tract in tracts)
            registry.insertDimensionData("patch", *patches)
        return butler.put(sky_map, SKY_MAP, skymap=name, run=SKY_MAP_RUN)


def find_sky_map(butler: Butler, name: str | None = None) -> tuple[str, SkyMap]:
    """Return a registered sky map.

    Parameters
    ----------
    butler
        Where it is registered.
    name
        Its name; may be left out where there is only one.

    Returns
    -------
    name, sky_map
        The sky map, and its name.

    Raises
    ------
    DatasetNotFoundError
        Raised if there is none of that name, or none or several where no name is given, or if only its
        records were brought here.
    """
    known = [record["skymap"] for record in butler.registry.records.fetch_all("skymap")]
    if name is None and len(known) == 1:
        (name,) = known
    if name is None or name not in known:
        fault = "no sky map is registered" if not known else f"there are the sky maps {', '.join(known)}"
        hint = f"no sky map {name!r}{did_you_mean(name, known)}" if name else f"{fault}; name one"
        raise DatasetNotFoundError(hint if known else fault)
    runs = butler.collections.query("*", CollectionType.RUN)
    try:
        ref = butler.find_dataset(SKY_MAP.name, skymap=name, collections=runs)
    except MissingDatasetTypeError:
        ref = None
    if ref is None:
        raise DatasetNotFoundError(
            f"of the sky map {name!r} there are records here, but no {SKY_MAP.name} dataset"
        )
    sky_map: SkyMap = butler.get(ref)
    return name, sky_map


def _require_same(butler: Butler, name: str, sky_map: SkyMap, *, same_hash: bool) -> None:
    """Refuse a sky map other than the one that has its name; tell what differs."""
    try:
        old = find_sky_map(butler, name)[1].to_simple()
    except DatasetNotFoundError:
        old = {}
    new = sky_map.to_simple()
    changed = [key for key in (*old, *(key for key in new if key not in old)) if old.get(key) != new.get(key)]
    if same_hash and not (old and changed):
        return
    told = ", ".join(f"{key} is {_shown(old.get(key))} there, {_shown(new.get(key))} here" for key in changed)
    raise ConflictingDefinitionError(
        f"sky map {name!r} is registered with another definition{': ' if old else ''}{told if old else ''}; "
        "choose another name"
    )


def _shown(value: Any) -> str:
    return "not given" if value is None else str(value)


def _tract_record(name: str, tract: TractInfo) -> dict[str, Any]:
    return {"skymap": name, "id": tract.tract_id, "region": tract.outer_sky_polygon}


def _patch_records(name: str, tract: TractInfo) -> Iterable[dict[str, Any]]:
    patches = list(tract)
    regions = SkyRegion.from_wcs_boxes(tract.wcs, [patch.outer_bbox for patch in patches])
    for patch, region in zip(patches, regions, strict=True):
        yield {
            "skymap": name,
            "tract": tract.tract_id,
            "id": patch.sequential_index,
            "cell_x": patch.index.x,
            "cell_y": patch.index.y,
            "region": region,
        }


def _batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of at most `size` items."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
