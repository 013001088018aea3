"""Footprint: the pixels of one detection and its peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .geometry import Box2I
from .span_set import SpanSet

__all__ = ["Footprint", "Peak"]


class Peak(NamedTuple):
    """The brightest pixel (the faintest, in a negative footprint) of a part of a footprint."""

    x: int
    y: int
    value: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """The pixels of one detection.

    Parameters
    ----------
    spans
        Its pixels, in parent coordinates.
    peaks
        Its peaks; kept with the largest absolute value first.

    Raises
    ------
    ValueError
        Raised for a peak outside the pixels.
    """

    spans: SpanSet
    peaks: tuple[Peak, ...] = ()

    def __post_init__(self) -> None:
        peaks = sorted((Peak(*peak) for peak in self.peaks), key=lambda peak: -abs(peak.value))
        for peak in peaks:
            if not self.spans.contains((peak.x, peak.y)):
                raise ValueError(f"peak at ({peak.x}, {peak.y}) is outside its footprint, {self.spans}")
        object.__setattr__(self, "peaks", tuple(peaks))

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.spans.area

    @property
    def bbox(self) -> Box2I:
        """Smallest box that holds the pixels; a BoxError if there are none."""
        return self.spans.bbox

    def getSpans(self) -> SpanSet:
        """Return the pixels."""
        return self.spans

    def getArea(self) -> int:
        """Return the number of pixels."""
        return self.area

    def getBBox(self) -> Box2I:
        """Return the smallest box that holds the pixels.

        Raises
        ------
        BoxError
            Raised if there are none.
        """
        return self.bbox

    def contains(self, point: tuple[int, int]) -> bool:
        """Tell whether a pixel ``(x, y)`` belongs to the footprint."""
        return self.spans.contains(point)
