"""Labels that do not lie on one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["SkyLabel", "place_labels"]

_GAP: Final = 2.0
"""Least distance between labels, pixels of the page."""
_LETTER: Final = 0.4
"""Least width of a letter or digit, in units of its size."""


@dataclass(frozen=True, slots=True)
class SkyLabel:
    """A label, and where it may stand.

    Parameters
    ----------
    text
        What it says.
    places
        Pixels ``(x, y)`` of the frame on which it may be centred, the best first.
    color
        Of the text.
    size
        Of the letters, points.
    room
        Pixels of the frame that it may take, width and height; None for any number.
    """

    text: str
    places: Sequence[tuple[float, float]]
    color: str = "black"
    size: float = 8.0
    room: tuple[float, float] | None = None


def place_labels(figure: Any, axes: Any, labels: Iterable[SkyLabel]) -> int:
    """Write labels where they cover no other one and stay within the axes; leave out the others.

    Parameters
    ----------
    figure, axes
        Where to write; nothing may be added to them afterwards that moves the axes.
    labels
        Labels, the most important first.

    Returns
    -------
    n_written
        How many found a place.
    """
    figure.draw_without_rendering()
    inside = axes.get_window_extent()
    (x0, y0), (x1, y1) = axes.transData.transform([(0.0, 0.0), (1.0, 1.0)])
    letter = figure.dpi / 72 * _LETTER
    taken: list[Any] = []
    for label in labels:
        width, height = (math.inf, math.inf) if label.room is None else label.room
        room = width * (x1 - x0), height * (y1 - y0)
        # To measure a text takes long; most that do not fit are far too long.
        if max(map(len, label.text.splitlines())) * letter * label.size > room[0]:
            continue
        text = _written(axes, label)
        for place in label.places:
            text.set_position(place)
            extent = text.get_window_extent()
            if extent.width > room[0] or extent.height > room[1]:
                continue
            box = extent.padded(_GAP)
            is_within = inside.x0 <= box.x0 and inside.y0 <= box.y0
            is_within = is_within and box.x1 <= inside.x1 and box.y1 <= inside.y1
            if is_within and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            text.remove()
    return len(taken)


def _written(axes: Any, label: SkyLabel) -> Any:
    """Return the text of a label, readable on any ground."""
    from matplotlib.patheffects import withStroke

    text = axes.text(0, 0, label.text, color=label.color, fontsize=label.size, ha="center", va="center")
    text.set_path_effects([withStroke(linewidth=2.0, foreground="white", alpha=0.85)])
    text.set_zorder(10)
    # The room for the axes does not depend on it.
    text.set_in_layout(False)
    return text
