"""Register a sky map: its dataset, and the records of its tracts and patches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..butler import Butler
from ..datasets import DatasetRef, DatasetType
from ..errors import ConflictingDefinitionError, IngestError
from ..regions import SkyRegion
from ..skymaps import SkyMap, TractInfo

__all__ = ["SKY_MAP", "SKY_MAP_RUN", "observed_regions", "register_sky_map"]

SKY_MAP: Final = DatasetType("skyMap", ("skymap",), "SkyMap")
SKY_MAP_RUN: Final = "skymaps"
"""RUN that sky maps are put into, as in LSST's repositories."""
MAX_PATCHES: Final = 10_000_000
"""Most patches of a sky map; the largest survey so far has 1.5 million."""


def register_sky_map(butler: Butler, name: str, sky_map: SkyMap) -> DatasetRef | None:
    """Register a sky map with all tracts and patches.

    Parameters
    ----------
    butler
        A writeable butler.
    name
        Name of the sky map in data IDs.
    sky_map
        The sky map.

    Returns
    -------
    ref
        The dataset; None if the same sky map is registered already.

    Raises
    ------
    ConflictingDefinitionError
        Raised if the name belongs to another sky map.
    IngestError
        Raised if it has more patches than a registry can list.
    """
    registry = butler.registry
    sha1 = sky_map.getSha1().hex()
    known = registry.records.fetch_one("skymap", {"skymap": name})
    if known is not None:
        if known["hash"] != sha1:
            raise ConflictingDefinitionError(f"sky map {name!r} is registered with another definition")
        return None
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
        for tract in sky_map:
            registry.insertDimensionData("tract", _tract_record(name, tract))
            registry.insertDimensionData("patch", *_patch_records(name, tract))
        return butler.put(sky_map, SKY_MAP, skymap=name, run=SKY_MAP_RUN)


def observed_regions(butler: Butler, where: str = "", **data_id: Any) -> list[SkyRegion]:
    """Return the regions of all detector images that fulfil a condition.

    Raises
    ------
    EmptyQueryResultError
        Raised if there are none.
    """
    records = butler.query_dimension_records("visit_detector_region", where=where, data_id=data_id)
    return [record.region for record in records if record.region is not None]


def _tract_record(name: str, tract: TractInfo) -> dict[str, Any]:
    return {"skymap": name, "id": tract.tract_id, "region": tract.outer_sky_polygon}


def _patch_records(name: str, tract: TractInfo) -> Iterable[dict[str, Any]]:
    for patch in tract:
        yield {
            "skymap": name,
            "tract": tract.tract_id,
            "id": patch.sequential_index,
            "cell_x": patch.index.x,
            "cell_y": patch.index.y,
            "region": patch.region,
        }
