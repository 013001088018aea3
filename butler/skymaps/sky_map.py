"""SkyMap: the sky cut into tracts, and tracts into patches."""

from __future__ import annotations

import hashlib
import operator
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images import Box2I, Extent2I, SkyWcs
from ..regions import SkyRegion
from .config import SkyMapConfig
from .patch_info import Index2D, PatchInfo
from .tract_frame import tract_frame
from .tract_info import TractInfo

__all__ = ["SkyMap", "sky_positions"]

_CACHED_TRACTS = 128


class SkyMap(ABC):
    """A numbered sequence of tracts.

    Its length is the number of tracts; ``sky_map[tract_id]`` and iteration give `TractInfo`. Sky maps are
    equal if their hashes are: the same tracts and patches under whatever name.

    Parameters
    ----------
    config
        Where the tracts lie and how they are cut.
    """

    name: ClassVar[str]
    """The kind of sky map, as in `to_simple`."""

    config: SkyMapConfig
    """The definition; frozen."""

    def __init__(self, config: SkyMapConfig) -> None:
        self.config = config
        self._cached_tract: Callable[[int], TractInfo] = lru_cache(_CACHED_TRACTS)(self.generateTract)

    @abstractmethod
    def __len__(self) -> int: ...

    def generateTract(self, tract_id: int) -> TractInfo:
        """Lay out a tract anew; ``sky_map[tract_id]`` remembers recent ones.

        Raises
        ------
        IndexError
            Raised if there is no such tract.
        ValueError
            Raised if the tract is larger than the projection allows.
        """
        self._require_tract(tract_id)
        center, radius = self._placement(tract_id)
        wcs, bbox = tract_frame(center, radius, self.config)
        return TractInfo(
            tract_id=tract_id,
            ctr_coord=center,
            wcs=wcs,
            bbox=bbox,
            patch_inner_dimensions=Extent2I(*self.config.patchInnerDimensions),
            patch_border=self.config.patchBorder,
            inner_sky_region=self._inner_sky_region(tract_id, wcs, bbox),
        )

    @abstractmethod
    def findTractIdArray(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.int64]:
        """Return the number of the tract in charge of each position.

        Parameters
        ----------
        ra, dec
            Positions, degrees.

        Returns
        -------
        tract_ids
            Of the common shape of both inputs.

        Raises
        ------
        ValueError
            Raised if one is not a position.
        LookupError
            Raised if the sky map has no tracts.
        """

    def findTract(self, ra: float, dec: float) -> TractInfo:
        """Return the tract in charge of a position (degrees).

        Raises
        ------
        ValueError
            Raised if it is not a position.
        LookupError
            Raised if the sky map has no tracts.
        """
        return self[int(self.findTractIdArray(ra, dec))]

    def findAllTracts(self, ra: float, dec: float) -> list[TractInfo]:
        """Return every tract whose pixels cover a position (degrees), by increasing number."""
        return [tract for tract in self if tract.contains(ra, dec)]

    def findTractPatchList(self, ra: ArrayLike, dec: ArrayLike) -> list[tuple[TractInfo, list[PatchInfo]]]:
        """Return the tracts, and their patches, that may overlap the area around some positions.

        Parameters
        ----------
        ra, dec
            Positions, degrees: the corners of an exposure, say.

        Returns
        -------
        tract_patches
            Tracts with the patches of `TractInfo.findPatchList`; tracts without any are left out.
        """
        found = [(tract, tract.findPatchList(ra, dec)) for tract in self]
        return [(tract, patches) for tract, patches in found if patches]

    @property
    def max_num_patches(self) -> Index2D:
        """The most columns and the most rows of patches that a tract has."""
        counts = [tract.getNumPatches() for tract in self]
        return Index2D(max((n.x for n in counts), default=0), max((n.y for n in counts), default=0))

    def getSha1(self) -> bytes:
        """Return LSST's 20-byte hash of the definition: equal for the same map under another name."""
        c = self.config
        sha1 = hashlib.sha1(type(self).__name__.encode("ascii"), usedforsecurity=False)
        sha1.update(struct.pack("<iii", *c.patchInnerDimensions, c.patchBorder))
        sha1.update(
            struct.pack("<dd3sd", c.tractOverlap, c.pixelScale, c.projection.encode("ascii"), c.rotation)
        )
        sha1.update(self._packed_placement())
        return sha1.digest()

    def to_simple(self) -> dict[str, Any]:
        """Return the definition as values that JSON can hold; `make_sky_map` reads them."""
        return {"name": self.name, **self.config.model_dump(mode="json")}

    def __getitem__(self, tract_id: int) -> TractInfo:
        return self._cached_tract(operator.index(tract_id))

    def __iter__(self) -> Iterator[TractInfo]:
        return (self[tract_id] for tract_id in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyMap):
            return NotImplemented
        return self.getSha1() == other.getSha1()

    def __hash__(self) -> int:
        return hash(self.getSha1())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"

    def __reduce__(self) -> tuple[type[SkyMap], tuple[SkyMapConfig]]:
        return type(self), (self.config,)

    def _require_tract(self, tract_id: int) -> None:
        if not 0 <= tract_id < len(self):
            known = f"tracts are 0..{len(self) - 1}" if len(self) else "it has none"
            raise IndexError(f"no tract {tract_id} in this sky map; {known}")

    @abstractmethod
    def _placement(self, tract_id: int) -> tuple[tuple[float, float], float]:
        """Return a tract's centre ``(ra, dec)`` and its radius (half the side, without overlap), degrees."""

    @abstractmethod
    def _inner_sky_region(self, tract_id: int, wcs: SkyWcs, bbox: Box2I) -> SkyRegion:
        """Return where a tract is in charge, given its frame."""

    @abstractmethod
    def _packed_placement(self) -> bytes:
        """Return the little-endian bytes of what only this kind of sky map has, for the hash."""


def sky_positions(ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions (degrees) as radians of a common shape.

    Raises
    ------
    ValueError
        Raised if one is not a position.
    """
    lon, lat = np.broadcast_arrays(np.radians(ra), np.radians(dec))
    if not (np.all(np.isfinite(lon)) and np.all(np.abs(lat) <= np.pi / 2)):
        raise ValueError(
            f"not sky positions: ra {ra!r}, dec {dec!r}; give finite degrees, dec within -90..90"
        )
    return lon, lat
