"""Mask planes laid over an image, each in its colour."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np

from ..errors import ButlerUserError, did_you_mean
from ..images import Mask

__all__ = ["MASK_COLORS", "NO_DATA_COLOR", "choose_planes", "draw_mask"]

MASK_COLORS: Final[Mapping[str, str]] = {
    "CLIPPED": "#e6194b",
    "CR": "#f58231",
    "SAT": "#42d4f4",
    "BAD": "#911eb4",
    "STREAK": "#bfef45",
    "DETECTED": "#4363d8",
}
"""Colours of the planes that a picture shows if none are named, those on top first."""

NO_DATA_COLOR: Final = "#b9cfe7"
"""Colour of pixels that no input reaches; no shade of a usual picture is bluish."""

_OTHER_COLORS: Final = (
    "#3cb44b",
    "#ffe119",
    "#f032e6",
    "#9a6324",
    "#469990",
    "#808000",
    "#fabed4",
    "#000075",
)


def choose_planes(mask: Mask, planes: Collection[str] | None) -> list[str]:
    """Return the planes to show: those named, or those that have a colour, in the order of drawing.

    Parameters
    ----------
    mask
        Mask.
    planes
        Names, ``all`` for all of the mask; None for those of `MASK_COLORS`.

    Raises
    ------
    ButlerUserError
        Raised for a plane that the mask does not have.
    """
    if planes is None:
        return [name for name in list(MASK_COLORS)[::-1] if name in mask.planes]
    if "all" in planes:
        planes = mask.planes
    for name in planes:
        if name not in mask.planes:
            raise ButlerUserError(f"no mask plane {name!r}{did_you_mean(name, mask.planes)}")
    # What is usually on top stays there; what covers large parts of an image comes first.
    order = [*MASK_COLORS, *mask.planes]
    return sorted(planes, key=order.index, reverse=True)


def draw_mask(axes: Any, mask: Mask, planes: Collection[str], *, over_image: bool = False) -> None:
    """Colour the pixels of some planes, and say which colour is which.

    Parameters
    ----------
    axes
        matplotlib axes that show pixels of the same box.
    mask
        Mask.
    planes
        Planes to show, the last one on top; those without a pixel do not appear.
    over_image
        Whether they lie over an image, which shows by itself where there is NO_DATA; it is told how much.
    """
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    layer = np.zeros((*mask.array.shape, 4))
    entries = []
    others = iter(_OTHER_COLORS * 4)
    for plane in planes:
        color = MASK_COLORS.get(plane) or next(others)
        where = mask.isSet(plane)
        if where.any():
            layer[where] = to_rgba(color, alpha=0.25 if plane.startswith("DETECTED") else 0.5)
            entries.append(Patch(color=color, label=f"{plane}  {_percent(float(where.mean()))}"))
    if over_image and "NO_DATA" in mask.planes and "NO_DATA" not in planes:
        empty = float(mask.isSet("NO_DATA").mean())
        if empty:
            label = f"NO_DATA  {_percent(empty)}"
            entries.insert(0, Patch(facecolor=NO_DATA_COLOR, edgecolor="gray", linewidth=0.5, label=label))
    axes.imshow(layer, origin="lower", interpolation="nearest")
    if entries:
        axes.legend(handles=entries[::-1], fontsize=7, loc="upper right", framealpha=0.85)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %" if fraction < 0.995 else f"{100 * fraction:.0f} %"
