"""Data IDs on the command line: ``visit=2..5 band=g,r``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, Final

import click

__all__ = ["parse_choices", "parse_data_id", "parse_terms", "parse_value", "query_conditions"]

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


def parse_choices(words: Iterable[str]) -> dict[str, Collection[Any]]:
    """Read which values data IDs may have, by dimension: ranges stay ranges.

    Parameters
    ----------
    words
        As for `parse_terms`.

    Raises
    ------
    UsageError
        Raised for a value that cannot be, or a range with steps of 0.
    """
    choices: dict[str, Collection[Any]] = {}
    for key, texts in parse_terms(words).items():
        parts = [_choice(key, text) for text in texts]
        choices[key] = parts[0] if len(parts) == 1 else set().union(*parts)
    return choices


def _choice(key: str, text: str) -> Collection[Any]:
    match = _RANGE.fullmatch(text) if _is_integer(key) else None
    if match is None:
        return {parse_value(key, text)}
    step = int(match[3] or 1)
    if step == 0:
        raise click.UsageError(f"{text!r} has steps of 0")
    return range(int(match[1]), int(match[2]) + 1, step)


def query_conditions(words: Iterable[str], where: str) -> list[str | dict[str, Any]]:
    """Return what ``Query.where`` takes for a data ID with ranges and lists, and a condition.

    Parameters
    ----------
    words
        As for `parse_terms`.
    where
        Expression, may be empty; stays as it is, so that an error tells its place in it.
    """
    data_id: dict[str, Any] = {}
    conditions: list[str | dict[str, Any]] = []
    for key, texts in parse_terms(words).items():
        is_range = _is_integer(key) and any(_RANGE.fullmatch(text) for text in texts)
        if len(texts) == 1 and not is_range:
            data_id[key] = parse_value(key, texts[0])
        else:
            conditions.append(f"{key} IN ({', '.join(_item(key, text) for text in texts)})")
    return [data_id, *conditions, where]


def _item(key: str, text: str) -> str:
    """Return a value as it is written in a list of the expression language."""
    if _is_integer(key):
        return text if _RANGE.fullmatch(text) else str(parse_value(key, text))
    if "'" in text or not text.isprintable():
        raise click.UsageError(f"a list of values cannot hold {text!r}; ask for it alone")
    return f"'{text}'"


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
