"""Registrar: takes what quanta have written into the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from butler import Butler
from butler.errors import ButlerError

from .failures import details_of, is_transient, message_of
from .quantum_report import QuantumReport
from .quantum_status import QuantumStatus

__all__ = ["Registrar"]

_MOST: Final = 64
"""Quanta that are registered together."""
_LONGEST_S: Final = 0.2
"""Seconds that a quantum waits for others."""


class Registrar:
    """Registers finished quanta, each whole or not at all.

    Files are flushed to disk once for all quanta that are registered together; each has a transaction of its
    own inside that of all.

    Parameters
    ----------
    butler
        A writeable butler.
    """

    def __init__(self, butler: Butler) -> None:
        self._butler = butler
        self._waiting: list[QuantumReport] = []
        self._since = 0.0

    def add(self, report: QuantumReport, now: float) -> None:
        """Have a quantum wait for its registration."""
        if not self._waiting:
            self._since = now
        self._waiting.append(report)

    @property
    def n_waiting(self) -> int:
        """Number of quanta that wait."""
        return len(self._waiting)

    @property
    def due(self) -> float | None:
        """When those that wait have waited long enough, or at once if they are many; None if none does."""
        if not self._waiting:
            return None
        return self._since + (_LONGEST_S if len(self._waiting) < _MOST else 0.0)

    def register(self) -> list[QuantumReport]:
        """Register what waits; return the reports, those of quanta that were refused as failures."""
        batch, self._waiting = self._waiting, []
        ended: list[QuantumReport] = []
        try:
            with self._butler.transaction():
                ended += self._each(batch)
        except ButlerError as error:
            # Nothing is registered, and no file is left.
            return [_refused(report, error) for report in batch]
        except BaseException:
            for report in batch:
                report.discard()
            raise
        return ended

    def discard(self) -> None:
        """Remove what waits."""
        for report in self._waiting:
            report.discard()
        self._waiting = []

    def _each(self, batch: list[QuantumReport]) -> Iterator[QuantumReport]:
        for report in batch:
            try:
                self._butler.store_staged(report.staged)
            except ButlerError as error:
                yield _refused(report, error)
            else:
                yield report


def _refused(report: QuantumReport, error: ButlerError) -> QuantumReport:
    return replace(
        report,
        status=QuantumStatus.FAILED,
        message=f"its outputs cannot be registered: {message_of(error)}",
        details=details_of(error),
        staged=(),
        exception=type(error).__name__,
        is_transient=is_transient(error),
        exit_code=1,
    )
