"""ConfigRecord: what a run keeps of the config of a task, and how two of them differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic_core import to_jsonable_python

from .overrides import Override, flat_fields, settings_of
from .pipeline_node import PipelineTaskNode

__all__ = ["ConfigRecord"]

_TOLERANCE: Final = 1e-8
"""Relative and absolute difference of numbers that are still the same, as in LSST."""
_ABSENT: Final = "(no such field)"


@dataclass(frozen=True)
class ConfigRecord:
    """The config of a task as the dataset ``LABEL_config`` keeps it.

    Parameters
    ----------
    label
        Name of the task within the pipeline.
    task
        The class, ``package.module:Class``.
    config
        Plain values of its fields.
    history
        The settings that made them of the defaults, in order.
    """

    label: str
    task: str
    config: Mapping[str, Any]
    history: tuple[Override, ...] = ()

    @classmethod
    def of(cls, node: PipelineTaskNode) -> Self:
        """Return the record of a task of a pipeline."""
        return cls(node.label, node.task_class_name, node.config.to_simple(), node.history)

    @classmethod
    def from_simple(cls, label: str, values: Mapping[str, Any]) -> Self:
        """Return the record that a dataset holds."""
        history = (Override(o["field"], o["value"], o["source"]) for o in values.get("history", ()))
        return cls(label, values["task"], values["config"], tuple(history))

    def to_simple(self) -> dict[str, Any]:
        """Return plain values for the dataset."""
        history = [{"field": o.field, "value": o.value, "source": o.source} for o in self.history]
        return {
            "task": self.task,
            "config": dict(self.config),
            "history": to_jsonable_python(history, fallback=str),
        }

    def differences(self, now: ConfigRecord, run: str) -> list[str]:
        """Return lines for each field that another record has otherwise; none if they are the same.

        Parameters
        ----------
        now
            The record to compare with; this one is what the run has.
        run
            Name of the run.
        """
        lines = []
        if self.task != now.task:
            lines += [f"{self.label}: {now.task}", f"  {self.task}  # in {run}"]
        old, new = dict(flat_fields(self.config)), dict(flat_fields(now.config))
        for field in dict.fromkeys([*old, *new]):
            if field in old and field in new and _same(old[field], new[field]):
                continue
            lines.append(f"{self.label}:{field} = {_told(new, field)}")
            lines.append(f"  {_told(old, field)}  # in {run}, {self._who_set(field)}")
            lines.append(f"  {_told(new, field)}  # {now._who_set(field)}")
        return lines

    def _who_set(self, field: str) -> str:
        settings = settings_of(self.history, field)
        return settings[-1].source if settings else "default"


def _told(values: Mapping[str, Any], field: str) -> str:
    return repr(values[field]) if field in values else _ABSENT


def _same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are the same, numbers up to rounding."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and (
            one == other
            or (math.isnan(one) and math.isnan(other))
            or abs(one - other) <= _TOLERANCE + _TOLERANCE * abs(other)
        )
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
