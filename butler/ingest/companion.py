"""CompanionRule: which file belongs to an exposure, by a pattern of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ..errors import IngestError
from .card_rule import groups_of

__all__ = ["CompanionRule", "QualityRule", "companion_path"]

_PLACE: Final = re.compile(r"\{(dir|name|stem|\d)\}")


class CompanionRule(BaseModel):
    """A file that lies beside an exposure's: its weight, variance, quality or PSF model.

    Parameters
    ----------
    file
        Its path: ``{dir}``, ``{name}`` and ``{stem}`` are directory, name and name without extension of the
        exposure's file, ``{1}``, ``{2}``, ... the groups of `pattern`; below the directory of the exposure if
        it is not absolute, and does not begin with ``{dir}``. The exposure's own file if not given.
    pattern
        Regular expression that the whole name of the exposure's file must match.
    extension
        EXTNAME of the unit in that file; if not given, the unit with the EXTNAME of the exposure's, or the
        only one.
    required
        Whether an exposure without such a file is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    pattern: str | None = None
    extension: str | None = None
    required: bool = True

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"file": given}
        if isinstance(given, Mapping | cls):
            return given
        raise ValueError(
            f"{given!r} is no path; write one, such as '{{stem}}.w.fits', or a rule with file or extension"
        )

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.file is None and self.extension is None:
            raise ValueError("give file or extension, or both")
        n_groups = 0 if self.pattern is None else groups_of(self.pattern)
        for place in _PLACE.findall(self.file or ""):
            if place.isdigit() and not 1 <= int(place) <= n_groups:
                raise ValueError(f"the file {self.file!r} names group {place}, the pattern has {n_groups}")
        return self

    def path_for(self, exposure: Path) -> Path:
        """Return the path of the file that belongs to an exposure's.

        Raises
        ------
        IngestError
            Raised if the name of the exposure's file does not match the pattern.
        """
        if self.file is None:
            return exposure
        return companion_path(self.file, exposure, self.pattern)


class QualityRule(CompanionRule):
    """The file of an exposure's quality image, and what its values mean.

    Parameters
    ----------
    codes
        Mask planes by value: each pixel has one of them.
    bits
        Mask planes by bit number: values are sums of bits.
    unlisted
        Plane of pixels with a value, or a bit, that is not listed and not 0; empty to let them pass as good.
    """

    codes: dict[int, tuple[str, ...]] = {}
    bits: dict[int, tuple[str, ...]] = {}
    unlisted: str = "BAD"

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for table in ("codes", "bits"):
            if isinstance(given.get(table), dict):
                planes = {k: (v,) if isinstance(v, str) else v for k, v in given[table].items()}
                given = {**given, table: planes}
        return given

    @model_validator(mode="after")
    def _one_table(self) -> Self:
        if bool(self.codes) == bool(self.bits):
            raise ValueError("give codes (each value has a meaning) or bits (each bit has one)")
        if not all(0 <= bit < 32 for bit in self.bits):
            raise ValueError(f"bits are numbered from 0 to 31, not {', '.join(map(str, self.bits))}")
        names = [name for planes in (self.codes or self.bits).values() for name in planes]
        for name in [*names, *([self.unlisted] if self.unlisted else [])]:
            if not re.fullmatch(r"[A-Z0-9_-]{1,60}", name):
                raise ValueError(f"a mask plane is named with capital letters, digits, _ and -, not {name!r}")
        return self


def companion_path(template: str, exposure: Path, pattern: str | None = None) -> Path:
    """Return the path that a template gives for an exposure's file.

    Parameters
    ----------
    template, pattern
        See `CompanionRule`.
    exposure
        The exposure's file.

    Raises
    ------
    IngestError
        Raised if the name of the file does not match the pattern.
    """
    places = {"dir": str(exposure.parent), "name": exposure.name, "stem": exposure.stem}
    if pattern is not None:
        match = re.fullmatch(pattern, exposure.name)
        if match is None:
            raise IngestError(f"the file name does not match {pattern!r}, by which its companion is found")
        places |= {str(i): part or "" for i, part in enumerate(match.groups(), 1)}
    path = Path(_PLACE.sub(lambda place: places[place[1]], template))
    return path if template.startswith("{dir}") else exposure.parent / path
