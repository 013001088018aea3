"""IdOption: the data IDs of one ``--id`` or ``--selectId``, as they are typed."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import click

__all__ = ["IdOption", "Value"]

Value: TypeAlias = str | range
"""A text, or integers from the first to the last."""

_RANGE: Final = re.compile(r"(\d+)\.\.(\d+)(?::(\d+))?", re.ASCII)


@dataclass(frozen=True)
class IdOption:
    """The data IDs of one option: every combination of the values of its keys.

    Parameters
    ----------
    option
        ``--id`` or ``--selectId``.
    values
        Values by key, in the order in which they were typed; without any key there is one data ID, which is
        empty and stands for everything.
    """

    option: str
    values: Mapping[str, tuple[Value, ...]]

    @classmethod
    def parse(cls, option: str, words: Sequence[str], options: Collection[str] = ()) -> Self:
        """Read ``KEY=VALUE[^VALUE...]`` words; ``1..9:2`` is a range that includes its ends.

        Parameters
        ----------
        option
            The option that the words follow.
        words
            The words; commas are part of a value.
        options
            All options, to tell a word that has run into one.

        Raises
        ------
        UsageError
            Raised for a word of another form, a key that is there twice, or a range without any number.
        """
        values: dict[str, tuple[Value, ...]] = {}
        for word in words:
            _refuse_joined(word, options)
            key, _, text = word.partition("=")
            if not key or not all(parts := text.split("^")):
                raise click.UsageError(f"after {option} write KEY=VALUE or KEY=VALUE^VALUE, not {word!r}")
            if key in values:
                raise click.UsageError(
                    f"{option} has {key} twice; join values by ^ ({key}=1^2), or write another {option}"
                )
            values[key] = tuple(_value(part, word) for part in parts)
        return cls(option, values)

    def __str__(self) -> str:
        texts = (f"{key}={'^'.join(map(_shown, values))}" for key, values in self.values.items())
        return " ".join([self.option, *texts])

    def count(self) -> int:
        """Return the number of data IDs."""
        return math.prod(
            sum(len(value) if isinstance(value, range) else 1 for value in values)
            for values in self.values.values()
        )

    def expanded(self) -> Iterator[dict[str, str | int]]:
        """Yield the data IDs; the values of the last key change fastest."""
        each = (
            [item for value in values for item in (value if isinstance(value, range) else (value,))]
            for values in self.values.values()
        )
        for combination in itertools.product(*each):
            yield dict(zip(self.values, combination, strict=True))


def _refuse_joined(word: str, options: Collection[str]) -> None:
    """Refuse ``ccd=100--selectId``, where the blank before the next option is missing."""
    value, dashes, name = word.partition("--")
    if dashes and f"--{name}" in options:
        raise click.UsageError(f"a blank is missing in {word!r}: write '{value} --{name}'")


def _value(text: str, word: str) -> Value:
    found = _RANGE.fullmatch(text)
    if found is None:
        return text
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if last < first or step == 0:
        raise click.UsageError(f"the range {text} in {word!r} is empty; write it as 1..9 or 1..9:2")
    return range(first, last + 1, step)


def _shown(value: Value) -> str:
    if isinstance(value, str):
        return value
    step = f":{value.step}" if value.step > 1 else ""
    return f"{value.start}..{value.stop - 1}{step}"
