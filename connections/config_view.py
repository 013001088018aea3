"""Views of the configs of a pipeline: each field, its value, and who set it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from .overrides import flat_fields, settings_of
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode

__all__ = ["config_lines", "history_lines"]


def config_lines(pipeline: Pipeline, pattern: str = "*") -> list[str]:
    """Return a line for each field: ``label:field = value``, and who set it unless it has its default.

    Parameters
    ----------
    pipeline
        The pipeline.
    pattern
        Glob that field paths fit, or ``LABEL::GLOB`` for one task; case matters if it ends in
        ``:NOIGNORECASE``, as in LSST.
    """
    lines = []
    for node, field, value in _fields(pipeline, pattern):
        sources = [override.source for override in settings_of(node.history, field)]
        told = f"  # {sources[-1]}" if sources else ""
        lines.append(f"{node.label}:{field} = {value!r}{told}")
    return lines


def history_lines(pipeline: Pipeline, pattern: str) -> list[str]:
    """Return all values that each field was given, with who gave them, the last one holding.

    See `config_lines` for the pattern.
    """
    lines = []
    for node, field, value in _fields(pipeline, pattern):
        lines.append(f"{node.label}:{field} = {value!r}")
        default = getattr(type(node.config)(), field, None) if "." not in field else None
        if default is not None:
            lines.append(f"  {default!r}  # default")
        lines += [
            f"  {override.value!r}  # {override.source}" for override in settings_of(node.history, field)
        ]
    return lines


def _fields(pipeline: Pipeline, pattern: str) -> Iterator[tuple[PipelineTaskNode, str, Any]]:
    """Yield tasks, fields and values that fit a pattern."""
    pattern, flag, _ = pattern.partition(":NOIGNORECASE")
    label, colons, glob = pattern.rpartition("::")
    glob = glob.removeprefix("config.")
    for node in pipeline.nodes:
        if colons and node.label != label:
            continue
        for field, value in flat_fields(node.config.to_simple()):
            fits = fnmatchcase(field, glob) if flag else fnmatchcase(field.lower(), glob.lower())
            if fits:
                yield node, field, value
