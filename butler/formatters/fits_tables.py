"""PSFs, coadd inputs, polygons and smooth fields as FITS tables behind the three planes of an exposure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..errors import FileFormatError, StorageClassError
from ..images import (
    Box2I,
    CcdInput,
    ChebyshevBoundedField,
    CoaddInputs,
    CoaddPsf,
    Extent2I,
    GaussianPsf,
    KernelPsf,
    Point2I,
    Polygon,
    PolynomialPsf,
    Psf,
    PsfexPsf,
    SkyWcs,
    VisitInput,
)
from .fits_table_unit import Column, table_unit, text_column
from .fits_units import FitsUnit

__all__ = [
    "Row",
    "box_cells",
    "box_of_cells",
    "coadd_inputs_to_tables",
    "field_cells",
    "fields_to_table",
    "polygon_to_table",
    "psf_to_table",
    "read_coadd_inputs",
    "read_field",
    "read_fields",
    "read_polygon",
    "read_psf",
    "rows_to_table",
]

Row = Mapping[str, Any]


def psf_to_table(psf: Psf) -> FitsUnit:
    """Return the table of one PSF; a `CoaddPsf` is only named, it follows from the coadd inputs."""
    name = "CoaddPsf" if isinstance(psf, CoaddPsf) else None
    return rows_to_table("PSF", [_psf_row(psf) if name is None else {**_NO_PSF, "psf_class": name}])


def read_psf(table: Any, inputs: CoaddInputs | None, wcs: SkyWcs | None) -> Psf | None:
    """Return the PSF of a table.

    Parameters
    ----------
    table
        Data of the unit that `psf_to_table` made.
    inputs, wcs
        Those of the exposure, for a `CoaddPsf`.
    """
    row = table[0]
    if row["psf_class"] != "CoaddPsf":
        return _psf_from_row(row)
    if inputs is None or wcs is None:
        raise FileFormatError("a CoaddPsf needs the coadd inputs and the WCS of its exposure")
    return CoaddPsf(inputs.ccds, wcs)


def coadd_inputs_to_tables(inputs: CoaddInputs) -> list[FitsUnit]:
    """Return the tables of visits and detector images."""
    visits = [
        {"visit": v.visit, **box_cells(v.bbox), "goodpix": v.goodpix, "weight": v.weight, "filter": v.filter}
        for v in inputs.visits
    ]
    ccds = [
        {
            "visit": c.visit,
            "ccd": c.ccd,
            **box_cells(c.bbox),
            "goodpix": c.goodpix,
            "weight": c.weight,
            "filter": c.filter,
            "wcs": "" if c.wcs is None else json.dumps(c.wcs.to_header()),
            **(_NO_PSF if c.psf is None else _psf_row(c.psf)),
            "polygon": np.asarray(c.validPolygon, dtype=float).ravel(),
        }
        for c in inputs.ccds
    ]
    return [
        rows_to_table(name, rows) for name, rows in (("COADD_VISITS", visits), ("COADD_CCDS", ccds)) if rows
    ]


def read_coadd_inputs(visits: Any, ccds: Any) -> CoaddInputs:
    """Return the coadd inputs of their two tables; a missing table is empty."""
    return CoaddInputs(
        tuple(
            VisitInput(
                int(r["visit"]), box_of_cells(r), int(r["goodpix"]), float(r["weight"]), str(r["filter"])
            )
            for r in (() if visits is None else visits)
        ),
        tuple(
            CcdInput(
                visit=int(r["visit"]),
                ccd=int(r["ccd"]),
                bbox=box_of_cells(r),
                goodpix=int(r["goodpix"]),
                weight=float(r["weight"]),
                filter=str(r["filter"]),
                wcs=SkyWcs(json.loads(r["wcs"])) if r["wcs"] else None,
                psf=_psf_from_row(r) if r["psf_class"] else None,
                validPolygon=tuple((float(x), float(y)) for x, y in np.reshape(r["polygon"], (-1, 2))),
            )
            for r in (() if ccds is None else ccds)
        ),
    )


def polygon_to_table(polygon: Polygon) -> FitsUnit:
    """Return the table of a polygon, one row per vertex."""
    return rows_to_table("VALID_POLYGON", [{"vertices_x": x, "vertices_y": y} for x, y in polygon.vertices])


def read_polygon(table: Any) -> Polygon:
    """Return the polygon of a table."""
    return Polygon(tuple((float(row["vertices_x"]), float(row["vertices_y"])) for row in table))


def fields_to_table(name: str, fields: Mapping[str, ChebyshevBoundedField]) -> FitsUnit:
    """Return the table of some fields, one row each."""
    return rows_to_table(name, [field_cells(key, field) for key, field in fields.items()])


def read_fields(table: Any) -> dict[str, ChebyshevBoundedField]:
    """Return the fields of a table by name."""
    return {str(row["name"]): read_field(row) for row in table}


def field_cells(name: str, field: ChebyshevBoundedField) -> Row:
    """Return the cells of a field in a row."""
    return {
        "name": name,
        "order_x": field.coefficients.shape[1] - 1,
        **box_cells(field.bbox),
        "coefficients": field.coefficients.ravel(),
    }


def read_field(row: Any) -> ChebyshevBoundedField:
    """Return the field of a row."""
    table = np.reshape(row["coefficients"], (-1, int(row["order_x"]) + 1))
    return ChebyshevBoundedField(box_of_cells(row), table)


_NO_PSF: Row = {
    "psf_class": "",
    "psf_sigma": np.nan,
    "psf_n_y": 0,
    "psf_n_x": 0,
    "psf_kernel": np.zeros(0),
    "psf_context": np.zeros(0),
}
_PSFEX_FACTS: Final = ("n_stars", "fwhm", "chi2")


def _psf_row(psf: Psf) -> Row:
    if isinstance(psf, GaussianPsf):
        return {**_NO_PSF, "psf_class": "GaussianPsf", "psf_sigma": psf.sigma}
    if isinstance(psf, KernelPsf):
        n_y, n_x = psf.kernel.shape
        kernel = psf.kernel.ravel()
        return {**_NO_PSF, "psf_class": "KernelPsf", "psf_n_y": n_y, "psf_n_x": n_x, "psf_kernel": kernel}
    if isinstance(psf, PolynomialPsf):
        facts = [getattr(psf, name) for name in _PSFEX_FACTS] if isinstance(psf, PsfexPsf) else []
        return {
            **_NO_PSF,
            "psf_class": type(psf).__name__,
            "psf_n_y": psf.basis.shape[1],
            "psf_n_x": psf.basis.shape[2],
            "psf_kernel": psf.basis.ravel(),
            "psf_context": np.array([psf.x0, psf.y0, psf.x_scale, psf.y_scale, psf.sampling, *facts]),
        }
    raise StorageClassError(f"cannot store a PSF of type {type(psf).__name__}")


def _psf_from_row(row: Any) -> Psf:
    kind = str(row["psf_class"])
    if kind == "GaussianPsf":
        return GaussianPsf(float(row["psf_sigma"]))
    shape = (-1, int(row["psf_n_y"]), int(row["psf_n_x"]))
    if kind == "KernelPsf":
        return KernelPsf(np.reshape(row["psf_kernel"], shape[1:]))
    if kind in ("PolynomialPsf", "PsfexPsf"):
        basis, numbers = np.reshape(row["psf_kernel"], shape), [float(value) for value in row["psf_context"]]
        if kind == "PolynomialPsf":
            return PolynomialPsf(basis, *numbers)
        x0, y0, x_scale, y_scale, sampling, n_stars, fwhm, chi2 = numbers
        return PsfexPsf(basis, x0, y0, x_scale, y_scale, sampling, int(n_stars), fwhm, chi2)
    raise FileFormatError(f"unknown PSF class {kind!r}")


def box_cells(box: Box2I) -> Row:
    """Return the cells of a box in a row."""
    return {"x0": box.minX, "y0": box.minY, "width": box.width, "height": box.height}


def box_of_cells(row: Any) -> Box2I:
    """Return the box of a row."""
    return Box2I(Point2I(int(row["x0"]), int(row["y0"])), Extent2I(int(row["width"]), int(row["height"])))


def rows_to_table(name: str, rows: Sequence[Row]) -> FitsUnit:
    """Return a binary table; columns that hold arrays get a variable length."""
    columns: list[Column] = []
    for key, first in rows[0].items():
        values = [row[key] for row in rows]
        if isinstance(first, str):
            columns.append(text_column(key, values))
        elif isinstance(first, np.ndarray):
            columns.append(Column(key, "D", values, "P"))
        else:
            columns.append(Column(key, "K" if isinstance(first, int) else "D", values))
    return table_unit(columns, {"EXTNAME": name})
