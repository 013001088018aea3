"""Moment: the time that a header tells."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ..tai import any_year, parse_iso, time_to_ns

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Moment"]


class Moment:
    """A time in a header; astropy is asked only for what is not plain, which takes it long.

    Parameters
    ----------
    told
        ISO text, MJD, or a time that somebody has read already.
    scale
        Time scale of a text or number.

    Raises
    ------
    ValueError
        Raised if it is no time.
    """

    def __init__(self, told: str | float | Time, scale: str) -> None:
        self._told = told
        self._scale = scale
        self._plain_ns = parse_iso(told, scale) if isinstance(told, str) else None
        if self._plain_ns is None:
            # That it can be read is seen at once.
            _ = self.time

    @cached_property
    def time(self) -> Time:
        """The time, in its own scale."""
        from astropy.time import Time

        if isinstance(self._told, Time):
            return self._told
        with any_year():
            return Time(self._told, format=None if isinstance(self._told, str) else "mjd", scale=self._scale)

    @property
    def tai_ns(self) -> int:
        """TAI nanoseconds since 1970-01-01T00:00:00 TAI."""
        return time_to_ns(self.time) if self._plain_ns is None else self._plain_ns

    @property
    def day_obs(self) -> int:
        """The day ``YYYYMMDD`` in its own scale."""
        return int(str(self)[:10].replace("-", ""))

    def __str__(self) -> str:
        if self._plain_ns is not None:
            return str(self._told)
        with any_year():
            return str(self.time.isot)
