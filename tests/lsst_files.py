"""Exposures as LSST's afw writes them: planes, and an archive of tables behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from small_repository import make_wcs

from butler.images import Box2I

__all__ = ["LsstArchive", "write_lsst"]

XY0 = (100, -40)


class LsstArchive:
    """Tables of objects, each found by its number in an index."""

    def __init__(self) -> None:
        self._tables: list[Any] = []
        self._index: list[tuple[int, int, int, int, int, str, str]] = []

    def add(
        self, number: int, name: str, columns: list[fits.Column], *, part: int = 0, flags: Any = None
    ) -> int:
        """Add the table of one object; flags are given by name, one list of values per row."""
        if flags:
            bits = np.array(list(flags.values()), dtype=bool).T
            columns = [fits.Column("flags", f"{bits.shape[1]}X", array=bits), *columns]
        hdu = fits.BinTableHDU.from_columns(columns)
        for position, flag in enumerate(flags or {}, start=1):
            hdu.header[f"TFLAG{position}"] = flag
        self._tables.append(hdu)
        hdu.header.update(
            {"EXTNAME": name, "EXTTYPE": "ARCHIVE_DATA", "AR_NAME": name, "AR_CATN": len(self._tables)}
        )
        self._index.append((number, len(self._tables), part, 0, len(hdu.data), name, "lsst.afw"))
        return number

    def point(self, number: int, other: int, row0: int, nrows: int = 1) -> int:
        """Make an object of rows in the table of another one, as objects of one class share it."""
        _, table, part, _, _, name, module = next(entry for entry in self._index if entry[0] == other)
        self._index = [(*entry[:4], 1, *entry[5:]) if entry[0] == other else entry for entry in self._index]
        self._index.append((number, table, part, row0, nrows, name, module))
        return number

    def field(self, number: int, box: Box2I, coefficients: Any) -> int:
        """Add a Chebyshev field."""
        values = np.asarray(coefficients, dtype=float)
        return self.add(number, "ChebyshevBoundedField", [
            fits.Column("order_x", "J", array=[values.shape[1] - 1]),
            *box_columns([box]),
            fits.Column("coefficients", f"{values.size}D", array=values.reshape(1, -1)),
        ])  # fmt: skip

    def photo_calib(self, number: int, mean: float, error: float, field: int = 0) -> int:
        """Add a calibration, constant if it has no field."""
        columns = [
            fits.Column("calibrationMean", "D", array=[mean]),
            fits.Column("calibrationErr", "D", array=[error]),
            fits.Column("field", "J", array=[field]),
            fits.Column("version", "J", array=[1]),
        ]
        return self.add(number, "PhotoCalib", columns, flags={"isConstant": [not field]})

    def filter_label(self, number: int, band: str | None, physical: str | None) -> int:
        """Add a filter."""
        columns = [
            fits.Column("band", "32A", array=[band or ""]),
            fits.Column("physical", "32A", array=[physical or ""]),
        ]
        flags = {"band_exists": [band is not None], "physical_exists": [physical is not None]}
        return self.add(number, "FilterLabel", columns, flags=flags)

    def polygon(self, number: int, vertices: list[tuple[float, float]]) -> int:
        """Add a polygon."""
        x, y = zip(*vertices, strict=True)
        columns = [fits.Column("vertices_x", "D", array=x), fits.Column("vertices_y", "D", array=y)]
        return self.add(number, "Polygon", columns)

    def gaussian(self, number: int, sigma: float) -> int:
        """Add a Gaussian PSF."""
        names = {"dimensions_x": "J", "dimensions_y": "J", "sigma": "D"}
        columns = [
            fits.Column(name, code, array=[21 if code == "J" else sigma]) for name, code in names.items()
        ]
        return self.add(number, "GaussianPsf", columns)

    def opaque(self, number: int, name: str) -> int:
        """Add an object that only LSST reads."""
        return self.add(number, name, [fits.Column("bytes", "10B", array=np.zeros((1, 10), dtype=np.uint8))])

    def hdus(self) -> list[Any]:
        """Return the index and the tables."""
        columns = [
            fits.Column(name, code, array=[row[i] for row in self._index])
            for i, (name, code) in enumerate(
                {"id": "J", "cat.archive": "J", "cat.persistable": "J", "row0": "J", "nrows": "J",
                 "name": "64A", "module": "64A"}.items()
            )
        ]  # fmt: skip
        index = fits.BinTableHDU.from_columns(columns)
        index.header.update({"EXTNAME": "ARCHIVE_INDEX", "EXTTYPE": "ARCHIVE_INDEX", "AR_CATN": 0})
        index.header["AR_NCAT"] = len(self._tables) + 1
        return [index, *self._tables]


def box_columns(boxes: list[Box2I]) -> list[fits.Column]:
    return [
        fits.Column(name, "J", array=[getattr(box, attribute) for box in boxes])
        for name, attribute in {
            "bbox_min_x": "minX", "bbox_min_y": "minY", "bbox_max_x": "maxX", "bbox_max_y": "maxY",
        }.items()
    ]  # fmt: skip


def write_lsst(
    path: Path,
    primary: dict[str, Any],
    archive: LsstArchive | None = None,
    *,
    shape: tuple[int, int] = (30, 50),
    compression: str | None = None,
    inherit: bool = True,
    wcs: bool = True,
    mask: Any = None,
    image_cards: dict[str, Any] | None = None,
) -> Path:
    """Write an exposure; the image counts its pixels, the variance is constant."""
    image = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    bits = np.full(shape, 0b1001, dtype=np.int32) if mask is None else mask
    hdus: list[Any] = [fits.PrimaryHDU()]
    hdus[0].header.update({"HIERARCH " * (len(key) > 8) + key: value for key, value in primary.items()})
    if archive is not None:
        hdus[0].header["AR_HDU"] = 5
    planes = {"IMAGE": image, "MASK": bits, "VARIANCE": np.full(shape, 4, dtype=np.float32)}
    for name, array in planes.items():
        hdu = fits.ImageHDU(array)
        if compression:
            level = {"quantize_level": 0.0} if compression.startswith("GZIP") else {"quantize_level": 16.0}
            hdu = fits.CompImageHDU(array, compression_type=compression, tile_shape=(1, shape[1]), **level)
        hdu.header.update(make_wcs().to_header(XY0) if wcs else {})
        hdu.header.update({"CTYPE1A": "LINEAR", "CTYPE2A": "LINEAR", "CRPIX1A": 1.0, "CRPIX2A": 1.0})
        hdu.header.update(
            {"CRVAL1A": float(XY0[0]), "CRVAL2A": float(XY0[1]), "EXTTYPE": name, "EXTNAME": name}
        )
        if inherit:
            hdu.header["INHERIT"] = True
        if name == "MASK":
            hdu.header.update({"MP_BAD": 0, "HIERARCH MP_DETECTED": 3, "HIERARCH MP_NO_DATA": 30})
        hdu.header.update(image_cards or {} if name == "IMAGE" else {})
        hdus.append(hdu)
    tables = archive.hdus() if archive else []
    fits.HDUList([*hdus, *tables]).writeto(path)
    return path
