"""CardRule: where one quantity of a header comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ..errors import did_you_mean
from .translation import QUANTITIES, TRANSLATED

__all__ = ["CardRule", "Scalar"]

Scalar = str | int | float

_PART: Final = re.compile(r"\{([A-Z0-9_-]+(?: [A-Z0-9_-]+)*)(?::0(\d{1,2}))?\}")
"""A card in a text, with the digits that its number is filled up to."""
_SOURCES: Final = ("card", "text", "file", "value", "translated")


class CardRule(BaseModel):
    """Where one quantity comes from; exactly one of card, text, file, value and translated is given.

    Parameters
    ----------
    card
        Header card, or several, of which the first that has a value counts.
    text
        Cards in braces put together, for example ``{RAFTBAY}_{CCDSLOT}`` or ``{RUN}{FRAME:04}``.
    file
        Regular expression with one group, searched in the file name.
    value
        Fixed value.
    translated
        What astro_metadata_translator makes of the header under this name.
    pattern
        Regular expression searched in what was found; its groups, put together, take its place.
    map
        Replacements for what was found, by its text.
    optional
        Whether the quantity may be missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: str | tuple[str, ...] | None = None
    text: str | None = None
    file: str | None = None
    value: Scalar | None = None
    translated: str | None = None
    pattern: str | None = None
    map: dict[str, Scalar] = {}
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"card": given}
        if isinstance(given, Mapping | cls):
            return given
        how = f"{{card: {given}}} for the first of several cards" if isinstance(given, list) else ""
        raise ValueError(
            f"{given!r} is neither the name of a card nor a rule; write "
            f"{how or f'{{value: {given}}} for a fixed value'}"
        )

    @field_validator("map", mode="before")
    @classmethod
    def _keys_are_texts(cls, given: Any) -> Any:
        # YAML reads the numbers of filters as such.
        return {_text_of(key): value for key, value in given.items()} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(getattr(self, source) is not None for source in _SOURCES) != 1:
            raise ValueError("give exactly one of card, text, file, value and translated")
        if self.file is not None and (n_groups := groups_of(self.file)) != 1:
            raise ValueError(f"the file pattern {self.file!r} needs exactly one group, not {n_groups}")
        if self.pattern is not None and groups_of(self.pattern) == 0:
            raise ValueError(f"the pattern {self.pattern!r} needs a group: what is in brackets is taken")
        if self.text is not None and ("{" in _PART.sub("", self.text) or not _PART.search(self.text)):
            raise ValueError(
                f"the text {self.text!r} needs cards in braces, such as {{EXPNUM}} or {{RUN:06}}"
            )
        if self.translated is not None and self.translated not in QUANTITIES:
            raise ValueError(
                f"{self.translated!r} is not translated{did_you_mean(self.translated, QUANTITIES)}"
            )
        return self

    def find(self, cards: Mapping[str, Any], file_name: str) -> Any:
        """Return what the rule finds.

        Parameters
        ----------
        cards
            Header cards, with the translated quantities if the rule needs one.
        file_name
            Name of the file.

        Raises
        ------
        LookupError
            Raised with the reason if there is nothing.
        """
        found = self._source(cards, file_name)
        text = str(found).strip()
        if self.pattern is not None:
            match = re.search(self.pattern, text)
            if match is None:
                raise LookupError(f"{text!r} {self.told_source} does not match {self.pattern!r}")
            found = text = "".join(part or "" for part in match.groups())
        return self.map.get(text, text if isinstance(found, str) else found)

    def _source(self, cards: Mapping[str, Any], file_name: str) -> Any:
        if self.card is not None:
            return _first_card((self.card,) if isinstance(self.card, str) else self.card, cards)
        if self.text is not None:
            return _PART.sub(lambda part: _padded(part, cards), self.text)
        if self.file is not None:
            match = re.search(self.file, file_name)
            if match is None:
                raise LookupError(f"the file name does not match {self.file!r}")
            return match[1]
        if self.translated is not None:
            found = cards.get(TRANSLATED + self.translated)
            if found is None:
                raise LookupError(f"the header translation gives no {self.translated}")
            return found
        return self.value

    @property
    def told_source(self) -> str:
        """Where it comes from, in brackets, for messages."""
        if self.card is not None:
            return f"(card {self.card if isinstance(self.card, str) else ' or '.join(self.card)})"
        if self.text is not None:
            return f"(cards {self.text})"
        if self.file is not None:
            return "(from the file name)"
        return "(fixed value)" if self.translated is None else f"(translated {self.translated})"


def _text_of(key: Any) -> Any:
    """Return a whole number as text, anything else as it is."""
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else key


def groups_of(pattern: str) -> int:
    """Return the number of groups of a regular expression.

    Raises
    ------
    ValueError
        Raised if it is none.
    """
    try:
        return re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


class _NoCardError(LookupError):
    """No card has one of some names; similar ones are looked for when it is told, which takes long."""

    def __init__(self, names: tuple[str, ...], cards: Mapping[str, Any]) -> None:
        super().__init__(names)
        self._names = names
        self._cards = cards

    def __str__(self) -> str:
        hint = did_you_mean(self._names[0], [card for card in self._cards if not card.startswith(TRANSLATED)])
        return f"there is no card {' or '.join(self._names)}{hint}"


def _first_card(names: tuple[str, ...], cards: Mapping[str, Any]) -> Any:
    for name in names:
        if (found := cards.get(name)) not in (None, ""):
            return found
    raise _NoCardError(names, cards)


def _padded(part: re.Match[str], cards: Mapping[str, Any]) -> str:
    text = str(_first_card((part[1],), cards)).strip()
    return text.zfill(int(part[2])) if part[2] else text
