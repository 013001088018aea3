"""Tables as FITS."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

from astropy.io import fits
from astropy.table import Table
from astropy.units import UnitsWarning

from ..errors import FileFormatError, StorageClassError
from ..tables import to_astropy
from .byte_source import LocalFile
from .fits_archive import read_table
from .fits_file import broken_file, walk_hdus
from .fits_units import AstropyUnit, image_unit, write_units
from .table import TableFormatter

__all__ = ["FitsCatalogFormatter"]


class FitsCatalogFormatter(TableFormatter):
    """A table as the first extension of a FITS file, as LSST keeps its catalogs of exposures."""

    name: ClassVar[str] = "TableFits"
    extension: ClassVar[str] = ".fits"

    def write(self, obj: Any, path: Path) -> None:
        """Write a table; keys of its ``meta`` that are longer than 8 characters become HIERARCH cards."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", fits.verify.VerifyWarning)
                hdu = fits.table_to_hdu(to_astropy(obj), character_as_bytes=True)
        except (ValueError, TypeError) as error:
            if isinstance(error, StorageClassError):
                raise
            raise StorageClassError(f"cannot write this table as FITS: {error}") from error
        write_units(path, [image_unit(None, {}), AstropyUnit(hdu)])

    def read_whole(self, path: Path) -> Table:
        """Read the first table of a file."""
        source = LocalFile(path)
        with broken_file(source):
            for hdu in walk_hdus(source)[1:]:
                if hdu.cards.get("XTENSION") == "BINTABLE" and not hdu.is_compressed:
                    return self._table(read_table(source, hdu))
        raise FileFormatError(f"{path} has no table")

    def _table(self, hdu: Any) -> Table:
        with warnings.catch_warnings():
            # LSST has units that are not in the standard.
            warnings.simplefilter("ignore", UnitsWarning)
            table = Table.read(hdu, format="fits", mask_invalid=False)
        table.convert_bytestring_to_unicode()
        return table
