"""RingsSkyMap: the whole sky in rings of tracts."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images import Box2I, SkyWcs
from ..regions import SkyRegion
from .config import RingsSkyMapConfig
from .index import Index2D
from .patch_info import PatchInfo
from .positions import Coordinates, sky_positions
from .sky_map import SkyMap
from .tract_info import TractInfo

__all__ = ["RingsSkyMap"]

_TWO_PI = 2.0 * math.pi

# Cosines: the candidates of findAllTracts are tested exactly afterwards.
_NEARNESS_MARGIN = 1e-9


class RingsSkyMap(SkyMap):
    """Rings of equal height around the axis, each of tracts of equal width, and one tract on each pole.

    Tracts are numbered from the south pole (0) ring by ring to the north pole, eastward from ``raStart``.

    Parameters
    ----------
    config
        Number of rings, where they start, and how tracts are cut.
    version
        1; or 0 for the sky maps of before 2018, in which the first tract of each ring but the lowest has the
        number behind the ring's last, and the highest ring lacks its first tract: a position there is said to
        be in the northern polar tract. Neither name nor hash tells the version.

    Raises
    ------
    ValueError
        Raised if there is no such version.
    """

    name: ClassVar[str] = "rings"

    config: RingsSkyMapConfig

    def __init__(self, config: RingsSkyMapConfig, version: int = 1) -> None:
        super().__init__(config)
        if version not in (0, 1):
            raise ValueError(f"a rings sky map has the version 0 or 1, not {version!r}")
        self.version = version
        self._height = math.pi / (config.numRings + 1)
        edges = self._height * (np.arange(config.numRings + 1) + 0.5) - math.pi / 2
        nearest_equator = np.minimum(np.abs(edges[:-1]), np.abs(edges[1:]))
        self._counts = (_TWO_PI * np.cos(nearest_equator) / self._height).astype(int) + 1
        """Number of tracts in each ring."""
        self._first_ids = 1 + np.concatenate([[0], np.cumsum(self._counts)])
        """Number of the first tract in each ring, and at the end that of the northern polar tract."""

    def __len__(self) -> int:
        return int(self._first_ids[-1]) + 1

    def getRingIndices(self, tract_id: int) -> tuple[int, int]:
        """Return the ring of a tract, from the south, and its place in the ring, from ``raStart`` eastward.

        The polar tracts are in rings -1 and ``numRings``.

        Raises
        ------
        IndexError
            Raised if there is no such tract.
        """
        self._require_tract(tract_id)
        if tract_id == 0:
            return -1, 0
        if tract_id == len(self) - 1:
            return self.config.numRings, 0
        ring, place = self._ring_indices(np.asarray(tract_id))
        return int(ring), int(place)

    def _ring_indices(self, tract_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ring and place of tracts that are not polar; in version 0 a ring begins with place 1."""
        side: Literal["left", "right"] = "right" if self.version else "left"
        rings = np.maximum(np.searchsorted(self._first_ids, tract_ids, side=side) - 1, 0)
        return rings, tract_ids - self._first_ids[rings]

    def findTractIdArray(
        self, coord: Coordinates, dec: ArrayLike | None = None, *, degrees: bool = True
    ) -> NDArray[np.int64]:
        """Return the number of the tract whose inner region holds each position."""
        lon, lat = sky_positions(coord, dec, degrees=degrees)
        south_edge = self._height / 2 - math.pi / 2
        n_rings = self.config.numRings
        # The quotient may round to the number of rings just below the northern edge.
        rings = ((lat - south_edge) / self._height).astype(int)
        south, north = lat < south_edge, (lat > -south_edge) | (rings >= n_rings)
        rings = np.clip(rings, 0, n_rings - 1)
        counts = self._counts[rings]
        turns = np.mod(lon - math.radians(self.config.raStart), _TWO_PI) / (_TWO_PI / counts)
        places = np.floor(turns + 0.5).astype(int)
        places = np.where(places == counts, 0, places)
        if self.version == 0:
            rings = np.where((places == 0) & (rings != 0), rings + 1, rings)
        return np.where(south, 0, np.where(north, len(self) - 1, self._first_ids[rings] + places))

    def findTractPatchList(
        self, coord: Coordinates | SkyRegion, dec: ArrayLike | None = None
    ) -> list[tuple[TractInfo, list[PatchInfo]]]:
        """Return the tracts, and their patches, that may overlap an area.

        Parameters
        ----------
        coord, dec
            A region; or positions around the area, see `sky_degrees`: the corners of an exposure, say. Of
            positions a tract is found if it holds one, so give them less than a tract apart, or a region.

        Returns
        -------
        tract_patches
            Tracts by increasing number, with the patches of `TractInfo.findPatchList`; tracts without any are
            left out.

        Raises
        ------
        ValueError
            Raised if one is not a position.
        """
        return super().findTractPatchList(coord, dec)

    def _tracts_around(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Iterable[TractInfo]:
        sky_positions(ra, dec)
        positions = zip(ra.ravel().tolist(), dec.ravel().tolist(), strict=True)
        tracts = {tract.tract_id: tract for a, b in positions for tract in self.findAllTracts(a, b)}
        return [tracts[tract_id] for tract_id in sorted(tracts)]

    def tracts_near(self, ra: float, dec: float, radius: float) -> list[int]:
        """Return the numbers, sorted, of tracts among which are all that reach into a circle, degrees."""
        lon, lat = sky_positions(ra, dec)
        reach = self._reach + math.radians(radius)
        if reach >= math.pi:
            return list(range(len(self)))
        near = self._centers @ _unit_vector(lon, lat) >= math.cos(reach) - _NEARNESS_MARGIN
        found: list[int] = np.flatnonzero(near).tolist()
        return found

    @property
    def max_num_patches(self) -> Index2D:
        """The columns and rows of patches; all tracts have the same size."""
        return self[0].getNumPatches()

    @cached_property
    def _centers(self) -> NDArray[np.float64]:
        """Unit vectors of all tract centres, ``(n_tracts, 3)``."""
        rings, places = self._ring_indices(np.arange(1, len(self) - 1))
        lon = math.radians(self.config.raStart) + _TWO_PI * places / self._counts[rings]
        in_rings = _unit_vector(lon, self._height * (rings + 1) - math.pi / 2)
        return np.vstack([(0.0, 0.0, -1.0), in_rings.T, (0.0, 0.0, 1.0)])

    @cached_property
    def _reach(self) -> float:
        """Largest angle from a tract's centre to a corner, of its patches too; the same for all tracts."""
        tract = self[0]
        # Patches of cells reach beyond their tract.
        box = tract.bbox if tract.layout.cells is None else tract.bbox.dilatedBy(tract.patch_border)
        _, dec = tract.wcs.pixelToSky(*np.transpose(box.corners))
        # Tract 0 lies on the south pole. A corner beyond the projection's horizon has no position.
        return math.radians(float(np.max(dec)) + 90.0) if np.all(np.isfinite(dec)) else math.pi

    def _placement(self, tract_id: int) -> tuple[tuple[float, float], float]:
        radius = math.degrees(self._height / 2)
        ring, place = self.getRingIndices(tract_id)
        if ring == -1:
            return (0.0, -90.0), radius
        if ring == self.config.numRings:
            return (0.0, 90.0), radius
        ra = (
            math.degrees(math.radians(self.config.raStart) + _TWO_PI * place / int(self._counts[ring]))
            % 360.0
        )
        return (ra, math.degrees(self._height * (ring + 1) - math.pi / 2)), radius

    def _inner_sky_region(self, tract_id: int, wcs: SkyWcs, bbox: Box2I) -> SkyRegion:
        return self.inner_sky_region(tract_id)

    def inner_sky_region(self, tract_id: int) -> SkyRegion:
        """Return where a tract is in charge: a box of right ascension and declination.

        Raises
        ------
        IndexError
            Raised if there is no such tract.
        """
        (ra, dec), radius = self._placement(tract_id)
        ring, _ = self.getRingIndices(tract_id)
        if ring in (-1, self.config.numRings):
            return SkyRegion.from_box(ra, dec, 360.0, 2 * radius)
        return SkyRegion.from_box(ra, dec, 360.0 / int(self._counts[ring]), 2 * radius)

    def to_simple(self) -> dict[str, Any]:
        """Return the definition as values that JSON can hold; `make_sky_map` reads them."""
        return {**super().to_simple(), "version": self.version}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config, self.version)

    def _packed_placement(self) -> bytes:
        return struct.pack("<id", self.config.numRings, self.config.raStart)


def _unit_vector(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Return unit vectors ``(3, ...)`` of positions in radians."""
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) * np.ones_like(lon)])
