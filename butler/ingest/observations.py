"""What was observed, and where on the sky."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..butler import Butler
from ..dimensions import DimensionRecord
from ..errors import EmptyQueryResultError
from ..pictures import SkyOutline
from ..regions import SkyRegion
from ..registry import Query

__all__ = ["observed_outlines", "observed_regions"]


def observed_regions(butler: Butler, where: str = "", **data_id: Any) -> list[SkyRegion]:
    """Return the regions of all detector images that fulfil a condition.

    Raises
    ------
    EmptyQueryResultError
        Raised if there are none.
    """
    records = butler.query_dimension_records("visit_detector_region", where=where, data_id=data_id)
    return [record.region for record in records if record.region is not None]


def observed_outlines(
    butler: Butler,
    *conditions: Any,
    dataset_types: Sequence[str] = (),
    collections: Sequence[str] = (),
) -> list[SkyOutline]:
    """Return the outlines of the detector images that fulfil conditions; of visits without any, their own.

    Parameters
    ----------
    butler
        Where they are known.
    *conditions
        Expressions and data IDs, as ``Query.where`` takes them.
    dataset_types, collections
        Only observations for which there are datasets of these types in these collections.

    Returns
    -------
    outlines
        In the order of visits and detectors.

    Raises
    ------
    EmptyQueryResultError
        Raised if there are none; it says why.
    """
    with butler.query() as everything:
        query = everything
        for name in dataset_types:
            query = query.join_dataset_search(name, collections)
        visits = {_visit(record): record for record in _records(query, "visit", conditions)}
        if not visits:
            told = query.dimension_records("visit").where(*conditions).explain_no_results()
            raise EmptyQueryResultError("; ".join(told) or "no visit was observed")
        detectors = _records(query, "visit_detector_region", conditions)
    bands = {
        (record["instrument"], record["physical_filter"]): record["band"]
        for record in butler.registry.records.fetch_all("physical_filter")
    }
    placed = {_visit(record) for record in detectors if record.region is not None}
    alone = [record for key, record in visits.items() if key not in placed]
    outlines = [
        SkyOutline(
            region=record.region,
            visit=key,
            detector=record["detector"] if record.definition.name != "visit" else None,
            band=bands.get((key[0], visits[key]["physical_filter"])),
            exposure_time=visits[key]["exposure_time"],
        )
        for record in detectors + alone
        if (key := _visit(record)) in visits and record.region is not None
    ]
    if not outlines:
        raise EmptyQueryResultError(f"none of the {len(visits)} visits has a region on the sky")
    return sorted(
        outlines, key=lambda outline: (outline.visit, -1 if outline.detector is None else outline.detector)
    )


def _records(query: Query, element: str, conditions: Sequence[Any]) -> list[DimensionRecord]:
    found: list[DimensionRecord] = query.dimension_records(element).where(*conditions).fetch()
    return found


def _visit(record: DimensionRecord) -> tuple[str, int]:
    return record["instrument"], record["visit"]
