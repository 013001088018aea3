"""Coadd metadata: what a coadd says of what it was made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from butler.images import CcdInput, CoaddTransmissionCurve, FilterLabel, SkyWcs, VisitInfo
from butler.tai import ns_to_mjd

from ..errors import WarpError, WarpInputsError
from .warp_pixels import describe_data_id

__all__ = ["combined_transmission", "common_filter", "input_cards"]


def input_cards(visit_infos: Iterable[VisitInfo | None]) -> dict[str, Any]:
    """Return cards about the visits that went into a coadd.

    Parameters
    ----------
    visit_infos
        What is known of each visit.

    Returns
    -------
    cards
        ``NUSED``, the number of visits; ``EXPTOTAL``, the sum of their exposure times (s), and ``MJDMIN``,
        ``MJDMAX`` and ``MJDMEAN`` of their middles (MJD, TAI), where they are known for all visits.
    """
    infos = list(visit_infos)
    cards: dict[str, Any] = {"NUSED": len(infos)}
    dates = [ns_to_mjd(info.date_ns) for info in infos if info is not None and info.date_ns is not None]
    if infos and len(dates) == len(infos):
        cards |= {"MJDMIN": min(dates), "MJDMAX": max(dates), "MJDMEAN": float(np.mean(dates))}
    exposure_time = math.fsum(math.nan if info is None else info.exposure_time for info in infos)
    if infos and math.isfinite(exposure_time):
        cards["EXPTOTAL"] = exposure_time
    return cards


def combined_transmission(ccds: Sequence[CcdInput], wcs: SkyWcs) -> CoaddTransmissionCurve:
    """Return the transmission curve of a coadd.

    Parameters
    ----------
    ccds
        The inputs, with their weights.
    wcs
        WCS of the coadd.

    Raises
    ------
    WarpInputsError
        Raised if an input has no curve.
    """
    if missing := [ccd for ccd in ccds if ccd.transmissionCurve is None]:
        found = "; ".join(f"visit={ccd.visit}, detector={ccd.ccd}" for ccd in missing)
        raise WarpInputsError(
            f"no transmission curve came with {found}; put one on the detector images and make the warps "
            "again, or set doAttachTransmissionCurve=False"
        )
    return CoaddTransmissionCurve(tuple(ccds), wcs)


def common_filter(handles: Sequence[Any]) -> FilterLabel | None:
    """Return the band of all warps, without physical filter; None if none has one.

    Raises
    ------
    WarpError
        Raised if the warps have different bands.
    """
    bands: dict[str, Any] = {}
    for handle in handles:
        label: FilterLabel | None = handle.get(component="filter")
        if label is not None:
            bands.setdefault(label.band, handle.dataId)
    if len(bands) > 1:
        found = "; ".join(f"{band} in warp {describe_data_id(data_id)}" for band, data_id in bands.items())
        raise WarpError(f"warps of different bands cannot be combined: {found}")
    return FilterLabel(next(iter(bands))) if bands else None
