"""Exposure: a masked image with everything known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from .ap_corr_map import ApCorrMap
from .coadd_inputs import CoaddInputs
from .coadd_transmission_curve import CoaddTransmissionCurve
from .filter_label import FilterLabel
from .geometry import Box2I, Extent2I, Point2I
from .image import Image
from .mask import Mask
from .masked_image import MaskedImage
from .photo_calib import PhotoCalib
from .polygon import Polygon
from .psf import Psf
from .sky_wcs import SkyWcs
from .summary_stats import ExposureSummaryStats
from .transmission_curve import TransmissionCurve
from .visit_info import VisitInfo

__all__ = ["Exposure"]


@dataclass(slots=True, eq=False)
class Exposure:
    """A masked image with its WCS, PSF, calibration and history.

    Parameters
    ----------
    maskedImage
        Pixels; held, not copied.
    wcs
        WCS in parent pixels.
    psf, photoCalib, filter, visitInfo, coaddInputs
        What is known; None if not.
    metadata
        Free header cards.
    apCorrMap, validPolygon
        What is known; None if not.
    id
        Number of the exposure; None if not known.
    summaryStats
        Its quality; None if not known.
    transmissionCurve
        Share of the light that reached it; None if not known.
    """

    maskedImage: MaskedImage
    wcs: SkyWcs | None = None
    psf: Psf | None = None
    photoCalib: PhotoCalib | None = None
    filter: FilterLabel | None = None
    visitInfo: VisitInfo | None = None
    coaddInputs: CoaddInputs | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    apCorrMap: ApCorrMap | None = None
    validPolygon: Polygon | None = None
    id: int | None = None
    summaryStats: ExposureSummaryStats | None = None
    transmissionCurve: TransmissionCurve | CoaddTransmissionCurve | None = None
    _find: Callable[[str], Any] | None = field(default=None, init=False, repr=False)

    PARTS: ClassVar[tuple[str, ...]] = (
        "wcs",
        "psf",
        "photoCalib",
        "filter",
        "visitInfo",
        "coaddInputs",
        "metadata",
        "apCorrMap",
        "validPolygon",
        "id",
        "summaryStats",
        "transmissionCurve",
    )
    """What there is beside the planes."""

    @classmethod
    def with_late_parts(cls, maskedImage: MaskedImage, find: Callable[[str], Any]) -> Exposure:
        """Make an exposure whose `PARTS` are found, by their names, when they are first asked for."""
        exposure = cls(maskedImage)
        exposure._find = find
        for name in cls.PARTS:
            delattr(exposure, name)
        return exposure

    def __getattr__(self, name: str) -> Any:
        # Reached for a part that was deleted in `with_late_parts`, and for what no exposure has.
        if name not in Exposure.PARTS or self._find is None:
            raise AttributeError(f"an Exposure has no attribute {name!r}", name=name, obj=self)
        value = self._find(name)
        setattr(self, name, value)
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("maskedImage", *self.PARTS)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def image(self) -> Image:
        """Image plane."""
        return self.maskedImage.image

    @property
    def mask(self) -> Mask:
        """Mask plane."""
        return self.maskedImage.mask

    @property
    def variance(self) -> Image:
        """Variance plane."""
        return self.maskedImage.variance

    @property
    def bbox(self) -> Box2I:
        """Box covered, in parent coordinates."""
        return self.maskedImage.bbox

    @property
    def dimensions(self) -> Extent2I:
        """Width and height in pixels."""
        return self.bbox.dimensions

    @property
    def xy0(self) -> Point2I:
        """Parent coordinates ``(x, y)`` of the first pixel."""
        return self.bbox.minimum

    def getBBox(self) -> Box2I:
        """Return the box covered, in parent coordinates."""
        return self.bbox

    def getWcs(self) -> SkyWcs | None:
        """Return the WCS."""
        return self.wcs

    def getPsf(self) -> Psf | None:
        """Return the PSF."""
        return self.psf

    def __getitem__(self, bbox: Box2I) -> Exposure:
        """Return the part in ``bbox`` (parent coordinates); shares pixels and components."""
        return replace(self, maskedImage=self.maskedImage[bbox])
