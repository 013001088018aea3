"""Catalogs of objects to be masked: ECSV tables, or region files of ds9."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from astropy.table import Table

from ..errors import FileFormatError
from .table import TableFormatter

__all__ = ["ObjectMaskFormatter"]

_SHAPES: Final = {"circle": (3, "ra, dec, radius"), "box": (5, "ra, dec, width, height, angle")}
_SHAPE: Final = re.compile(
    r"\s*(?P<shape>[a-z]+)\s*\((?P<numbers>[^)]*)\)\s*(?:#(?P<comment>.*))?", re.IGNORECASE
)
_LABEL: Final = re.compile(r"\b(id|mag)\s*[:=]\s*([^\s,]+)", re.IGNORECASE)
_UNITS: Final = {"": 1.0, "d": 1.0, "'": 1 / 60, '"': 1 / 3600}
_SYSTEMS: Final = frozenset({"fk5", "icrs", "j2000"})
_IGNORED: Final = ("#", "global", "wcs")


class ObjectMaskFormatter(TableFormatter):
    """Circles and boxes on the sky: read from ECSV or from a ds9 region file, written as ECSV.

    The columns are ``type`` (``circle`` or ``box``), ``ra``, ``dec``, ``radius``, ``width``, ``height`` and
    ``angle`` (degrees; NaN where a shape has none), ``id`` (-1 if it has none) and ``mag`` (NaN likewise).
    """

    name: ClassVar[str] = "ObjectMask"

    def read_whole(self, path: Path) -> Table:
        """Read a catalog."""
        with path.open("rb") as stream:
            begin = stream.read(64)
        if begin.startswith(b"# %ECSV"):
            return super().read_whole(path)
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{path} is neither an ECSV table nor a region file: {error}") from error
        rows = [
            row
            for number, line in enumerate(text.splitlines(), start=1)
            for row in _parse(path, number, line)
        ]
        types: dict[str, Any] = {"type": str, "id": np.int64}
        names = ("type", "ra", "dec", "radius", "width", "height", "angle", "id", "mag")
        table = Table({name: np.array([row[name] for row in rows], types.get(name, float)) for name in names})
        for name in names[1:7]:
            table[name].unit = "deg"
        return table


def _parse(path: Path, number: int, line: str) -> list[dict[str, Any]]:
    """Return the shapes of a line, which may be none."""
    found = []
    for part in _statements(line):
        word = part.strip().lower()
        if not word or word.startswith(_IGNORED) or word in _SYSTEMS:
            continue
        match = _SHAPE.fullmatch(part)
        if match is None or match["shape"].lower() not in _SHAPES:
            raise FileFormatError(
                f"{path}, line {number}: {part.strip()!r} is no circle(ra, dec, radius) nor box(ra, dec, "
                f"width, height, angle), and no coordinate system of {', '.join(sorted(_SYSTEMS))}"
            )
        found.append(_shape(f"{path}, line {number}", match))
    return found


def _statements(line: str) -> list[str]:
    """Split a line at its semicolons, but for those in a comment."""
    statement, mark, comment = line.partition("#")
    parts = statement.split(";")
    return [*parts[:-1], parts[-1] + mark + comment]


def _shape(where: str, match: re.Match[str]) -> dict[str, Any]:
    shape = match["shape"].lower()
    count, wanted = _SHAPES[shape]
    words = match["numbers"].replace(",", " ").split()
    try:
        numbers = [float(word.rstrip("d'\"")) * _UNITS[word[len(word.rstrip("d'\"")) :]] for word in words]
    except (ValueError, KeyError):
        raise FileFormatError(f"{where}: {match['numbers']!r} are not numbers in degrees, ' or \"") from None
    if shape == "box" and len(numbers) == count - 1:
        numbers.append(0.0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise FileFormatError(f"{where}: a {shape} has {wanted}, not {match['numbers']!r}")
    row = {
        "type": shape,
        **dict.fromkeys(("radius", "width", "height", "angle"), np.nan),
        "id": -1,
        "mag": np.nan,
    }
    row |= dict(zip(wanted.split(", "), numbers, strict=True))
    for key, text in _LABEL.findall(match["comment"] or ""):
        try:
            row[key.lower()] = int(text) if key.lower() == "id" else float(text)
        except ValueError:
            raise FileFormatError(f"{where}: {key} is {text!r}, not a number") from None
    return row
