"""ShownDataset: what is read for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from ..butler import Butler
from ..datasets import DatasetRef
from ..errors import DatasetNotFoundError, EmptyQueryResultError, MissingDatasetTypeError, StorageClassError
from ..images import Box2I, Image, Mask, SkyWcs
from ..pictures import Picture, rasterize_map
from .arguments import all_runs
from .selection import Selection
from .sky_boxes import SkyCutout

__all__ = ["ShownDataset"]

_SKY_KEYS: Final = {"tract", "patch", "detector"}
"""Keys that a position can stand for."""
_SKY_MAP: Final = "skyMap"
_MAX_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class ShownDataset:
    """A dataset, and the part of the sky that is to be drawn of it.

    Parameters
    ----------
    butler
        Where it is.
    ref
        The dataset.
    cutout
        Part of the sky; None for all of it.
    """

    butler: Butler
    ref: DatasetRef
    cutout: SkyCutout | None = None

    @classmethod
    def find(
        cls,
        butler: Butler,
        dataset_type: str,
        data_id: Sequence[str],
        collections: Sequence[str],
        cutout: SkyCutout | None,
    ) -> Self:
        """Find the dataset that a data ID and a position mean.

        Parameters
        ----------
        butler
            Where to look.
        dataset_type
            Name of the dataset type.
        data_id
            ``key=value`` words.
        collections
            Collections to search, in order; all runs if empty.
        cutout
            Part of the sky that it must cover, if its dimensions tell.

        Raises
        ------
        DatasetNotFoundError
            Raised if several datasets are meant, or none covers the position.
        EmptyQueryResultError
            Raised if there is none, whatever the position.
        """
        where = ""
        dimensions = butler.get_dataset_type(dataset_type).dimensions
        regions = dimensions.region_elements
        element = regions.get("skymap_regions") or regions.get("observation_regions")
        if cutout is not None and element is not None:
            where = f"{element}.region OVERLAPS POINT({cutout.ra:.10f}, {cutout.dec:.10f})"
        selection = Selection(
            types=[dataset_type], collections=collections, where=where, data_id=data_id, find_first=True
        )
        try:
            found = selection.find(butler)
        except EmptyQueryResultError:
            if cutout is None or not where:
                raise
            raise DatasetNotFoundError(f"no {dataset_type} of that data ID covers {cutout}") from None
        _require_one(found, sky_keys=_SKY_KEYS if where else set())
        candidates = [cls(butler, ref, cutout) for ref in found]
        return min(candidates, key=cls._distance) if len(candidates) > 1 else candidates[0]

    def picture(
        self, component: str | None, box: Box2I | None, *, planes: Sequence[str] | None, with_mask: bool
    ) -> Picture:
        """Read what is to be drawn.

        Parameters
        ----------
        component
            Part of the dataset; the image if None.
        box
            Pixels to draw; those of the cutout if None.
        planes
            Mask planes; the usual ones if None.
        with_mask
            Whether there are mask planes over the image.

        Raises
        ------
        StorageClassError
            Raised if it is nothing that can be drawn.
        """
        handle = self.butler.getDeferred(self.ref)
        parts = self.ref.datasetType.storageClass.allComponents()
        chosen = component or ("image" if "image" in parts else None)
        wcs = self._wcs()
        if self.cutout is not None and "bbox" in parts:
            if wcs is None:
                raise StorageClassError(f"{self.ref.datasetType.name} has no WCS; give --bbox")
            box = self.cutout.box_in(wcs, handle.get(component="bbox"))
        parameters = {} if box is None else {"bbox": box}
        shown = handle.get(component=chosen, parameters=parameters)
        title = self._title(component)
        if isinstance(shown, Mask):
            return Picture(None, shown, wcs, title, planes or ["all"])
        if isinstance(shown, Image):
            overlay = with_mask and chosen == "image" and "mask" in parts
            mask = handle.get(component="mask", parameters=parameters) if overlay else None
            if planes and mask is None:
                raise StorageClassError(f"{self.ref.datasetType.name} has no mask to lay over it")
            return Picture(shown, mask, wcs, title, planes)
        if not hasattr(shown, "is_wide_mask_map"):
            kind = type(shown).__name__
            raise StorageClassError(f"cannot draw a {kind}; an image, mask, exposure or map is needed")
        area = () if self.cutout is None else ((self.cutout.ra, self.cutout.dec), self.cutout.degrees())
        image, frame = rasterize_map(shown, *area)
        return Picture(image, wcs=frame, title=title)

    def _wcs(self) -> SkyWcs | None:
        """Return the WCS of the image, or that of its tract; None if there is neither."""
        handle = self.butler.getDeferred(self.ref)
        if "wcs" in self.ref.datasetType.storageClass.allComponents():
            found: SkyWcs | None = handle.get(component="wcs")
            return found
        data_id = self.ref.dataId.required
        if not {"skymap", "tract"} <= data_id.keys():
            return None
        runs = all_runs(self.butler)
        try:
            sky_map = self.butler.find_dataset(_SKY_MAP, skymap=data_id["skymap"], collections=runs)
        except MissingDatasetTypeError:
            return None
        if sky_map is None:
            return None
        of_tract: SkyWcs = self.butler.get(sky_map)[data_id["tract"]].getWcs()
        return of_tract

    def _distance(self) -> float:
        """Return how far the cutout's centre is from the middle of the image, as a part of its size."""
        wcs = self._wcs()
        assert self.cutout is not None
        if wcs is None:
            return 0.0
        bbox: Box2I = self.butler.getDeferred(self.ref).get(component="bbox")
        x, y = (float(v) for v in wcs.skyToPixel(self.cutout.ra, self.cutout.dec))
        return max(abs(x - bbox.center[0]) / bbox.width, abs(y - bbox.center[1]) / bbox.height)

    def _title(self, component: str | None) -> str:
        name = self.ref.datasetType.name + (f".{component}" if component else "")
        keys = ", ".join(f"{key} {value}" for key, value in self.ref.dataId.required.items())
        return f"{name}: {keys}\n{self.ref.run}"


def _require_one(refs: Sequence[DatasetRef], sky_keys: set[str]) -> None:
    """Refuse datasets that differ in more than what a position decides."""
    others = {tuple((k, v) for k, v in ref.dataId.required.items() if k not in sky_keys) for ref in refs}
    if len(others) > 1:
        told = "; ".join(str(ref.dataId) for ref in refs[:_MAX_TOLD])
        more = ", ..." if len(refs) > _MAX_TOLD else ""
        raise DatasetNotFoundError(
            f"{len(refs)} datasets fit, give more of the data ID to choose one: {told}{more}"
        )
