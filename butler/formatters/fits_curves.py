"""Transmission curves and aperture corrections, of exposures and of the inputs of coadds, as FITS tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ..errors import FileFormatError
from ..images import (
    ApCorrMap,
    ChebyshevBoundedField,
    CoaddBoundedField,
    CoaddInputs,
    CoaddTransmissionCurve,
    SkyWcs,
    TransmissionCurve,
)
from .fits_tables import Row, box_cells, box_of_cells, field_cells, read_field, rows_to_table
from .fits_units import FitsUnit

__all__ = [
    "ap_corr_to_table",
    "input_curves_to_tables",
    "read_ap_corr",
    "read_transmission",
    "transmission_to_table",
    "with_curves",
]

_Detector: TypeAlias = tuple[int, int]


def ap_corr_to_table(fields: ApCorrMap) -> FitsUnit:
    """Return the table of aperture corrections; fields of a coadd are only named, without coefficients.

    They follow from the coadd inputs.
    """
    return rows_to_table("AP_CORR_MAP", [_field_row(name, field) for name, field in fields.items()])


def read_ap_corr(table: Iterable[Any], inputs: CoaddInputs | None, wcs: SkyWcs | None) -> ApCorrMap:
    """Return the aperture corrections of a table.

    Parameters
    ----------
    table
        Rows of the unit that `ap_corr_to_table` made.
    inputs, wcs
        Those of the exposure, for fields of a coadd.

    Raises
    ------
    FileFormatError
        Raised if a field needs coadd inputs or a WCS that the file lacks.
    """
    found = ApCorrMap()
    for row in table:
        if len(row["coefficients"]):
            found[str(row["name"])] = read_field(row)
            continue
        if inputs is None or wcs is None:
            raise FileFormatError("a coadd's aperture corrections need the coadd inputs and the WCS")
        name = str(row["name"])
        found[name] = CoaddBoundedField(box_of_cells(row), wcs, name, inputs.ccds)
    return found


def transmission_to_table(curve: TransmissionCurve | CoaddTransmissionCurve) -> FitsUnit:
    """Return the table of one curve; that of a coadd has no points, it follows from the coadd inputs."""
    own = _NO_POINTS if isinstance(curve, CoaddTransmissionCurve) else _curve_row(curve)
    return rows_to_table("TRANSMISSION_CURVE", [own])


def read_transmission(
    table: Any, inputs: CoaddInputs | None, wcs: SkyWcs | None
) -> TransmissionCurve | CoaddTransmissionCurve:
    """Return the curve of a table.

    Parameters
    ----------
    table
        Rows of the unit that `transmission_to_table` made.
    inputs, wcs
        Those of the exposure, for the curve of a coadd.

    Raises
    ------
    FileFormatError
        Raised if the curve needs coadd inputs or a WCS that the file lacks.
    """
    if len(table[0]["wavelengths"]):
        return _curve(table[0])
    if inputs is None or wcs is None:
        raise FileFormatError("a coadd's transmission curve needs the coadd inputs and the WCS")
    return CoaddTransmissionCurve(inputs.ccds, wcs)


def input_curves_to_tables(inputs: CoaddInputs) -> list[FitsUnit]:
    """Return the tables of what the detector images carry; none for what none of them does."""
    fields = [
        {"visit": ccd.visit, "ccd": ccd.ccd, **_field_row(name, field)}
        for ccd in inputs.ccds
        for name, field in (ccd.apCorrMap or {}).items()
    ]
    curves = [
        {"visit": ccd.visit, "ccd": ccd.ccd, **_curve_row(ccd.transmissionCurve)}
        for ccd in inputs.ccds
        if ccd.transmissionCurve is not None
    ]
    tables = (("COADD_AP_CORR", fields), ("COADD_TRANSMISSION", curves))
    return [rows_to_table(name, rows) for name, rows in tables if rows]


def with_curves(inputs: CoaddInputs, fields: Iterable[Any], curves: Iterable[Any]) -> CoaddInputs:
    """Return coadd inputs with what the detector images carry.

    Parameters
    ----------
    inputs
        The inputs.
    fields, curves
        Rows of the tables that `input_curves_to_tables` made.
    """
    maps: dict[_Detector, ApCorrMap] = {}
    for row in fields:
        maps.setdefault(_detector(row), ApCorrMap())[str(row["name"])] = read_field(row)
    transmission = {_detector(row): _curve(row) for row in curves}
    if not maps and not transmission:
        return inputs
    ccds = tuple(
        replace(
            ccd,
            apCorrMap=maps.get((ccd.visit, ccd.ccd)),
            transmissionCurve=transmission.get((ccd.visit, ccd.ccd)),
        )
        for ccd in inputs.ccds
    )
    return CoaddInputs(inputs.visits, ccds)


_NO_POINTS: Mapping[str, Any] = {
    "wavelengths": np.zeros(0), "throughput": np.zeros(0), "at_min": 0.0, "at_max": 0.0,
}  # fmt: skip


def _field_row(name: str, field: Any) -> Row:
    if isinstance(field, ChebyshevBoundedField):
        return field_cells(name, field)
    return {"name": name, "order_x": 0, **box_cells(field.bbox), "coefficients": np.zeros(0)}


def _curve_row(curve: TransmissionCurve) -> Row:
    return {
        "wavelengths": curve.wavelengths,
        "throughput": curve.throughput,
        "at_min": float(curve.throughputAtMin),
        "at_max": float(curve.throughputAtMax),
    }


def _curve(row: Any) -> TransmissionCurve:
    return TransmissionCurve(
        row["wavelengths"], row["throughput"], float(row["at_min"]), float(row["at_max"])
    )


def _detector(row: Any) -> _Detector:
    return int(row["visit"]), int(row["ccd"])
