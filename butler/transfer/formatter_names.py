"""Formatter names: LSST's dotted class names in exports, and ours."""

from __future__ import annotations

import logging
from typing import Final

from ..datasets import StorageClass
from ..formatters import Formatter, formatter_for, get_formatter, is_known

__all__ = ["exported_name", "formatter_named"]

_LOG: Final = logging.getLogger(__name__)
_LSST_NAMES: Final = {
    "ExposureFits": "lsst.obs.base.formatters.fitsExposure.FitsExposureFormatter",
    "MaskedImageFits": "lsst.obs.base.formatters.fitsExposure.FitsMaskedImageFormatter",
    "ImageFits": "lsst.obs.base.formatters.fitsExposure.FitsImageFormatter",
    "MaskFits": "lsst.obs.base.formatters.fitsExposure.FitsMaskFormatter",
    "LogRecords": "lsst.daf.butler.formatters.logs.ButlerLogRecordsFormatter",
    "Parquet": "lsst.daf.butler.formatters.parquet.ParquetFormatter",
    "Png": "lsst.daf.butler.formatters.matplotlib.MatplotlibFormatter",
    "Yaml": "lsst.daf.butler.formatters.yaml.YamlFormatter",
    "Json": "lsst.daf.butler.formatters.json.JsonFormatter",
    "TableEcsv": "lsst.daf.butler.formatters.astropyTable.AstropyTableFormatter",
}
"""LSST's class for the same kind of file, by our name."""
_OUR_NAMES: Final = {lsst: ours for ours, lsst in _LSST_NAMES.items()}


def exported_name(formatter: str, storage_class: StorageClass) -> str | None:
    """Return the name that an export gives a formatter: LSST's where it has one for such files.

    None where the storage class says it: LSST's butler imports no file with a name that it does not know.
    """
    if formatter in _LSST_NAMES:
        return _LSST_NAMES[formatter]
    return None if formatter_for(storage_class).name == formatter else formatter


def formatter_named(name: str | None, storage_class: StorageClass) -> Formatter:
    """Return the formatter that an export names.

    A name that is not known is logged, and the formatter of the storage class is used.

    Parameters
    ----------
    name
        LSST's or our name; None for the formatter of the storage class.
    storage_class
        What the file holds.

    Raises
    ------
    StorageClassError
        Raised if such datasets are not stored on their own.
    """
    ours = _OUR_NAMES.get(name or "", name)
    if ours is not None and is_known(ours):
        return get_formatter(ours)
    chosen = formatter_for(storage_class)
    if name is not None:
        _LOG.warning("the formatter %s is not known; reading the file as %s", name, chosen.name)
    return chosen
