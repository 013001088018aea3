"""PSFs as FITS: our table, PSFEx's .psf files, and tables of its models with one row per detector image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from ..errors import FileFormatError, StorageClassError
from ..images import CoaddPsf, Psf, PsfexPsf
from .byte_source import LocalFile
from .fits_archive import read_table
from .fits_file import broken_file, walk_hdus
from .fits_tables import psf_to_table, read_psf
from .fits_units import image_unit, write_units
from .formatter import Formatter

__all__ = ["PsfFormatter", "PsfexModel", "read_psfex_models"]

_MASK: Final = "PSF_MASK"


@dataclass(frozen=True, slots=True)
class PsfexModel:
    """A model, and the detector image that it is of.

    Parameters
    ----------
    psf
        The model; its positions are those of an image whose first pixel is ``(0, 0)``.
    detector_name
        Name of the detector, as far as the file says: the column ``ccdname``, or the name of the extension.
    exposure
        Number of the exposure, the column ``expnum``; None if the file does not say.
    """

    psf: PsfexPsf
    detector_name: str
    exposure: int | None


def read_psfex_models(path: Path) -> list[PsfexModel]:
    """Read all models of a file, in order.

    A ``.psf`` file of PSFEx has an extension per detector, whose header describes the model. The Legacy
    Surveys' merged files have the same keys as columns, a row per detector.

    Parameters
    ----------
    path
        The file; not compressed.

    Raises
    ------
    FileFormatError
        Raised if it is broken, has no model, or one that depends on other things than the position.
    """
    source = LocalFile(path)
    models = []
    with broken_file(source):
        for unit in walk_hdus(source)[1:]:
            if unit.cards.get("XTENSION") == "BINTABLE" and not unit.is_compressed:
                models += _models_of(read_table(source, unit))
    if not models:
        raise FileFormatError(f"{path} has no PSFEx model: no table in it has a column {_MASK}")
    return models


def _models_of(hdu: Any) -> list[PsfexModel]:
    """Return the models of a table, none if it is of another kind."""
    columns = {name.upper(): name for name in hdu.columns.names}
    if _MASK not in columns:
        return []
    header: Mapping[str, Any] = hdu.header
    models = []
    for row in hdu.data:

        def find(key: str, default: Any = None, row: Any = row) -> Any:
            value = row[columns[key]] if key in columns else header.get(key, default)
            return value.strip() if isinstance(value, str) else value

        number = find("EXPNUM")
        name = str(find("CCDNAME") or find("EXTNAME", ""))
        psf = _psf(np.asarray(row[columns[_MASK]], dtype=float), find)
        models.append(PsfexModel(psf, name, None if number is None else int(number)))
    return models


def _psf(images: Any, find: Callable[..., Any]) -> PsfexPsf:
    """Return the model whose keys a function finds."""
    n_axes, groups = int(find("POLNAXIS", 0)), int(find("POLNGRP", 0))
    names = [str(find(f"POLNAME{i + 1}", "")) for i in range(n_axes)]
    degree = int(find("POLDEG1", 0)) if n_axes else 0
    positional = len(names) == 2 and names[0].startswith("X") and names[1].startswith("Y")
    if n_axes and degree and not (positional and groups == 1):
        raise FileFormatError(f"a PSFEx model must depend on the position alone, not on {', '.join(names)}")
    # Positions in FITS begin with 1.
    x0, y0 = (float(find(f"POLZERO{i}", 1.0)) - 1.0 if n_axes == 2 else 0.0 for i in (1, 2))
    x_scale, y_scale = (float(find(f"POLSCAL{i}", 1.0)) if n_axes == 2 else 1.0 for i in (1, 2))
    n_x, n_y = int(find("PSFAXIS1")), int(find("PSFAXIS2"))
    n_terms = (degree + 1) * (degree + 2) // 2
    # A merged file pads models of lower degree.
    basis = images.reshape(-1, *images.shape[-2:])[:n_terms, :n_y, :n_x]
    sampling = float(find("PSF_SAMP", 1.0)) or 1.0
    facts = [float(find(key, math.nan)) for key in ("PSF_FWHM", "CHI2")]
    return PsfexPsf(basis, x0, y0, x_scale, y_scale, sampling, int(find("ACCEPTED", 0)), *facts)


class PsfFormatter(Formatter):
    """A PSF as our table of one row; PSFEx's files are read as they are."""

    name: ClassVar[str] = "PsfFits"
    extension: ClassVar[str] = ".fits"

    def write(self, obj: Any, path: Path) -> None:
        """Write a PSF; one that follows from the inputs of a coadd is stored with them."""
        if not isinstance(obj, Psf) or isinstance(obj, CoaddPsf):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a Psf")
        write_units(path, [image_unit(None, {}), psf_to_table(obj)])

    def read_whole(self, path: Path) -> Psf:
        """Read the PSF of a file that has one."""
        source = LocalFile(path)
        with broken_file(source):
            units = walk_hdus(source)
            if len(units) > 1 and units[1].cards.get("EXTNAME") == "PSF":
                own = read_psf(read_table(source, units[1]).data, None, None)
                assert own is not None
                return own
        models = read_psfex_models(path)
        if len(models) > 1:
            names = ", ".join(model.detector_name for model in models)
            raise FileFormatError(
                f"{path} has {len(models)} PSFEx models ({names}), a dataset is one; read them with "
                "butler.formatters.psf_file.read_psfex_models and put each"
            )
        return models[0].psf
