"""What is chosen before a visit is warped: the visit, and its detector images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from butler.images import SkyWcs
from connections.errors import NoWorkFound

from ..select import WcsSelectImagesTask
from ..struct import Struct
from .visit_summary import summary_wcs

__all__ = ["check_visit_is_chosen", "choose_detectors"]


def check_visit_is_chosen(visit: int, selected_visits: Any) -> None:
    """Refuse a visit that the selection left out.

    Parameters
    ----------
    visit
        Visit number.
    selected_visits
        Chosen visits by number, as numbers or as text.

    Raises
    ------
    NoWorkFound
        Raised if it is none of them.
    """
    if visit not in {int(number) for number in selected_visits}:
        raise NoWorkFound(f"visit {visit} is not among the {len(selected_visits)} chosen for the patch")


def choose_detectors(
    select: WcsSelectImagesTask,
    calexp_list: Sequence[Any],
    skyInfo: Struct,
    visit_summary: Any,
    *,
    use_summary_wcs: bool = False,
) -> list[Any]:
    """Return the handles of the detector images that a selection task takes; no pixel is read.

    Parameters
    ----------
    select
        The task.
    calexp_list
        Handles of the detector images.
    skyInfo
        Geometry of the patch: ``wcs`` and ``bbox``, its outer box, are used.
    visit_summary
        Table of the visit's quality.
    use_summary_wcs
        Whether the images lie where that table says.

    Raises
    ------
    NoWorkFound
        Raised if none is taken; the message says why.
    """
    wcs: SkyWcs = skyInfo.wcs
    corners = [tuple(map(float, wcs.pixelToSky(x, y))) for x, y in skyInfo.bbox.corners]
    chosen = select.run(
        [
            summary_wcs(visit_summary, int(handle.dataId["detector"]))
            if use_summary_wcs
            else handle.get(component="wcs")
            for handle in calexp_list
        ],
        [handle.get(component="bbox") for handle in calexp_list],
        [(ra, dec) for ra, dec in corners],
        [handle.dataId for handle in calexp_list],
        visit_summary,
    )
    if not chosen:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in select.metadata["rejected"].items())
        raise NoWorkFound(f"no detector image is chosen: {reasons}")
    return [calexp_list[i] for i in chosen]
