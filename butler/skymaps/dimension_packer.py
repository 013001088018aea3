"""SkyMapDimensionPacker: tract, patch and band as one whole number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

__all__ = ["SkyMapDimensionPacker"]


class SkyMapDimensionPacker:
    """Packs data IDs of a sky map into numbers, as LSST does: the patch counts fastest, the band slowest.

    Parameters
    ----------
    tract_max
        Number of tracts.
    patch_nx_max, patch_ny_max
        Most columns and most rows of patches that a tract has.
    bands
        Names of bands, by their number; None if data IDs have none. ``None`` in it stands for no band.
    """

    SUPPORTED_BANDS: ClassVar[tuple[str | None, ...]] = (
        None,
        *"ugrizyUBGVRIZYJHK",
        *("N387", "N515", "N656", "N816", "N921", "N1010"),
        *("N419", "N540", "N708", "N964"),
    )
    """Bands in LSST's order."""

    def __init__(
        self,
        tract_max: int,
        patch_nx_max: int,
        patch_ny_max: int,
        *,
        bands: Sequence[str | None] | None = None,
    ) -> None:
        self._n_tracts = tract_max
        self._n_patches = patch_nx_max * patch_ny_max
        self._bands = (None,) if bands is None else tuple(bands)

    @property
    def maxBits(self) -> int:
        """Most bits that a packed number takes."""
        return max(self._n_tracts * self._n_patches * len(self._bands) - 1, 0).bit_length()

    def pack(self, tract: int, patch: int, band: str | None = None) -> int:
        """Return a data ID as a number.

        Raises
        ------
        ValueError
            Raised if a value is out of its range, or the band is not known.
        """
        for name, value, count in (("tract", tract, self._n_tracts), ("patch", patch, self._n_patches)):
            if not 0 <= value < count:
                raise ValueError(f"{name} {value} cannot be packed; there are {count} of them, from 0")
        if band not in self._bands:
            known = ", ".join(str(name) for name in self._bands)
            raise ValueError(f"band {band!r} cannot be packed; known are {known}")
        return patch + self._n_patches * (tract + self._n_tracts * self._bands.index(band))

    def unpack(self, packed: int) -> tuple[int, int, str | None]:
        """Return tract, patch and band of a number.

        Raises
        ------
        ValueError
            Raised if no data ID has that number.
        """
        if not 0 <= packed < self._n_tracts * self._n_patches * len(self._bands):
            raise ValueError(f"{packed} is no packed data ID of this sky map")
        rest, patch = divmod(packed, self._n_patches)
        band, tract = divmod(rest, self._n_tracts)
        return tract, patch, self._bands[band]
