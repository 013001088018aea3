"""Registrar: takes what quanta have written into the registry."""

from __future__ import annotations

import uuid
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Final

from butler import Butler
from butler.errors import ArtifactMissingError, ButlerError

from .failures import details_of, is_transient, message_of
from .quantum_book import QuantumBook
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
    book
        Makes the records of quanta that are kept.
    """

    def __init__(self, butler: Butler, book: QuantumBook) -> None:
        self._butler = butler
        self._book = book
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

    def register(self, present: Container[uuid.UUID]) -> list[tuple[QuantumReport, bool]]:
        """Register what waits.

        Parameters
        ----------
        present
            UUIDs of the datasets that were there to be read.

        Returns
        -------
        ended
            Reports, and whether the registry has taken them; of one that it has refused, that of a failure.
        """
        batch = self._waiting
        try:
            with self._butler.transaction():
                ended = [self._registered(report, present) for report in batch]
                # From here on the files go, or stay, with the transaction.
                self._waiting = []
        except ButlerError as error:
            self.discard()
            return [(_refused(report, error), False) for report in batch]
        return ended

    def discard(self) -> None:
        """Remove what waits."""
        for report in self._waiting:
            report.discard()
        self._waiting = []

    def keep(self, reports: Sequence[QuantumReport], present: Container[uuid.UUID] = ()) -> None:
        """Keep records of quanta without outputs: of those that were refused, and of blocked ones."""
        self._butler.store_staged((), [self._book.record(report, present) for report in reports])

    def _registered(self, report: QuantumReport, present: Container[uuid.UUID]) -> tuple[QuantumReport, bool]:
        try:
            records = self._butler.store_staged(report.staged, [self._book.record(report, present)])
        except ButlerError as error:
            return _refused(report, error), False
        staged = tuple((ref, replace(file, record=records[ref.id])) for ref, file in report.staged)
        return replace(report, staged=staged), True


def _refused(report: QuantumReport, error: ButlerError) -> QuantumReport:
    return replace(
        report,
        status=QuantumStatus.FAILED,
        message=f"its outputs cannot be registered: {message_of(error)}",
        details=details_of(error),
        staged=(),
        exception=type(error).__name__,
        # Files that are gone another attempt writes again.
        is_transient=is_transient(error) or isinstance(error, ArtifactMissingError),
        exit_code=1,
    )
