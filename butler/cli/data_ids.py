"""Data IDs on the command line: ``visit=2..5 band=g,r``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

__all__ = ["data_id_condition", "parse_data_id", "parse_terms", "parse_value"]

_RANGE: Final = re.compile(r"([+-]?\d+)\.\.([+-]?\d+)(?::(\d+))?")


def parse_terms(words: Iterable[str]) -> dict[str, list[str]]:
    """Read ``key=value`` words.

    Parameters
    ----------
    words
        Each ``key=value``; a comma begins another value, or another key if an equals sign follows:
        ``tract=1,patch=2..5,9``.

    Returns
    -------
    values
        Texts by dimension.

    Raises
    ------
    UsageError
        Raised for a word of another form.
    DimensionNameError
        Raised for a key that is no dimension.
    """
    from ..dimensions import UNIVERSE

    terms: dict[str, list[str]] = {}
    for word in words:
        key = ""
        for part in word.split(","):
            name, equals, value = part.partition("=")
            if equals:
                key = UNIVERSE[name.strip()].name
            text = (value if equals else name).strip().strip("'\"")
            if not key or not text:
                raise click.UsageError(f"write the data ID as key=value, not {word!r}")
            terms.setdefault(key, []).append(text)
    return terms


def parse_data_id(words: Iterable[str]) -> dict[str, Any]:
    """Read the data ID of one dataset; values of integer dimensions become integers."""
    values = {}
    for key, texts in parse_terms(words).items():
        if len(texts) > 1:
            raise click.UsageError(f"{key} needs one value here, not {', '.join(texts)}")
        values[key] = parse_value(key, texts[0])
    return values


def data_id_condition(words: Sequence[str], where: str) -> tuple[str, dict[str, Any]]:
    """Join a data ID with ranges and lists, and a condition.

    Parameters
    ----------
    words
        As for `parse_terms`.
    where
        Expression, may be empty.

    Returns
    -------
    where, bind
        One expression, and the values for the ``:names`` in it.
    """
    terms: list[str] = []
    bind: dict[str, Any] = {}
    for key, texts in parse_terms(words).items():
        items = []
        for text in texts:
            if _is_integer(key) and _RANGE.fullmatch(text):
                items.append(text)
            else:
                name = f"given_{len(bind)}"
                bind[name] = parse_value(key, text)
                items.append(f":{name}")
        terms.append(f"{key} IN ({', '.join(items)})")
    if terms and where.strip():
        terms.append(f"({where})")
    return (" AND ".join(terms) or where), bind


def _is_integer(key: str) -> bool:
    from ..dimensions import UNIVERSE

    definition = UNIVERSE[key].key
    return definition is not None and definition.type is int


def parse_value(key: str, text: str) -> int | str:
    """Return a value of a dimension: an integer, or the text itself.

    Raises
    ------
    UsageError
        Raised if it must be an integer and is none.
    """
    if not _is_integer(key):
        return text
    try:
        return int(text)
    except ValueError:
        raise click.UsageError(f"{key} needs an integer, or a range as 2..5, not {text!r}") from None
