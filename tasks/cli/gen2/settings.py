"""Settings of ``-c`` and ``-C``: what they set, and to what."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from connections import ConfigError, Override, Pipeline, read_overrides

__all__ = ["Setting", "overrides_for", "read_settings"]


@dataclass(frozen=True)
class Setting:
    """One setting of a command line.

    Parameters
    ----------
    field
        Path of the field.
    value
        A value from a file, or the text after ``NAME=``.
    is_text
        Whether it is such a text, which may stand for a literal.
    source
        Who sets it.
    """

    field: str
    value: Any
    is_text: bool
    source: str

    def literal(self) -> Any:
        """Return the value that a text stands for; a text that is no literal stands for itself."""
        try:
            return ast.literal_eval(self.value) if self.is_text else self.value
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return self.value


def read_settings(edits: Iterable[tuple[str, str]]) -> list[Setting]:
    """Read the words of ``-c`` and ``-C``, in order.

    Parameters
    ----------
    edits
        Pairs of ``config`` and ``NAME=VALUE``, or ``config_file`` and the path of a file.

    Raises
    ------
    UsageError
        Raised for a word of another form.
    ConfigError
        Raised if a file cannot be read.
    """
    settings = []
    for kind, word in edits:
        if kind == "config_file":
            found = read_overrides(Path(word))
            settings += [Setting(entry.field, entry.value, False, entry.source) for entry in found]
            continue
        field, _, text = word.partition("=")
        if not (field and text):
            raise click.UsageError(f"after -c write NAME=VALUE, not {word!r}")
        settings.append(Setting(field, text, True, f"-c {word}"))
    return settings


def overrides_for(pipeline: Pipeline, settings: Sequence[Setting]) -> dict[str, list[Override]]:
    """Return settings by label of a task.

    A name belongs to the first task, unless it begins with the label of another one. A text is taken as it
    is if the field takes it, and as a literal otherwise.

    Parameters
    ----------
    pipeline
        The tasks, with their own settings.
    settings
        What comes after those, in order.

    Raises
    ------
    ConfigError
        Raised if a field does not exist or a value does not fit.
    """
    configs = {node.label: node.config for node in pipeline.nodes}
    overrides: dict[str, list[Override]] = {label: [] for label in configs}
    first = pipeline.nodes[0].label
    for setting in settings:
        head, _, rest = setting.field.partition(".")
        label, field = (head, rest) if rest and head in configs else (first, setting.field)
        value = setting.value
        try:
            updated = configs[label].updated({field: value})
        except ConfigError as error:
            value = setting.literal()
            if value is setting.value:
                raise ConfigError(f"{error} (set by {setting.source})") from error
            try:
                updated = configs[label].updated({field: value})
            except ConfigError as other:
                raise ConfigError(f"{other} (set by {setting.source})") from other
        configs[label] = updated
        overrides[label].append(Override(field, value, setting.source))
    return overrides
