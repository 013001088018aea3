"""Retention: which outputs a run keeps, and what follows for the quanta that make the others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase

from butler import DatasetRef

from .quantum import Quantum

__all__ = ["Retention"]


@dataclass(frozen=True)
class Retention:
    """Which outputs are kept, and which somebody may have removed once they had served.

    Parameters
    ----------
    patterns
        Names of the dataset types that are kept, with ``*`` and ``?``; None for all.
    """

    patterns: Sequence[str] | None = None

    def keeps(self, ref: DatasetRef) -> bool:
        """Tell whether datasets of such a type are kept: one that is not there was then never made."""
        name, _ = ref.datasetType.nameAndComponent()
        return self.patterns is None or any(fnmatchcase(name, pattern) for pattern in self.patterns)

    def to_redo(self, quanta: Sequence[Quantum], there: Mapping[uuid.UUID, Set[uuid.UUID]]) -> set[uuid.UUID]:
        """Return the quanta that have succeeded before and must run again, as what others need is gone.

        Parameters
        ----------
        quanta
            All quanta, each after those that it depends on.
        there
            The outputs that exist of each quantum that has succeeded.
        """
        if self.patterns is None:
            return set()
        wanted: set[uuid.UUID] = set()
        again: set[uuid.UUID] = set()
        for quantum in reversed(quanta):
            if (present := there.get(quantum.id)) is not None:
                gone = (ref for ref in quantum.output_refs() if ref.id in wanted and ref.id not in present)
                if all(map(self.keeps, gone)):
                    continue
                again.add(quantum.id)
            wanted.update(ref.id for ref in quantum.input_refs())
        return again

    def unanchored(self, quanta: Sequence[Quantum]) -> list[Quantum]:
        """Return the quanta all of whose outputs are neither kept nor read by a quantum that is not one.

        Parameters
        ----------
        quanta
            All quanta that are to be run, each after those that it depends on.
        """
        wanted: set[uuid.UUID] = set()
        loose: list[Quantum] = []
        for quantum in reversed(quanta):
            outputs = list(quantum.output_refs())
            if outputs and not any(ref.id in wanted or self.keeps(ref) for ref in outputs):
                loose.append(quantum)
            else:
                wanted.update(ref.id for ref in quantum.input_refs())
        return loose[::-1]
