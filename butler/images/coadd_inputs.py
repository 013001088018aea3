"""CoaddInputs: which visits and detectors a warp or coadd is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .ap_corr_map import ApCorrMap
from .geometry import Box2I
from .polygon import in_polygon
from .psf import Psf
from .sky_wcs import SkyWcs
from .transmission_curve import TransmissionCurve

__all__ = ["CcdInput", "CoaddInputs", "VisitInput"]


@dataclass(frozen=True, slots=True)
class VisitInput:
    """One visit that contributed.

    Parameters
    ----------
    visit
        Visit number.
    bbox
        Box of the warp, in the tract's pixels.
    goodpix
        Pixels of the warp that have data.
    weight
        Weight in the coadd, 1/nJy²; NaN in a warp.
    filter
        Physical filter.
    """

    visit: int
    bbox: Box2I
    goodpix: int
    weight: float
    filter: str


@dataclass(frozen=True, slots=True)
class CcdInput:
    """One detector image that contributed.

    Parameters
    ----------
    visit, ccd
        Visit and detector number.
    bbox
        Box of the detector image, in its own pixels.
    goodpix
        Pixels of the warp that came from it.
    weight
        Weight of its visit in the coadd, 1/nJy²; 1 in a warp.
    filter
        Physical filter.
    wcs, psf
        Those of the detector image, before warping; None if a file has them in a form that is not read.
    validPolygon
        Vertices ``(x, y)`` in the detector's pixels; empty means the whole box.
    apCorrMap, transmissionCurve
        Those of the detector image; None if it has none.
    """

    visit: int
    ccd: int
    bbox: Box2I
    goodpix: int
    weight: float
    filter: str
    wcs: SkyWcs | None
    psf: Psf | None
    validPolygon: Sequence[tuple[float, float]] = ()
    apCorrMap: ApCorrMap | None = None
    transmissionCurve: TransmissionCurve | None = None

    def contains_sky(self, ra: float, dec: float) -> bool:
        """Tell whether a position (ICRS, degrees) lies in the box and the valid polygon.

        Raises
        ------
        ValueError
            Raised if the WCS is not known.
        """
        x, y = self.require_wcs().skyToPixel(ra, dec)
        return self.contains(float(x), float(y))

    def contains(self, x: float, y: float) -> bool:
        """Tell whether a position in the detector's pixels lies in the box and the valid polygon."""
        return self.bbox.contains((x, y)) and in_polygon(x, y, self.validPolygon)

    def require_wcs(self) -> SkyWcs:
        """Return the WCS.

        Raises
        ------
        ValueError
            Raised if it is not known.
        """
        if self.wcs is None:
            raise ValueError(f"the WCS of visit {self.visit}, detector {self.ccd} is not known")
        return self.wcs

    def require_psf(self) -> Psf:
        """Return the PSF.

        Raises
        ------
        ValueError
            Raised if it is not known.
        """
        if self.psf is None:
            raise ValueError(f"the PSF of visit {self.visit}, detector {self.ccd} is not known")
        return self.psf


@dataclass(frozen=True, slots=True)
class CoaddInputs:
    """The two tables of contributions, each ordered by its numbers."""

    visits: tuple[VisitInput, ...] = field(default=())
    ccds: tuple[CcdInput, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits", tuple(sorted(self.visits, key=lambda row: row.visit)))
        object.__setattr__(self, "ccds", tuple(sorted(self.ccds, key=lambda row: (row.visit, row.ccd))))
