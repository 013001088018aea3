"""SkyWcs: between parent pixels and the sky."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .projection_cards import projection_cards
from .zenithal_projection import ZenithalProjection

if TYPE_CHECKING:
    from .wcslib_projection import WcslibProjection

__all__ = ["SkyWcs"]


class SkyWcs:
    """A celestial WCS in parent pixel coordinates (0-based, pixel centres at integers).

    Parameters
    ----------
    header
        FITS WCS cards of the image whose first pixel lies at ``xy0``.
    xy0
        Parent coordinates ``(x, y)`` of that first pixel.

    Raises
    ------
    FileFormatError
        Raised if the cards do not hold a finite two-dimensional equatorial WCS.

    Notes
    -----
    Equality compares the cards written for the origin (0, 0). Gnomonic and stereographic projections, TAN-SIP
    and TPV are done here, without the imports of astropy; all others by wcslib and astropy.
    """

    def __init__(self, header: Mapping[str, Any], xy0: tuple[int, int] = (0, 0)) -> None:
        cards = projection_cards(header)
        self._projection: ZenithalProjection | WcslibProjection
        plain = ZenithalProjection.from_cards(cards, xy0)
        if plain is not None:
            self._projection = plain
            return
        from .wcslib_projection import WcslibProjection

        self._projection = WcslibProjection.from_cards(cards, xy0)

    @classmethod
    def make_tan(
        cls,
        *,
        crval: tuple[float, float],
        crpix: tuple[float, float],
        cd: ArrayLike,
        projection: str = "TAN",
    ) -> SkyWcs:
        """Make an undistorted WCS.

        Parameters
        ----------
        crval
            Right ascension and declination at the reference pixel, ICRS degrees.
        crpix
            Reference position ``(x, y)``, parent pixels (0-based).
        cd
            Degrees per pixel, 2 x 2.
        projection
            Three-letter code of a FITS projection.

        Raises
        ------
        FileFormatError
            Raised if a number is not finite, the matrix is singular, or there is no such projection.
        """
        made = cls.__new__(cls)
        if ZenithalProjection.can_do(projection, crval):
            ra, dec, x, y = (float(value) for value in (*crval, *crpix))
            made._projection = ZenithalProjection(projection, (ra, dec), (x + 1.0, y + 1.0), cd)
            return made
        from .wcslib_projection import WcslibProjection

        made._projection = WcslibProjection.undistorted(crval, crpix, cd, projection)
        return made

    def pixelToSky(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return right ascension and declination (ICRS degrees) of parent positions; NaN where undefined."""
        ra, dec = self._projection.pixel_to_sky(x, y)
        return np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)

    @staticmethod
    def pixels_to_sky(
        wcss: Sequence[SkyWcs], x: ArrayLike, y: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Do as `pixelToSky` by many WCSs, together where they are of the same kind.

        Parameters
        ----------
        wcss
            The WCSs.
        x, y
            Positions, of shape ``(m,)``, the same for all of them.

        Returns
        -------
        ra, dec
            A row for each WCS, ``(n, m)``.
        """
        ra, dec = np.empty((2, len(wcss), np.size(x)))
        kinds: dict[tuple[str, str], dict[int, ZenithalProjection]] = {}
        for i, wcs in enumerate(wcss):
            projection = wcs._projection
            if isinstance(projection, ZenithalProjection):
                kinds.setdefault(projection.alike, {})[i] = projection
            else:
                ra[i], dec[i] = projection.pixel_to_sky(x, y)
        for members in kinds.values():
            rows = ZenithalProjection.rows_to_sky(list(members.values()), x, y)
            ra[list(members)], dec[list(members)] = rows
        return ra, dec

    def skyToPixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return parent positions of sky positions (ICRS degrees); NaN where undefined."""
        x, y = self._projection.sky_to_pixel(ra, dec)
        return np.asarray(x, dtype=float), np.asarray(y, dtype=float)

    @property
    def pixel_scale(self) -> float:
        """Arcseconds per pixel at the reference position (geometric mean of both axes)."""
        along_axes = np.hypot(*self._projection.scale_matrix)
        return float(math.sqrt(np.prod(along_axes))) * 3600.0

    def to_header(self, xy0: tuple[int, int] = (0, 0)) -> dict[str, Any]:
        """Return FITS cards for an image whose first pixel lies at ``xy0``."""
        cards = self._projection.cards()
        return {**cards, "CRPIX1": cards["CRPIX1"] - xy0[0], "CRPIX2": cards["CRPIX2"] - xy0[1]}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyWcs):
            return NotImplemented
        return self.to_header() == other.to_header()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return {"header": self.to_header()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["header"])  # type: ignore[misc]

    def __repr__(self) -> str:
        ra, dec = self._projection.crval
        return f"SkyWcs({self._projection.ctype}, crval=({ra:.6f}, {dec:.6f}), {self.pixel_scale:.4f} arcsec)"
