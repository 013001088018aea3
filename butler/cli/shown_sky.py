"""ShownSky: what is looked up for a picture of the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from ..butler import Butler
from ..datasets import DatasetRef, DatasetType
from ..errors import DatasetNotFoundError, EmptyQueryResultError, StorageClassError
from ..ingest import find_sky_map, observed_outlines
from ..pictures import SkyFrame, SkyOutline, SkyPicture, depth_map
from ..regions import SkyRegion
from ..skymaps import RingsSkyMap, SkyMap
from .arguments import all_runs
from .data_ids import parse_terms, query_conditions
from .selection import Selection
from .sky_boxes import SkyCutout

__all__ = ["ShownSky", "put_depth_map"]

_DEPTH_MAP: Final = DatasetType("depthMap", (), "HealSparseMap")


@dataclass(frozen=True, slots=True)
class ShownSky:
    """Observations, patches and the sky map of a picture.

    Parameters
    ----------
    outlines
        What was observed.
    patches
        Numbers ``(tract, patch)`` of patches that have a dataset.
    patch_types
        Types of these datasets.
    sky_map
        Name of the sky map, and the sky map; None if there is none.
    told
        What was asked for, in words.
    """

    outlines: Sequence[SkyOutline]
    patches: Sequence[tuple[int, int]]
    patch_types: Sequence[str]
    sky_map: tuple[str, SkyMap] | None
    told: str

    @classmethod
    def find(
        cls, butler: Butler, selection: Selection, sky_map: str | None, *, with_sky_map: bool = True
    ) -> Self:
        """Look up what a selection of datasets means on the sky.

        Parameters
        ----------
        butler
            Where to look.
        selection
            Which observations, or which datasets of them, or of patches.
        sky_map
            Name of the sky map; that of the patches, or the only one, if None.
        with_sky_map
            Whether a sky map is drawn.

        Raises
        ------
        EmptyQueryResultError
            Raised if there is nothing to draw.
        DatasetNotFoundError
            Raised if there is no such sky map, or several and none is named.
        StorageClassError
            Raised for a dataset type that lies nowhere on the sky.
        """
        observed, of_patches = _sorted_types(butler, selection.types)
        refs = replace(selection, types=of_patches).find(butler) if of_patches else []
        outlines: list[SkyOutline] = []
        if observed or not of_patches:
            outlines = _outlines(butler, selection, observed)
        names = {str(ref.dataId["skymap"]) for ref in refs}
        names |= set(parse_terms(selection.data_id).get("skymap", ()))
        if sky_map is None and len(names) == 1:
            (sky_map,) = names
        found = _sky_map(butler, sky_map) if with_sky_map else None
        if not outlines and not refs and found is None:
            raise EmptyQueryResultError("nothing was observed, and no sky map is registered")
        patches = [] if found is None else _patches_of(refs, *found)
        told = ", ".join(text for text in (*selection.types, *selection.data_id, selection.where) if text)
        return cls(outlines, patches, of_patches, found, told)

    def picture(
        self, cutout: SkyCutout | None, *, whole_sky: bool, depth: str, nside: int | None
    ) -> SkyPicture:
        """Return what is to be drawn.

        Parameters
        ----------
        cutout
            Part of the sky; all that was found if None.
        whole_sky
            Whether to show the whole sky.
        depth
            What the depth map counts; ``none`` for none.
        nside
            Its resolution; fits the outlines if None.
        """
        frame = SkyFrame.whole_sky() if whole_sky else self._frame(cutout)
        deep = None
        if self.outlines and depth != "none":
            deep = depth_map(self.outlines, depth, nside=nside)
        title = " · ".join(filter(None, [self.told, self.sky_map and f"sky map {self.sky_map[0]}"]))
        return SkyPicture(
            frame,
            self.outlines,
            self.sky_map[1] if self.sky_map else None,
            chosen=self.patches,
            chosen_label=f"patches with {', '.join(self.patch_types)}",
            depth=deep,
            title=title,
        )

    def _frame(self, cutout: SkyCutout | None) -> SkyFrame:
        """Return the part of the sky that was asked for, or that holds all that was found."""
        if cutout is not None:
            return SkyFrame.of_box((cutout.ra, cutout.dec), cutout.degrees())
        regions = [outline.region for outline in self.outlines] + self._patch_regions()
        if regions:
            return SkyFrame.around(regions)
        sky_map = self.sky_map[1] if self.sky_map else None
        if sky_map is None or isinstance(sky_map, RingsSkyMap):
            return SkyFrame.whole_sky()
        return SkyFrame.around([tract.outer_sky_polygon for tract in sky_map])

    def _patch_regions(self) -> list[SkyRegion]:
        if self.sky_map is None:
            return []
        sky_map = self.sky_map[1]
        return [sky_map[tract].getPatchInfo(patch).inner_sky_polygon for tract, patch in self.patches]


def put_depth_map(butler: Butler, depth: Any, run: str) -> None:
    """Put a depth map as a dataset."""
    butler.registry.registerDatasetType(_DEPTH_MAP)
    butler.registry.registerRun(run)
    butler.put(depth, _DEPTH_MAP, run=run)


def _sorted_types(butler: Butler, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the dataset types of observations, and those of patches alone."""
    observed, of_patches = [], []
    for name in names:
        dataset_type = butler.get_dataset_type(name)
        regions = dataset_type.dimensions.region_elements
        if "observation_regions" in regions:
            observed.append(dataset_type.name)
        elif "skymap_regions" in regions:
            of_patches.append(dataset_type.name)
        else:
            raise StorageClassError(f"{name} lies nowhere on the sky: it has no visit and no tract")
    return observed, of_patches


def _patches_of(refs: Sequence[DatasetRef], name: str, sky_map: SkyMap) -> list[tuple[int, int]]:
    """Return the patches of a sky map that datasets are of; of one of a tract, all that the tract has."""
    patches: set[tuple[int, int]] = set()
    for data_id in (ref.dataId for ref in refs if ref.dataId["skymap"] == name):
        tract = int(data_id["tract"])
        numbers = [int(data_id["patch"])] if "patch" in data_id.dimensions else range(len(sky_map[tract]))
        patches |= {(tract, number) for number in numbers}
    return sorted(patches)


def _outlines(butler: Butler, selection: Selection, types: Sequence[str]) -> list[SkyOutline]:
    """Return the outlines of observations; none only if nothing was asked for."""
    path = butler.collections.query(selection.collections) if selection.collections else all_runs(butler)
    conditions = query_conditions(selection.data_id, selection.where)
    try:
        return observed_outlines(butler, *conditions, dataset_types=types, collections=path)
    except EmptyQueryResultError:
        if types or selection.where or selection.data_id:
            raise
        return []


def _sky_map(butler: Butler, name: str | None) -> tuple[str, SkyMap] | None:
    """Return a sky map and its name; None if none is named and there is none."""
    if name is None and not butler.registry.records.fetch_all("skymap"):
        return None
    try:
        return find_sky_map(butler, name)
    except DatasetNotFoundError as error:
        error.add_note("choose one with --skymap, or draw none with --no-skymap")
        raise
