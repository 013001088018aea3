"""MatchReferenceTask: which star of an exposure is which of a catalog."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import KDTree

from butler.errors import did_you_mean
from butler.images import SkyWcs

from ..config import Config
from ..errors import TaskError
from ..task import Task
from .measure_stars import StarCatalog

__all__ = ["MatchReferenceConfig", "MatchReferenceTask", "ReferenceMatch", "column_of"]

_ARCSEC: Final = 180.0 * 3600.0 / math.pi
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceMatch:
    """Pairs of a star and an entry of a catalog; arrays ``(n,)``."""

    star: NDArray[np.int64]
    """Index of the star."""

    entry: NDArray[np.int64]
    """Row of the catalog."""

    offset_ra: NDArray[np.float64]
    """Position of the star minus that of the entry along right ascension, arcseconds on the sky."""

    offset_dec: NDArray[np.float64]
    """The same along declination."""

    def __len__(self) -> int:
        return len(self.star)

    @property
    def separation(self) -> NDArray[np.float64]:
        """Distances, arcseconds."""
        return np.asarray(np.hypot(self.offset_ra, self.offset_dec), dtype=np.float64)


class MatchReferenceConfig(Config):
    """How stars are identified."""

    raColumn: str = Field(default="coord_ra", description="right ascension in the catalog, ICRS degrees")
    decColumn: str = Field(default="coord_dec", description="declination in the catalog, ICRS degrees")
    matchRadius: float = Field(default=2.0, gt=0, description="largest distance of a pair, arcseconds")
    nSigma: float = Field(
        default=5.0, gt=0, description="pairs that are off by more than this many deviations are dropped"
    )


class MatchReferenceTask(Task):
    """Pairs stars and catalog entries that are each other's nearest."""

    ConfigClass: ClassVar[type[Config]] = MatchReferenceConfig
    _DefaultName: ClassVar[str] = "matchReference"

    def run(self, stars: StarCatalog, wcs: SkyWcs, catalog: Any) -> ReferenceMatch:
        """Find the pairs.

        Parameters
        ----------
        stars
            Stars of the exposure.
        wcs
            WCS of the exposure.
        catalog
            Table with positions; rows without finite ones are never matched.

        Raises
        ------
        TaskError
            Raised if the catalog has no such columns, or they are no numbers.
        """
        ra, dec = (column_of(catalog, name) for name in (self.config.raColumn, self.config.decColumn))
        star_ra, star_dec = wcs.pixelToSky(stars.x, stars.y)
        one, other = _usable(star_ra, star_dec), _usable(ra, dec)
        if not (len(one) and len(other)):
            return _pairs(one[:0], other[:0], (star_ra, star_dec), (ra, dec))
        vectors, entries = _unit_vectors(star_ra[one], star_dec[one]), _unit_vectors(ra[other], dec[other])
        limit = 2.0 * math.sin(0.5 * self.config.matchRadius / _ARCSEC)
        distance, nearest = KDTree(entries).query(vectors, distance_upper_bound=limit)
        _, nearest_star = KDTree(vectors).query(entries)
        found = np.flatnonzero(np.isfinite(distance))
        found = found[nearest_star[nearest[found]] == found]
        pairs = _pairs(one[found], other[nearest[found]], (star_ra, star_dec), (ra, dec))
        return self._without_outliers(pairs)

    def _without_outliers(self, pairs: ReferenceMatch) -> ReferenceMatch:
        keep = np.ones(len(pairs), dtype=bool)
        for offset in (pairs.offset_ra, pairs.offset_dec):
            if keep.any():
                deviation = np.abs(offset - np.median(offset))
                keep &= deviation <= self.config.nSigma * _MAD_TO_SIGMA * np.median(deviation)
        self.log.debug("%d stars matched, %d of them kept", len(keep), np.count_nonzero(keep))
        return ReferenceMatch(
            pairs.star[keep], pairs.entry[keep], pairs.offset_ra[keep], pairs.offset_dec[keep]
        )


def column_of(catalog: Any, name: str) -> NDArray[np.float64]:
    """Return a column of a table as numbers.

    Raises
    ------
    TaskError
        Raised if there is none, or it holds something else.
    """
    if name not in catalog.colnames:
        raise TaskError(f"the catalog has no column {name!r}{did_you_mean(name, catalog.colnames)}")
    try:
        return np.ma.filled(np.ma.asarray(catalog[name], dtype=float), np.nan)
    except (TypeError, ValueError) as error:
        raise TaskError(f"column {name!r} of the catalog holds no numbers: {error}") from error


def _usable(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))


def _unit_vectors(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points of the unit sphere ``(n, 3)``."""
    alpha, delta = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1)


def _pairs(
    star: NDArray[np.int64],
    entry: NDArray[np.int64],
    stars: tuple[NDArray[np.float64], NDArray[np.float64]],
    entries: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> ReferenceMatch:
    """Return pairs with their offsets; positions are ``(ra, dec)`` in degrees."""
    ra, dec = entries[0][entry], entries[1][entry]
    around = (stars[0][star] - ra + 180.0) % 360.0 - 180.0
    return ReferenceMatch(
        star, entry, 3600.0 * around * np.cos(np.radians(dec)), 3600.0 * (stars[1][star] - dec)
    )
