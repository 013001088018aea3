"""Values of the dimension records that an exposure and its detectors need."""

from __future__ import annotations

from functools import cache, lru_cache

from ..dimensions import Timespan
from ..errors import IngestError
from ..regions import SkyRegion
from .description import ExposureDescription
from .frames import RecordValues
from .moment import Moment

__all__ = ["detector_records", "exposure_records"]


def exposure_records(description: ExposureDescription) -> tuple[RecordValues, ...]:
    """Return the records that all detectors of an exposure need, each after those that it refers to.

    Raises
    ------
    IngestError
        Raised if the exposure is at no time that can be held.
    """
    return _exposure_records(
        description.instrument,
        description.visit,
        description.band,
        description.physical_filter,
        description.exposure_time,
        description.moment,
        description.target_name,
    )


def detector_records(description: ExposureDescription, region: SkyRegion) -> tuple[RecordValues, ...]:
    """Return the records that a detector image adds to those of its exposure."""
    camera = {"instrument": description.instrument}
    detector, name = description.detector, description.detector_name
    return (
        ("detector", {**camera, "id": detector, "full_name": name, "purpose": "SCIENCE"}),
        (
            "visit_detector_region",
            {**camera, "visit": description.visit, "detector": detector, "region": region},
        ),
    )


@lru_cache(maxsize=64)
def _exposure_records(
    instrument: str,
    number: int,
    band: str,
    physical_filter: str,
    exposure_time: float,
    moment: Moment,
    target_name: str | None,
) -> tuple[RecordValues, ...]:
    camera = {"instrument": instrument}
    try:
        begin = moment.tai_ns
        timespan = Timespan(begin, begin + round(exposure_time * 1e9))
        day_obs = moment.day_obs
        night = _night(day_obs)
    except (ValueError, OverflowError) as error:
        told = f"the date is {moment}, the exposure time {exposure_time:g} s"
        raise IngestError(f"{told}: {error}") from error
    common = {
        "physical_filter": physical_filter,
        "day_obs": day_obs,
        "exposure_time": exposure_time,
        "target_name": target_name,
        "timespan": timespan,
    }
    exposure = {"group": str(number), "obs_id": str(number), "can_see_sky": True}
    return (
        ("physical_filter", {**camera, "name": physical_filter, "band": band}),
        ("day_obs", {**camera, "id": day_obs, "timespan": night}),
        ("group", {**camera, "name": str(number)}),
        ("exposure", {**camera, "id": number, **common, **exposure}),
        ("visit", {**camera, "id": number, **common, "name": str(number)}),
        ("visit_definition", {**camera, "exposure": number, "visit": number}),
    )


@cache
def _night(day_obs: int) -> Timespan:
    return Timespan.from_day_obs(day_obs)
