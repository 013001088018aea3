"""CameraCards: what the headers of a camera's file say of one of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..images import is_wcs_card
from .fits_cards import CardValues
from .fits_file import HduInfo
from .fits_planes import image_layout
from .formatter import FileLayout

__all__ = ["CameraCards", "is_inherited"]

_OWN_WCS: Final = ("CTYPE1", "CRVAL1", "CRPIX1")
"""Cards by which a unit has a projection of its own."""
_FRAME_NAMES: Final = ("RADESYS", "RADECSYS")
_EQUINOXES: Final = ("EQUINOX", "EPOCH")
_FRAME: Final = dict.fromkeys(_FRAME_NAMES, _FRAME_NAMES) | dict.fromkeys(_EQUINOXES, _EQUINOXES)
"""Cards of a projection that often stand once for all units, with those that say the same."""


class CameraCards(Mapping[str, Any]):
    """Cards of a unit over those of the primary one, each read when it is asked for.

    Parameters
    ----------
    unit
        The unit, with an image of two axes.
    primary
        The primary unit, of which counts what `is_inherited`; None if the unit is that one.
    """

    def __init__(self, unit: HduInfo, primary: HduInfo | None = None) -> None:
        self._unit = unit
        self._own = _cards_of(unit)
        self._primary = {} if primary is None else _cards_of(primary)

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a card, or the default."""
        found = self._own.get(key)
        if found is None and self._primary and is_inherited(key, self._own):
            found = self._primary.get(key)
        return default if found is None else found

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (key for key in self._primary if key not in self._own and is_inherited(key, self._own))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def plain(self) -> dict[str, Any]:
        """Return all cards, in no order."""
        own = _all_of(self._own)
        return {k: v for k, v in _all_of(self._primary).items() if is_inherited(k, own)} | own

    def select(self, wanted: Callable[[str], object]) -> dict[str, Any]:
        """Return the cards with certain names; see `CardValues.select`."""
        found = _selected(self._own, wanted)
        for name, value in _selected(self._primary, wanted).items():
            if is_inherited(name, self._own):
                found.setdefault(name, value)
        return found

    def layout(self) -> FileLayout:
        """Return where the pixels lie.

        Raises
        ------
        FileFormatError
            Raised if the tiles of a compressed image contradict the rest.
        """
        return image_layout(self._unit)


def is_inherited(name: str, own: Mapping[str, Any]) -> bool:
    """Tell whether a card of the primary unit holds for an image unit that does not have it.

    Its name does not; nor does a projection, of which parts would mix with those of the unit's own, but for
    the frame of its positions where the unit does not tell that.

    Parameters
    ----------
    name
        Name of the card.
    own
        Cards of the image unit.
    """
    if not is_wcs_card(name):
        return name != "EXTNAME"
    if any(own.get(key) is None for key in _OWN_WCS):
        return True
    return name in _FRAME and all(own.get(key) is None for key in _FRAME[name])


def _cards_of(unit: HduInfo) -> Mapping[str, Any]:
    return unit.values if unit.is_compressed else unit.cards


def _all_of(cards: Mapping[str, Any]) -> dict[str, Any]:
    return cards.all if isinstance(cards, CardValues) else dict(cards)


def _selected(cards: Mapping[str, Any], wanted: Callable[[str], object]) -> dict[str, Any]:
    if isinstance(cards, CardValues):
        return cards.select(wanted)
    return {name: value for name, value in cards.items() if wanted(name)}
