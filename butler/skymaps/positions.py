"""Positions on the sky, in the forms that callers have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Coordinates", "sky_degrees", "sky_positions"]

Coordinates = Any
"""Right ascensions in degrees, with declinations beside them; or positions that know both: a ``SkyCoord``, a
``LonLat`` of lsst.sphgeom, a ``SpherePoint`` of lsst.geom, or a sequence of the latter two."""


def sky_degrees(
    coord: Coordinates, dec: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination of positions, degrees, of a common shape.

    Parameters
    ----------
    coord
        Right ascensions, degrees; or positions if `dec` is None.
    dec
        Declinations, degrees.

    Raises
    ------
    TypeError
        Raised if there is no declination.
    """
    if dec is None:
        coord, dec = _both(coord)
    ra, dec = np.broadcast_arrays(np.asarray(coord, dtype=float), np.asarray(dec, dtype=float))
    return ra, dec


def sky_positions(
    coord: Coordinates, dec: ArrayLike | None = None, *, degrees: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `sky_degrees` does, in radians.

    Parameters
    ----------
    coord, dec
        Positions.
    degrees
        Whether numbers are degrees, not radians.

    Raises
    ------
    ValueError
        Raised if one is not a position.
    """
    if not degrees and dec is not None:
        coord, dec = np.degrees(coord), np.degrees(dec)
    ra, dec = sky_degrees(coord, dec)
    if not (np.all(np.isfinite(ra)) and np.all(np.abs(dec) <= 90.0)):
        raise ValueError(
            f"not sky positions: ra {ra!r}, dec {dec!r}; give finite degrees, dec within -90..90"
        )
    return np.radians(ra), np.radians(dec)


def _both(coord: Coordinates) -> tuple[Any, Any]:
    """Return right ascension and declination of positions that know both."""
    if hasattr(coord, "icrs"):
        return coord.icrs.ra.deg, coord.icrs.dec.deg
    for ra, dec in (("getRa", "getDec"), ("getLon", "getLat")):
        if hasattr(coord, ra):
            return getattr(coord, ra)().asDegrees(), getattr(coord, dec)().asDegrees()
    if isinstance(coord, Sequence) and not isinstance(coord, str) and len(coord):
        pairs = [_both(one) for one in coord]
        return [ra for ra, _ in pairs], [dec for _, dec in pairs]
    raise TypeError(
        f"give ra and dec in degrees, a SkyCoord, or positions of lsst.sphgeom, not {type(coord).__name__}"
    )
