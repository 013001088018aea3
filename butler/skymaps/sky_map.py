"""SkyMap: the sky cut into tracts, and tracts into patches."""

from __future__ import annotations

import hashlib
import operator
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images import Box2I, SkyWcs
from ..regions import SkyRegion, overlapping
from .config import SkyMapConfig
from .dimension_packer import SkyMapDimensionPacker
from .index import Index2D
from .patch_info import PatchInfo
from .positions import Coordinates, sky_degrees
from .tract_frame import tract_frame
from .tract_info import TractInfo

__all__ = ["SkyMap"]

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
            layout=self.config.layout,
            tract_overlap=self.config.tractOverlap,
            inner_sky_region=self._inner_sky_region(tract_id, wcs, bbox),
        )

    @abstractmethod
    def findTractIdArray(
        self, coord: Coordinates, dec: ArrayLike | None = None, *, degrees: bool = True
    ) -> NDArray[np.int64]:
        """Return the number of the tract in charge of each position.

        Parameters
        ----------
        coord, dec
            Positions; see `sky_degrees`.
        degrees
            Whether they are in degrees, not radians. (LSST's default is radians.)

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

    def findTract(self, coord: Coordinates, dec: float | None = None) -> TractInfo:
        """Return the tract in charge of a position.

        Parameters
        ----------
        coord, dec
            The position; see `sky_degrees`.

        Raises
        ------
        ValueError
            Raised if it is not a position.
        LookupError
            Raised if the sky map has no tracts.
        """
        return self[int(self.findTractIdArray(coord, dec))]

    def findAllTracts(self, coord: Coordinates, dec: float | None = None) -> list[TractInfo]:
        """Return every tract whose pixels cover a position, by increasing number.

        Parameters
        ----------
        coord, dec
            The position; see `sky_degrees`.
        """
        ra, dec = (float(value) for value in sky_degrees(coord, dec))
        near = (self[tract_id] for tract_id in self.tracts_near(ra, dec, 0.0))
        return [tract for tract in near if tract.contains(ra, dec)]

    @abstractmethod
    def tracts_near(self, ra: float, dec: float, radius: float) -> list[int]:
        """Return the numbers, sorted, of tracts among which are all that reach into a circle.

        Parameters
        ----------
        ra, dec, radius
            The circle, degrees.
        """

    def inner_sky_region(self, tract_id: int) -> SkyRegion:
        """Return where a tract is in charge; quicker than by way of the tract where no pixels decide it.

        Raises
        ------
        IndexError
            Raised if there is no such tract.
        """
        return self[tract_id].inner_sky_region

    def findTractPatchList(
        self, coord: Coordinates | SkyRegion, dec: ArrayLike | None = None
    ) -> list[tuple[TractInfo, list[PatchInfo]]]:
        """Return the tracts, and their patches, that may overlap an area.

        Parameters
        ----------
        coord, dec
            A region; or positions around the area, see `sky_degrees`: the corners of an exposure, say.

        Returns
        -------
        tract_patches
            Tracts by increasing number, with the patches of `TractInfo.findPatchList`; tracts without any are
            left out.
        """
        if isinstance(coord, SkyRegion):
            near: Iterable[int] = [] if coord.is_empty else self.tracts_near(*coord.bounding_circle())
            found = [(self[i], self[i].findPatchList(coord)) for i in near]
        else:
            ra, dec = sky_degrees(coord, dec)
            found = [(tract, tract.findPatchList(ra, dec)) for tract in self._tracts_around(ra, dec)]
        return [(tract, patches) for tract, patches in found if patches]

    def findClosestTractPatchList(
        self, coord: Coordinates, dec: ArrayLike | None = None
    ) -> list[tuple[TractInfo, list[PatchInfo]]]:
        """Return, of each position's tract in charge, the patches that may overlap the area around all.

        Parameters
        ----------
        coord, dec
            Positions; see `sky_degrees`.

        Returns
        -------
        tract_patches
            Tracts by increasing number, each once, with the patches of `TractInfo.findPatchList`.
        """
        ra, dec = sky_degrees(coord, dec)
        tracts = [self[int(tract_id)] for tract_id in np.unique(self.findTractIdArray(ra, dec))]
        return [(tract, tract.findPatchList(ra, dec)) for tract in tracts]

    def find_patch_ids(
        self, coord: Coordinates, dec: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tract in charge of each position, and the patch of it whose inner box has the position.

        Parameters
        ----------
        coord, dec
            Positions; see `sky_degrees`.

        Returns
        -------
        tract_ids, patch_ids
            Numbers; that of the patch is -1 where the tract in charge does not reach (of a discrete map).

        Raises
        ------
        ValueError
            Raised if one is not a position.
        LookupError
            Raised if the sky map has no tracts.
        """
        ra, dec = sky_degrees(coord, dec)
        tract_ids = self.findTractIdArray(ra, dec)
        flat_ids, flat_ra, flat_dec = tract_ids.ravel(), ra.ravel(), dec.ravel()
        patch_ids = np.empty(flat_ids.shape, dtype=np.int64)
        order = np.argsort(flat_ids, kind="stable")
        present, starts = np.unique(flat_ids[order], return_index=True)
        for tract_id, start, end in zip(present.tolist(), starts, [*starts[1:], len(order)], strict=False):
            members = order[start:end]
            patch_ids[members] = self[tract_id].find_patch_ids(flat_ra[members], flat_dec[members])
        return tract_ids, patch_ids.reshape(tract_ids.shape)

    def find_overlaps(
        self, regions: Sequence[SkyRegion]
    ) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
        """Return all pairs of some regions and the patches that they overlap.

        Parameters
        ----------
        regions
            The regions; see `SkyRegion.overlaps` for which are exact.

        Returns
        -------
        i, tract_ids, patch_ids
            Index of the region and numbers of the patch, one entry for each pair, sorted.
        """
        members: dict[int, list[int]] = {}
        for i, region in enumerate(regions):
            for tract_id in () if region.is_empty else self.tracts_near(*region.bounding_circle()):
                members.setdefault(tract_id, []).append(i)
        encoded = [region.encode() for region in regions]
        found: list[NDArray[np.int64]] = [np.empty((3, 0), dtype=np.int64)]
        for tract_id, candidates in members.items():
            patches = [region.encode() for region in self[tract_id].patch_regions()]
            first = np.repeat(candidates, len(patches))
            second = np.tile(np.arange(len(patches)), len(candidates))
            meet = overlapping(encoded, patches, first, second)
            found.append(np.array([first[meet], np.full(meet.sum(), tract_id), second[meet]]))
        pairs = np.concatenate(found, axis=1)
        i, tract_ids, patch_ids = pairs[:, np.lexsort(pairs[::-1])]
        return i, tract_ids, patch_ids

    def pack_data_id(self, tract: int, patch: int, band: str | None = None) -> tuple[int, int]:
        """Return a tract and patch, and a band if given, as one number.

        Returns
        -------
        packed, n_bits
            The number, and the most bits that it takes for any data ID; see `SkyMapDimensionPacker`.

        Raises
        ------
        ValueError
            Raised if there is no such tract, patch or band.
        """
        bands = None if band is None else SkyMapDimensionPacker.SUPPORTED_BANDS
        packer = SkyMapDimensionPacker(len(self), *self.max_num_patches, bands=bands)
        return packer.pack(tract, patch, band), packer.maxBits

    @property
    def max_num_patches(self) -> Index2D:
        """The most columns and the most rows of patches that a tract has."""
        counts = [tract.getNumPatches() for tract in self]
        return Index2D(max((n.x for n in counts), default=0), max((n.y for n in counts), default=0))

    def getSha1(self) -> bytes:
        """Return LSST's 20-byte hash of the definition: equal for the same map under another name."""
        c = self.config
        sha1 = hashlib.sha1(type(self).__name__.encode("ascii"), usedforsecurity=False)
        sha1.update(c.layout.packed())
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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config,)

    def _require_tract(self, tract_id: int) -> None:
        if not 0 <= tract_id < len(self):
            known = f"tracts are 0..{len(self) - 1}" if len(self) else "it has none"
            raise IndexError(f"no tract {tract_id} in this sky map; {known}")

    @abstractmethod
    def _placement(self, tract_id: int) -> tuple[tuple[float, float], float]:
        """Return a tract's centre ``(ra, dec)`` and its radius (half the side, without overlap), degrees."""

    def _tracts_around(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Iterable[TractInfo]:
        """Return the tracts that may overlap the area around some positions, by increasing number."""
        return self

    @abstractmethod
    def _inner_sky_region(self, tract_id: int, wcs: SkyWcs, bbox: Box2I) -> SkyRegion:
        """Return where a tract is in charge, given its frame."""

    @abstractmethod
    def _packed_placement(self) -> bytes:
        """Return the little-endian bytes of what only this kind of sky map has, for the hash."""
