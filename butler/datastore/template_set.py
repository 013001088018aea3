"""TemplateSet: which path template a dataset gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ..datasets import DatasetRef, DatasetType
from ..dimensions import UNIVERSE
from ..errors import TemplateError
from .templates import FileTemplate

__all__ = ["TemplateSet"]

_DEFAULT: Final = FileTemplate()


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """Which template a dataset gets.

    Looked up by the name of its dataset type, its dimensions, its storage class, then ``default``; what an
    instrument has for itself goes before all that.

    Parameters
    ----------
    general
        Templates by key.
    by_instrument
        Templates by key, by instrument.
    """

    general: Mapping[str, FileTemplate] = field(default_factory=dict)
    by_instrument: Mapping[str, Mapping[str, FileTemplate]] = field(default_factory=dict)

    @classmethod
    def from_patterns(cls, patterns: Mapping[str, str | Mapping[str, str]]) -> TemplateSet:
        """Make templates of patterns.

        Parameters
        ----------
        patterns
            Patterns by the name of a dataset type, dimensions joined with ``+``, the name of a storage
            class, or ``default``; under ``instrument<NAME>`` the same for one instrument.

        Raises
        ------
        TemplateError
            Raised if one is wrong.
        """
        general: dict[str, FileTemplate] = {}
        by_instrument: dict[str, dict[str, FileTemplate]] = {}
        for key, value in patterns.items():
            section = re.fullmatch(r"instrument<(.+)>", key)
            if (section is None) != isinstance(value, str):
                raise TemplateError(f"templates: {key!r} must be a pattern, or instrument<NAME> a section")
            if isinstance(value, str):
                general[_lookup_key(key)] = FileTemplate(value)
            elif section is not None:
                own = {_lookup_key(inner): FileTemplate(pattern) for inner, pattern in value.items()}
                by_instrument[section[1]] = own
        return cls(general, by_instrument)

    def path_of(self, ref: DatasetRef, extension: str) -> str:
        """Return the path of a dataset; see `FileTemplate.format`."""
        keys = _keys(ref.datasetType)
        groups = [self.general]
        if self.by_instrument:
            groups.insert(0, self.by_instrument.get(str(ref.dataId.get("instrument")), {}))
        found = (group[key] for group in groups for key in keys if key in group)
        return next(found, _DEFAULT).format(ref, extension)


@lru_cache(maxsize=1024)
def _keys(dataset_type: DatasetType) -> tuple[str, ...]:
    """Return the keys under which templates for a dataset type are looked up, in this order."""
    name = dataset_type.nameAndComponent()[0]
    dimensions = "+".join(sorted(dataset_type.dimensions.names))
    return name, dimensions, dataset_type.storageClass_name, "default"


def _lookup_key(key: str) -> str:
    """Return a key; dimensions in one order, whatever they follow from."""
    named = [name for name in key.split("+") if name]
    return "+".join(sorted(UNIVERSE.conform(named).names)) if "+" in key else key
