"""What the file of an exposure says beside its pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ..errors import FileFormatError
from ..images import (
    CoaddInputs,
    Exposure,
    ExposureSummaryStats,
    MaskedImage,
    PhotoCalib,
    Psf,
    SkyWcs,
    VisitInfo,
)
from .byte_source import ByteSource
from .fits_archive import Archive
from .fits_curves import read_ap_corr, read_transmission, with_curves
from .fits_file import HduInfo, broken_file, walk_hdus
from .fits_header import metadata_from_cards, origin_from_header
from .fits_rows import Row, read_rows
from .fits_summary import read_summary
from .fits_tables import read_coadd_inputs, read_fields, read_polygon, read_psf
from .fits_visit import read_exposure_id, read_filter, read_photo_calib, read_visit_info

__all__ = ["ExposureComponents", "check_version"]

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = "EXPINFO_V"
_ARCHIVED: Final = ("detector",)


def check_version(values: dict[str, Any], source: ByteSource) -> int:
    """Return the version of LSST's layout that a file follows; ours follow the first, 0.

    Raises
    ------
    FileFormatError
        Raised for a later one than is known.
    """
    version = values.get(_VERSION, 0)
    if not isinstance(version, int) or not 0 <= version <= 2:
        raise FileFormatError(f"{source} follows version {version!r} of LSST's layout; read are 0 to 2")
    return version


_PLAIN: Final = ("visitInfo", "metadata", "id")
"""Parts that are cards in all versions."""


class ExposureComponents:
    """The components of a file of ours or of LSST's, each parsed when it is asked for.

    In version 0 filter and calibration are cards; version 1 has the calibration, version 2 the filter as
    well in the archive of tables. Ours has tables of its own behind the planes.

    Parameters
    ----------
    source
        The file.

    Raises
    ------
    FileFormatError
        Raised if it is broken, or follows a later version.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._hdus = walk_hdus(source)
        self._values = inherited_values(self._hdus)
        self._version = check_version(self._values, source)
        self._archive = Archive(source, self._hdus, self._values)

    def exposure(self, planes: MaskedImage) -> Exposure:
        """Return an exposure of some planes; a component that is there but cannot be read is left out."""
        return Exposure(planes, **{name: self.part(name) for name in Exposure.PARTS})

    def part(self, name: str) -> Any:
        """Return one of `Exposure.PARTS`; None, and a warning, where `component` would refuse."""
        is_own = name == "wcs" and not self._archive.number_of("wcs")
        return getattr(self, name) if is_own or name in _PLAIN else self._lenient(name)

    def component(self, name: str) -> Any:
        """Return one component, None if the file does not have it.

        Raises
        ------
        FileFormatError
            Raised if it is there but cannot be read.
        """
        if name in _ARCHIVED:
            return self._archive.component(name)
        with broken_file(self._source):
            return getattr(self, name)

    def _lenient(self, name: str) -> Any:
        try:
            return self.component(name)
        except FileFormatError as error:
            _LOG.warning("the %s of %s is left out: %s", name, self._source, error)
            return None

    @property
    def wcs(self) -> Any:
        """WCS of the image's header; an exacter one in the archive is not read."""
        cards = self._hdus[1].cards
        if "CTYPE1" not in cards:
            # LSST keeps what no header can say as a text that only its own libraries read.
            return self._from_archive("wcs", lambda: None)
        return SkyWcs(cards.all, origin_from_header(cards))

    @property
    def filter(self) -> Any:
        """Filter."""
        if self._version >= 2:
            return self._from_archive("filter", lambda: None)
        return read_filter(self._values)

    @property
    def photoCalib(self) -> Any:
        """Calibration."""
        if self._version >= 1:
            return self._from_archive("photoCalib", lambda: None)
        calib, table = read_photo_calib(self._values), self._table("PHOTO_CALIB")
        if calib is None or table is None:
            return calib
        [field] = read_fields(table).values()
        return PhotoCalib(calib.calibrationMean, calib.calibrationErr, field)

    @property
    def visitInfo(self) -> VisitInfo | None:
        """Visit."""
        return read_visit_info(self._values)

    @property
    def id(self) -> int | None:
        """Number of the exposure."""
        return read_exposure_id(self._values)

    @property
    def metadata(self) -> dict[str, Any]:
        """Free cards."""
        return metadata_from_cards(self._values, has_visit=self.visitInfo is not None)

    @property
    def coaddInputs(self) -> Any:
        """What a coadd is made of."""
        return self._from_archive("coaddInputs", self._own_coadd_inputs)

    @property
    def psf(self) -> Any:
        """PSF."""
        return self._from_archive("psf", self._own_psf)

    @property
    def validPolygon(self) -> Any:
        """Valid part of the image."""
        return self._from_archive("validPolygon", lambda: self._own("VALID_POLYGON", read_polygon))

    @property
    def apCorrMap(self) -> Any:
        """Aperture corrections."""
        return self._from_archive("apCorrMap", lambda: self._own_derived("AP_CORR_MAP", read_ap_corr))

    @property
    def transmissionCurve(self) -> Any:
        """Share of the light that reached the detector."""
        return self._from_archive(
            "transmissionCurve", lambda: self._own_derived("TRANSMISSION_CURVE", read_transmission)
        )

    @property
    def summaryStats(self) -> Any:
        """Quality numbers."""
        return self._from_archive("summaryStats", lambda: self._own("SUMMARY_STATS", _first_summary))

    def _from_archive(self, name: str, otherwise: Callable[[], Any]) -> Any:
        return self._archive.component(name) if self._archive.number_of(name) else otherwise()

    def _own(self, unit: str, read: Callable[[Any], Any]) -> Any:
        table = self._table(unit)
        return None if table is None else read(table)

    def _own_coadd_inputs(self) -> CoaddInputs | None:
        visits, ccds = self._table("COADD_VISITS"), self._table("COADD_CCDS")
        if visits is None and ccds is None:
            return None
        inputs = read_coadd_inputs(visits, ccds)
        return with_curves(
            inputs, self._table("COADD_AP_CORR") or (), self._table("COADD_TRANSMISSION") or ()
        )

    def _own_derived(self, unit: str, read: Callable[[Any, CoaddInputs | None, SkyWcs | None], Any]) -> Any:
        """Read what may follow from the coadd inputs and the WCS."""
        return self._own(unit, lambda table: read(table, self.coaddInputs, self.wcs))

    def _own_psf(self) -> Psf | None:
        table = self._table("PSF")
        if table is None:
            return None
        inputs = self.coaddInputs if table[0]["psf_class"] == "CoaddPsf" else None
        return read_psf(table, inputs, self.wcs if inputs is not None else None)

    def _table(self, name: str) -> list[Row] | None:
        """Return the rows of one of our tables, None if there is none of that name."""
        for hdu in self._hdus[4:]:
            if hdu.cards.get("EXTNAME") == name and "AR_CATN" not in hdu.cards:
                return read_rows(self._source, hdu)
        return None


def _first_summary(table: Any) -> ExposureSummaryStats:
    return read_summary(table[0])


def inherited_values(hdus: list[HduInfo]) -> dict[str, Any]:
    """Return the cards that hold for the image: those of the primary unit only if it inherits them."""
    own = hdus[1].values
    return {**hdus[0].values, **own} if own.get("INHERIT") is True else own
