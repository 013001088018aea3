"""Archive: the tables in which LSST keeps the components of an exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import FileFormatError
from ..images import (
    ApCorrMap,
    Box2I,
    CcdInput,
    ChebyshevBoundedField,
    CoaddInputs,
    ExposureSummaryStats,
    FilterLabel,
    GaussianPsf,
    PhotoCalib,
    Polygon,
    Psf,
    VisitInput,
)
from .byte_source import ByteSource
from .fits_file import HduInfo, broken_file
from .fits_summary import read_summary

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["Archive", "read_table"]

_COMPONENTS: Final = {
    "psf": "PSF",
    "photoCalib": "PHOTOCALIB",
    "filter": "FILTER",
    "validPolygon": "VALID_POLYGON",
    "apCorrMap": "AP_CORR_MAP",
    "coaddInputs": "COADD_INPUTS",
    "wcs": "SKYWCS",
    "detector": "DETECTOR",
    "transmissionCurve": "TRANSMISSION_CURVE",
    "summaryStats": "SUMMARYSTATS",
}
"""Names by which headers point to components."""


def read_table(source: ByteSource, hdu: HduInfo) -> Any:
    """Return a binary table with its rows; only its own bytes are read.

    Raises
    ------
    FileFormatError
        Raised if the unit is no table, or a broken one.
    """
    from astropy.io import fits

    if hdu.cards.get("XTENSION") != "BINTABLE" or not hdu.data_size:
        raise FileFormatError(f"a unit of {source} that must be a table is none")
    with broken_file(source):
        [data] = source.read_ranges([(hdu.offset, hdu.offset + hdu.data_size)])
        header = hdu.header.tostring().encode("ascii")
        padding = bytes(-len(data) % 2880)
        table = fits.BinTableHDU.fromstring(b"".join([header, data, padding]))
        # Broken columns are found when the rows are first touched.
        table.data.columns  # noqa: B018
        return table


class Archive:
    """Objects by number, each some rows of tables (layout versions 0 to 2 of afw).

    Parameters
    ----------
    source
        The file.
    hdus
        Its units.
    values
        Cards that say where the index is, and which number a component has.
    """

    def __init__(self, source: ByteSource, hdus: Sequence[HduInfo], values: Mapping[str, Any]) -> None:
        self._source = source
        self._hdus = hdus
        self._values = values
        self._tables: dict[int, Any] = {}

    def number_of(self, component: str) -> int:
        """Return the number of a component; 0 if the file does not have it."""
        name = _COMPONENTS.get(component, component.upper())
        number = self._values.get(f"ARCHIVE_ID_{name}", self._values.get(f"{name}_ID", 0))
        is_there = self._index_number() > 0 and isinstance(number, int)
        return number if is_there else 0

    def component(self, component: str) -> Any:
        """Return a component, None if the file does not have it.

        Raises
        ------
        FileFormatError
            Raised if it is there but cannot be read.
        """
        number = self.number_of(component)
        if not number:
            return None
        with broken_file(self._source):
            reader = getattr(self, f"_read_{component}", None)
            if reader is None:
                raise FileFormatError(f"the {component} of {self._source} is for LSST's software only")
            return reader(number)

    def _index_number(self) -> int:
        number = self._values.get("AR_HDU", 0)
        return number - 1 if isinstance(number, int) and number > 1 else 0

    def _table(self, number: int) -> Any:
        if number not in self._tables:
            if not 0 < number < len(self._hdus):
                raise FileFormatError(f"the archive of {self._source} names a missing unit {number}")
            self._tables[number] = read_table(self._source, self._hdus[number])
        return self._tables[number]

    def _entries(self, number: int) -> list[Any]:
        """Return the rows of the index that belong to an object, in their order."""
        index = self._table(self._index_number()).data
        found = index[index["id"] == number]
        if not len(found):
            raise FileFormatError(f"the archive of {self._source} has no object {number}")
        return list(found[np.argsort(found["cat.persistable"], kind="stable")])

    def _rows(self, number: int, *names: str, part: int = 0) -> tuple[Any, Any]:
        """Return the rows of an object in one of its tables, and the table's header.

        Parameters
        ----------
        number
            Number of the object.
        *names
            Classes of which it may be.
        part
            Which of its tables is meant.
        """
        entry = self._entries(number)[part]
        kind = str(entry["name"]).strip()
        if kind not in names:
            raise FileFormatError(f"object {number} of {self._source} is a {kind}, which only LSST reads")
        table = self._table(self._index_number() + int(entry["cat.archive"]))
        first, n_rows = int(entry["row0"]), int(entry["nrows"])
        if first < 0 or n_rows < 1 or first + n_rows > len(table.data):
            raise FileFormatError(f"object {number} of {self._source} has rows that are not there")
        return table.data[first : first + n_rows], table.header

    def _read_filter(self, number: int) -> FilterLabel:
        [row], header = self._rows(number, "FilterLabel")
        band = _text(row["band"]) if _flag(row, header, "band_exists") else ""
        return FilterLabel(band, _text(row["physical"]) if _flag(row, header, "physical_exists") else None)

    def _read_photoCalib(self, number: int) -> PhotoCalib:
        [row], header = self._rows(number, "PhotoCalib")
        mean, error = float(row["calibrationMean"]), float(row["calibrationErr"])
        if _flag(row, header, "isConstant"):
            return PhotoCalib(mean, error)
        return PhotoCalib(mean, error, self._field(int(row["field"])))

    def _field(self, number: int) -> ChebyshevBoundedField:
        [row], _ = self._rows(number, "ChebyshevBoundedField")
        coefficients = np.asarray(row["coefficients"], dtype=float)
        return ChebyshevBoundedField(_box(row), coefficients.reshape(-1, int(row["order_x"]) + 1))

    def _read_validPolygon(self, number: int) -> Polygon:
        rows, _ = self._rows(number, "Polygon")
        return Polygon(tuple(zip(rows["vertices_x"].tolist(), rows["vertices_y"].tolist(), strict=True)))

    def _read_apCorrMap(self, number: int) -> ApCorrMap:
        rows, _ = self._rows(number, "ApCorrMap")
        return ApCorrMap({_text(row["name"]): self._field(int(row["field"])) for row in rows})

    def _read_summaryStats(self, number: int) -> ExposureSummaryStats:
        [row], _ = self._rows(number, "ExposureSummaryStats")
        return read_summary({name: row[name] for name in row.array.names})

    def _read_psf(self, number: int) -> Psf:
        [row], _ = self._rows(number, "GaussianPsf")
        return GaussianPsf(float(row["sigma"]))

    def _read_coaddInputs(self, number: int) -> CoaddInputs:
        visits, _ = self._rows(number, "CoaddInputs")
        ccds = self._rows(number, "CoaddInputs", part=1)[0] if len(self._entries(number)) > 1 else ()
        return CoaddInputs(
            tuple(VisitInput(int(row["id"]), **_input(row)) for row in visits),
            tuple(
                CcdInput(
                    visit=int(row["visit"]),
                    ccd=int(row["ccd"]),
                    wcs=None,
                    psf=self._readable_psf(int(row["psf"])),
                    validPolygon=self._vertices(int(row["validPolygon"])),
                    **_input(row),
                )
                for row in ccds
            ),
        )

    def _readable_psf(self, number: int) -> Psf | None:
        try:
            return self._read_psf(number) if number else None
        except FileFormatError:
            # Most are of classes that only LSST reads.
            return None

    def _vertices(self, number: int) -> tuple[tuple[float, float], ...]:
        return self._read_validPolygon(number).vertices if number else ()


def _input(row: Any) -> dict[str, Any]:
    """Return the fields that visits and detector images share."""
    return {
        "bbox": _box(row),
        "goodpix": int(row["goodpix"]),
        "weight": float(row["weight"]),
        "filter": _text(row["filter"]) if "filter" in row.array.names else "",
    }


def _box(row: Any) -> Box2I:
    """Return the box of a row; its corners are inclusive."""
    corners = [int(row[f"bbox_{end}_{axis}"]) for end in ("min", "max") for axis in "xy"]
    return Box2I.from_corners((corners[0], corners[1]), (corners[2], corners[3]))


def _text(value: Any) -> str:
    """Return a text of fixed length, or one of variable length, which is an array of characters."""
    letters = value if isinstance(value, str) else "".join(np.asarray(value).astype(str).ravel())
    return letters.rstrip(" \0")


def _flag(row: Any, header: fits.Header, name: str) -> bool:
    """Return a bit of the flags that share one column."""
    bits = {str(card.value).strip(): int(card.keyword[5:]) for card in header["TFLAG*"].cards}
    return bool(np.atleast_1d(row["flags"])[bits[name] - 1])
