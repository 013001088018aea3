"""CameraCards: what the headers of a camera's file say of one of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .fits_cards import CardValues
from .fits_file import HduInfo
from .fits_planes import image_layout
from .formatter import FileLayout

__all__ = ["CameraCards"]


class CameraCards(Mapping[str, Any]):
    """Cards of a unit over those of the primary one, each read when it is asked for.

    Parameters
    ----------
    unit
        The unit, with an image of two axes.
    primary
        The primary unit, of which EXTNAME does not count; None if the unit is that one.
    """

    def __init__(self, unit: HduInfo, primary: HduInfo | None = None) -> None:
        self._unit = unit
        self._own = _cards_of(unit)
        self._primary = {} if primary is None else _cards_of(primary)

    def __getitem__(self, key: str) -> Any:
        try:
            return self._own[key]
        except KeyError:
            if key == "EXTNAME":
                raise
        return self._primary[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (key for key in self._primary if key != "EXTNAME" and key not in self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def select(self, wanted: Callable[[str], object]) -> dict[str, Any]:
        """Return the cards with certain names, without a look at the others."""
        names = dict.fromkeys((*_names(self._own), *_names(self._primary)))
        found = {name: self.get(name) for name in filter(wanted, names)}
        return {name: value for name, value in found.items() if value is not None}

    def layout(self) -> FileLayout:
        """Return where the pixels lie.

        Raises
        ------
        FileFormatError
            Raised if the tiles of a compressed image contradict the rest.
        """
        return image_layout(self._unit)


def _cards_of(unit: HduInfo) -> Mapping[str, Any]:
    return unit.values if unit.is_compressed else unit.cards


def _names(cards: Mapping[str, Any]) -> Iterable[str]:
    """Return the names of cards, among which may be some without a value."""
    return cards.names if isinstance(cards, CardValues) else cards
