"""Filter, calibration and visit of an exposure, from and to the cards of its header."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from ..errors import FileFormatError
from ..images import FilterLabel, PhotoCalib, VisitInfo
from ..images.photo_calib import AB_ZERO_POINT_NJY
from ..tai import ns_to_iso, parse_iso, time_to_ns

__all__ = [
    "VISIT_CARDS",
    "calib_cards",
    "filter_cards",
    "read_exposure_id",
    "read_filter",
    "read_photo_calib",
    "read_visit_info",
    "visit_cards",
]

_LOG: Final = logging.getLogger(__name__)

_VISIT_FIELDS: Final = {
    "EXPTIME": "exposure_time",
    "DARKTIME": "dark_time",
    "INSTRUMENT": "instrument",
    "MJD-AVG-UT1": "ut1",
    "AVG-ERA": "era",
    "BORE-RA": "boresight_ra",
    "BORE-DEC": "boresight_dec",
    "BORE-AZ": "boresight_az",
    "BORE-ALT": "boresight_alt",
    "BORE-AIRMASS": "airmass",
    "BORE-ROTANG": "rotation_angle",
    "ROTTYPE": "rotation_type",
    "OBS-LONG": "longitude",
    "OBS-LAT": "latitude",
    "OBS-ELEV": "elevation",
    "AIRTEMP": "air_temperature",
    "AIRPRESS": "air_pressure",
    "HUMIDITY": "humidity",
    "FOCUSZ": "focus_z",
    "OBSTYPE": "observation_type",
    "PROGRAM": "science_program",
    "REASON": "observation_reason",
    "OBJECT": "object",
    "HAS-SIMULATED-CONTENT": "has_simulated_content",
}
"""Fields of `VisitInfo` by card."""
_TEXTS: Final = frozenset({"INSTRUMENT", "ROTTYPE", "OBSTYPE", "PROGRAM", "REASON", "OBJECT"})
VISIT_CARDS: Final = frozenset({*_VISIT_FIELDS, "IDNUM", "DATE-AVG", "TIMESYS", "TIME-MID"})
"""Cards that belong to the visit."""

_BANDS: Final = re.compile(r"[ugrizy]|SH|PH|VR|white|N\d+|I\d{2,}")
_OLD_FILTERS: Final = {
    "r2": FilterLabel("r", "HSC-R2"),
    "i2": FilterLabel("i", "HSC-I2"),
    "SOLID": FilterLabel("", "solid plate 0.0 0.0"),
}


def filter_cards(label: FilterLabel | None) -> dict[str, Any]:
    """Return the cards of a filter; BAND is ours, others read FILTER."""
    return {} if label is None else {"FILTER": label.physical, "BAND": label.band or None}


def read_filter(values: Mapping[str, Any]) -> FilterLabel | None:
    """Return the filter of primary cards; a FILTER alone may name a band or a physical filter."""
    name = str(values.get("FILTER") or "").strip()
    band = str(values.get("BAND") or "").strip()
    name = "" if name == "_unknown_" else name
    if band:
        return FilterLabel(band, name or None)
    if not name:
        return None
    known = _OLD_FILTERS.get(name)
    return known or (FilterLabel(name) if _BANDS.fullmatch(name) else FilterLabel("", name))


def calib_cards(calib: PhotoCalib | None) -> dict[str, Any]:
    """Return the cards of a calibration: counts of magnitude 0, and their error."""
    if calib is None:
        return {}
    zero_point = AB_ZERO_POINT_NJY / calib.calibrationMean
    return {"FLUXMAG0": zero_point, "FLUXMAG0ERR": zero_point * calib.calibrationErr / calib.calibrationMean}


def read_photo_calib(values: Mapping[str, Any]) -> PhotoCalib | None:
    """Return the calibration of primary cards; a FLUXMAG0 of 0 means that there is none."""
    zero_point = float(values.get("FLUXMAG0") or 0.0)
    if not (math.isfinite(zero_point) and zero_point > 0):
        return None
    error = float(values.get("FLUXMAG0ERR") or 0.0)
    return PhotoCalib(AB_ZERO_POINT_NJY / zero_point, AB_ZERO_POINT_NJY * error / zero_point**2)


def visit_cards(visit: VisitInfo | None) -> dict[str, Any]:
    """Return the cards of a visit; what is not known has none."""
    if visit is None:
        return {}
    cards: dict[str, Any] = {card: getattr(visit, name) for card, name in _VISIT_FIELDS.items()}
    cards = {card: None if value == "" else value for card, value in cards.items()}
    cards["IDNUM"] = visit.id
    if visit.date_ns is not None:
        # A DATE-AVG without TIMESYS makes a file unreadable for LSST.
        cards |= {"DATE-AVG": ns_to_iso(visit.date_ns), "TIMESYS": "TAI"}
    return cards


def read_exposure_id(values: Mapping[str, Any]) -> int | None:
    """Return the number of the exposure."""
    number = values.get("EXPID", values.get("IDNUM"))
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def read_visit_info(values: Mapping[str, Any]) -> VisitInfo | None:
    """Return the visit of primary cards, None if they name none.

    Raises
    ------
    FileFormatError
        Raised for a number or date that is none.
    """
    number = values.get("IDNUM", values.get("EXPID"))
    if not isinstance(number, int):
        return None
    known = {name: _value(card, values[card]) for card, name in _VISIT_FIELDS.items() if card in values}
    return VisitInfo(id=number, date=_middle(values), **known)


def _value(card: str, value: Any) -> Any:
    if card in _TEXTS:
        return str(value)
    if card == "HAS-SIMULATED-CONTENT":
        return bool(value)
    try:
        return float(value)
    except ValueError as error:
        raise FileFormatError(f"the card {card} is {value!r}, it must be a number") from error


def _middle(values: Mapping[str, Any]) -> int | None:
    """Return the middle of the exposure; a date without its time scale is not trusted."""
    if "DATE-AVG" in values:
        if str(values.get("TIMESYS", "")).strip() == "TAI":
            return _time("DATE-AVG", values, "tai")
        _LOG.warning("DATE-AVG is ignored, because TIMESYS does not say that it is TAI")
    elif str(values.get("TIME-MID", "")).strip().endswith("Z"):
        return _time("TIME-MID", values, "utc")
    return None


def _time(card: str, values: Mapping[str, Any], scale: str) -> int:
    text = str(values[card]).strip().removesuffix("Z")
    plain = parse_iso(text, scale)
    if plain is not None:
        return plain
    from astropy.time import Time

    try:
        return time_to_ns(Time(text, format="isot", scale=scale))
    except ValueError as error:
        raise FileFormatError(f"{card} is no date: {values[card]!r}") from error
