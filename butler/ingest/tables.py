"""Tables beside the exposures: zero points by exposure, and reference stars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..errors import IngestError, did_you_mean
from .card_rule import CardRule

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ReferenceCatalogRule", "ZeroPointRule", "ZeroPoints", "read_reference_catalog"]

_KINDS: Final = frozenset({"ascii.csv", "ascii.ecsv", "fits"})
"""Tables that can be read, by astropy's names; others may need packages that are not there."""


class ZeroPointRule(BaseModel):
    """Where zero points stand in a table (CSV, ECSV or FITS).

    Parameters
    ----------
    file
        Path of the table, with places as of `CompanionRule`; if not given, it comes with the call.
    column
        Column of the AB magnitude of one count.
    keys
        Columns that tell which exposure and detector a row is of, and what they equal in its header.
    per_second
        Whether the magnitude is that of one count per second.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    column: str
    keys: Annotated[dict[str, CardRule], Field(min_length=1)]
    per_second: bool = False

    def key_of(self, cards: Mapping[str, Any], file_name: str) -> tuple[str, ...]:
        """Return what the keys of a header's row equal.

        Raises
        ------
        IngestError
            Raised if the header lacks one.
        """
        found = []
        for column, rule in self.keys.items():
            try:
                found.append(_text(rule.find(cards, file_name)))
            except LookupError as error:
                raise IngestError(f"no key {column} of the zero point table: {error}") from error
        return tuple(found)


class ReferenceCatalogRule(BaseModel):
    """The columns of a catalog of stars (CSV, ECSV or FITS).

    Parameters
    ----------
    file
        Path of the catalog, with places as of `CompanionRule`; if not given, it comes with the call.
    ra, dec
        Columns of ICRS degrees.
    magnitudes, errors
        Columns of AB magnitudes and their errors, by band.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    ra: str = "ra"
    dec: str = "dec"
    magnitudes: Annotated[dict[str, str], Field(min_length=1)]
    errors: dict[str, str] = {}


class ZeroPoints:
    """The zero points of a table, by exposure and detector.

    Parameters
    ----------
    values
        Magnitudes by what the key columns say.
    source
        What to call the table in messages.
    """

    def __init__(self, values: Mapping[tuple[str, ...], float], source: str) -> None:
        self._values = values
        self._source = source

    @classmethod
    def load(cls, path: Path, rule: ZeroPointRule) -> Self:
        """Read a table.

        Raises
        ------
        IngestError
            Raised if it cannot be read, lacks a column, or says two things of one exposure.
        """
        table = _read_table(path, "table of zero points", [rule.column, *rule.keys])
        keys = zip(*([_text(value) for value in table[name]] for name in rule.keys), strict=True)
        values: dict[tuple[str, ...], float] = {}
        for key, magnitude in zip(keys, _numbers(table, rule.column, path), strict=True):
            if math.isfinite(magnitude) and values.setdefault(key, magnitude) != magnitude:
                raise IngestError(f"{path} has two zero points of {_told(rule.keys, key)}")
        return cls(values, str(path))

    def find(self, rule: ZeroPointRule, key: tuple[str, ...], exposure_time: float) -> float:
        """Return the AB magnitude of one count in the whole exposure.

        Raises
        ------
        IngestError
            Raised if the table does not have it.
        """
        magnitude = self._values.get(key, math.nan)
        if not math.isfinite(magnitude):
            raise IngestError(f"{self._source} has no zero point of {_told(rule.keys, key)}")
        if rule.per_second:
            if exposure_time <= 0:
                raise IngestError("a zero point per second needs an exposure time of more than 0 s")
            magnitude += 2.5 * math.log10(exposure_time)
        return magnitude


def read_reference_catalog(path: Path, rule: ReferenceCatalogRule) -> Table:
    """Read a catalog of stars.

    Parameters
    ----------
    path
        The file.
    rule
        Its columns.

    Returns
    -------
    catalog
        ``coord_ra`` and ``coord_dec`` (ICRS degrees), and for each band ``<band>_mag`` and ``<band>_magErr``
        (AB; NaN where not known).

    Raises
    ------
    IngestError
        Raised if it cannot be read or lacks a column.
    """
    wanted = [rule.ra, rule.dec, *rule.magnitudes.values(), *rule.errors.values()]
    table = _read_table(path, "reference catalog", wanted)
    from astropy.table import Table

    catalog = Table()
    catalog["coord_ra"] = _numbers(table, rule.ra, path)
    catalog["coord_dec"] = _numbers(table, rule.dec, path)
    for column, name in (("coord_ra", rule.ra), ("coord_dec", rule.dec)):
        if not np.all(np.isfinite(catalog[column])):
            raise IngestError(f"{path}: the column {name} has rows that are no numbers")
        catalog[column].unit = "deg"
    if np.any(np.abs(catalog["coord_dec"]) > 90.0):
        raise IngestError(f"{path}: the column {rule.dec} has declinations beyond 90 degrees")
    for band, name in rule.magnitudes.items():
        catalog[f"{band}_mag"] = _numbers(table, name, path)
        error = rule.errors.get(band)
        catalog[f"{band}_magErr"] = (
            np.full(len(table), np.nan) if error is None else _numbers(table, error, path)
        )
    return catalog


def _read_table(path: Path, what: str, columns: Iterable[str]) -> Table:
    """Read a table; refuse one that lacks a column."""
    from astropy.table import Table

    try:
        with path.open("rb"):
            kinds = Table.read.registry.identify_format("read", Table, str(path), None, [path], {})
        table = Table.read(path) if _KINDS.issuperset(kinds) and kinds else None
    except OSError as error:
        raise IngestError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    except (ValueError, TypeError, LookupError) as error:
        raise IngestError(f"cannot read the {what} {path}: {' '.join(str(error).split())}") from error
    if table is None:
        raise IngestError(f"cannot read the {what} {path}: its name must end in .csv, .ecsv or .fits")
    for column in columns:
        if column not in table.colnames:
            raise IngestError(
                f"the {what} {path} has no column {column!r}{did_you_mean(column, table.colnames)}"
            )
    return table


def _numbers(table: Table, column: str, path: Path) -> list[float]:
    """Return a column as numbers, NaN where it has none."""
    try:
        return [float(value) for value in np.ma.filled(np.ma.asarray(table[column], dtype=float), np.nan)]
    except (TypeError, ValueError) as error:
        raise IngestError(f"{path}: the column {column} has no numbers: {error}") from error


def _text(value: Any) -> str:
    """Return the text of a key: a whole number has no point, a text no blanks around it."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "replace")
    return str(int(plain) if isinstance(plain, float) and plain.is_integer() else plain).strip()


def _told(keys: Iterable[str], key: tuple[str, ...]) -> str:
    return ", ".join(f"{column}={value}" for column, value in zip(keys, key, strict=True))
