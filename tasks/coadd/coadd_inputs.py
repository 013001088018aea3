"""Coadd inputs: the records of all warps, with the weights they have in the coadd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from butler.images import CcdInput, CoaddInputs, VisitInput

from ..errors import WarpInputsError
from .warp_pixels import describe_data_id

__all__ = ["gather_coadd_inputs"]


def gather_coadd_inputs(handles: Sequence[Any], weights: Sequence[float]) -> CoaddInputs:
    """Join the records of the warps; every row gets the weight of its visit.

    Parameters
    ----------
    handles
        Handles of the warps.
    weights
        Their weights, 1/nJy².

    Raises
    ------
    WarpInputsError
        Raised if a warp's record is missing, has no detector, or has not exactly one visit, that of the
        data ID; or if two warps have the same visit.
    """
    visits: list[VisitInput] = []
    ccds: list[CcdInput] = []
    for handle, weight in zip(handles, weights, strict=True):
        inputs: CoaddInputs | None = handle.get(component="coaddInputs")
        where = describe_data_id(handle.dataId)
        if inputs is None or not inputs.ccds:
            raise WarpInputsError(f"warp {where} does not say which detectors it was made of")
        found = [row.visit for row in inputs.visits]
        if found != [handle.dataId["visit"]]:
            raise WarpInputsError(f"warp {where} must have one row for its own visit, not for {found}")
        if stray := {row.visit for row in inputs.ccds} - set(found):
            raise WarpInputsError(f"warp {where} has detectors of other visits: {sorted(stray)}")
        if any(row.visit == found[0] for row in visits):
            raise WarpInputsError(f"warp {where} is the second one of its visit; a coadd takes one of each")
        physical_filter = str(handle.dataId.get("physical_filter", ""))
        visits += [replace(r, weight=weight, filter=r.filter or physical_filter) for r in inputs.visits]
        ccds += [replace(r, weight=weight, filter=r.filter or physical_filter) for r in inputs.ccds]
    return CoaddInputs(tuple(visits), tuple(ccds))
