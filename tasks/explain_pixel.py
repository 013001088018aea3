"""explain_pixel: which visits a pixel of a coadd is made of, which are left out, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from butler import Butler, CollectionType, DatasetRef, DatasetType
from butler.errors import DatasetNotFoundError
from butler.images import Box2I, Exposure, Extent2I, Mask, MaskedImage, Point2I
from butler.provenance import QuantumRecord

from .coadd import ImageScaler, spans_of_row
from .errors import ExplainError, ExplainPlaceError
from .kernels.stacking import Statistic, kept_by_clipping, statistics_stack

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["explain_pixel"]

_COLUMNS: Final = {
    "instrument": (str, "instrument of the visit"),
    "visit": (np.int64, "visit"),
    "state": (str, "used, masked, not finite, clipped (a whole artifact) or sigma-clipped (this pixel)"),
    "value": (np.float32, "pixel of the warp"),
    "scale": (np.float64, "factor that brings it to the coadd's zero point"),
    "scaled_value": (np.float32, "pixel as it was combined"),
    "variance": (np.float32, "its variance, as it was combined"),
    "weight": (np.float64, "weight of the visit in the coadd"),
    "planes": (str, "mask planes of the warp's pixel"),
    "rule": (str, "why it was left out: bad planes, or the rule by which its artifact was clipped"),
    "footprint": (np.int32, "number of the artifact in the clip record; -1 for none or a whole detection"),
    "overlap": (np.float64, "overlap that decided, of SafeClip; NaN for none"),
    "area": (np.int64, "pixels of the artifact; 0 for none"),
}
_MATCHED: Final = "psfMatchedWarp"
"""End of the dataset types of warps that CompareWarp compares and does not combine."""
_TOLERANCE: Final = 1e-6
"""Relative difference that the rounding of running sums may make."""


def explain_pixel(
    butler: Butler,
    *,
    ra: float | None = None,
    dec: float | None = None,
    tract: int | None = None,
    patch: int | None = None,
    x: int | None = None,
    y: int | None = None,
    band: str | None = None,
    skymap: str | None = None,
    collections: Sequence[str] | None = None,
    coadd: str = "deepCoadd",
) -> Table:
    """Return the visits of one pixel of a coadd, and what became of each.

    Parameters
    ----------
    butler
        The repository.
    ra, dec
        Position, ICRS degrees; or else ``tract``, ``patch``, ``x`` and ``y``.
    tract, patch
        Patch of the coadd.
    x, y
        Pixel, in the tract's pixels.
    band, skymap
        Which coadd, where there are several.
    collections
        Where to look, in order; all runs, newest first, if None.
    coadd
        Dataset type of the coadd.

    Returns
    -------
    table
        One row for each visit of the coadd, used or not; its metadata has the coadd's own pixel (``value``,
        ``variance``, ``planes``), the same ``recomputed`` from the rows, and whether they ``match``.

    Raises
    ------
    ExplainPlaceError
        Raised if the place is not told in one of the two ways, or is no position.
    ExplainError
        Raised if the place lies outside, if several coadds are meant, if the dataset type is none of coadds,
        or if the coadd does not say how it was made.
    DatasetNotFoundError
        Raised if there is no such coadd, or if a warp or the clip record of it is gone.
    """
    on_sky = ra is not None and dec is not None
    on_patch = None not in (tract, patch, x, y)
    half_told = (ra is None) != (dec is None) or (on_sky and (x, y) != (None, None))
    if on_sky == on_patch or half_told:
        raise ExplainPlaceError("give either ra and dec, or tract, patch, x and y")
    if ra is not None and dec is not None and not (math.isfinite(ra) and abs(dec) <= 90):
        raise ExplainPlaceError(
            f"ra={ra}, dec={dec} is no position; ra is finite, and dec within -90..90 degrees"
        )
    _check_coadd(butler, coadd)
    search = list(collections or reversed(butler.collections.query("*", CollectionType.RUN)))
    given = {"tract": tract, "patch": patch, "band": band, "skymap": skymap}
    data_id = {key: value for key, value in given.items() if value is not None}
    where = (
        f"patch.region OVERLAPS POINT({float(ra):.10f}, {float(dec):.10f})"
        if ra is not None and dec is not None
        else ""
    )
    refs = butler.query_datasets(coadd, search, data_id=data_id, where=where, explain=False)
    if not refs:
        place = f"ra={ra}, dec={dec}" if on_sky else ", ".join(f"{k}={v}" for k, v in data_id.items())
        raise DatasetNotFoundError(
            f"no {coadd} covers {place} in {', '.join(search) or 'an empty repository'}"
        )
    for dimension in ("band", "skymap"):
        if len(found := sorted({str(ref.dataId[dimension]) for ref in refs})) > 1:
            told = ", ".join(found)
            raise ExplainError(f"several coadds are there, of the {dimension}s {told}; give one {dimension}")
    if ra is not None and dec is not None:
        ref, x, y = _deepest_inside(butler, refs, ra, dec)
    else:
        ref = refs[0]
    assert x is not None
    assert y is not None
    return _explain(butler, ref, Point2I(int(x), int(y)), search)


def _check_coadd(butler: Butler, name: str) -> None:
    """Refuse a dataset type that has no inputs of a coadd in it, and tell those that have."""
    kind = butler.get_dataset_type(name)
    if _is_of_coadds(kind):
        return
    coadds = filter(_is_of_coadds, butler.registry.queryDatasetTypes())
    known = ", ".join(other.name for other in coadds) or "none yet"
    raise ExplainError(
        f"{name} is {kind.storageClass_name} of {', '.join(kind.dimensions.required)}, not an exposure of a "
        f"coadd; give one of the coadds that are there: {known}"
    )


def _is_of_coadds(kind: DatasetType) -> bool:
    """Tell whether datasets of a type may be coadds: exposures of a patch, and of no single visit."""
    dimensions = kind.dimensions.required
    return (
        "coaddInputs" in dict(kind.storageClass.components)
        and "patch" in dimensions
        and "visit" not in dimensions
    )


def _deepest_inside(
    butler: Butler, refs: Sequence[DatasetRef], ra: float, dec: float
) -> tuple[DatasetRef, int, int]:
    """Return the coadd whose edges are farthest from a position, and the pixel there."""
    best: tuple[float, DatasetRef, int, int] | None = None
    for ref in refs:
        handle = butler.getDeferred(ref)
        wcs, box = handle.get(component="wcs"), handle.get(component="bbox")
        u, v = (math.floor(float(p) + 0.5) for p in wcs.skyToPixel(ra, dec))
        depth = min(u - box.minX, box.maxX - u, v - box.minY, box.maxY - v)
        if depth >= 0 and (best is None or depth > best[0]):
            best = (depth, ref, u, v)
    if best is None:
        raise ExplainError(f"ra={ra}, dec={dec} is beside the pixels of {len(refs)} coadds near it")
    return best[1:]


@dataclass(frozen=True)
class _Recipe:
    """How a coadd was made, from its header."""

    statistic: Statistic
    bad_planes: list[str]
    removed_planes: list[str]
    options: Mapping[str, Any]
    scaled: bool

    @classmethod
    def of(cls, coadd: Exposure, ref: DatasetRef) -> _Recipe:
        cards = coadd.metadata
        try:
            return cls(
                Statistic.from_name(cards["STATISTI"]),
                [name for name in str(cards["BADPLANE"]).split(",") if name],
                [name for name in str(cards["RMPLANE"]).split(",") if name],
                {
                    "num_sigma": float(cards["SIGCLIP"]),
                    "num_iter": int(cards["CLIPITER"]),
                    "calc_error_from_input_variance": bool(cards["ERRINPUT"]),
                },
                "BUNIT" not in cards,
            )
        except KeyError as error:
            raise ExplainError(
                f"the header of {ref} lacks {error}, which says how it was made; make the coadd again"
            ) from None


def _explain(butler: Butler, ref: DatasetRef, pixel: Point2I, search: Sequence[str]) -> Table:
    from astropy.table import Table

    handle = butler.getDeferred(ref)
    box = Box2I(pixel, Extent2I(1, 1))
    whole: Box2I = handle.get(component="bbox")
    if not whole.contains(box):
        raise ExplainError(f"pixel x={pixel.x}, y={pixel.y} is not in {whole} of {ref}")
    coadd: Exposure = handle.get(parameters={"bbox": box})
    if coadd.coaddInputs is None:
        raise ExplainError(f"{ref} does not say which visits it was made of")
    recipe = _Recipe.of(coadd, ref)
    quantum = butler.registry.quanta.producers([ref.id]).get(ref.id)
    read = [] if quantum is None else butler.get_many_datasets(d.id for d in quantum.all_inputs())
    record = _clip_record(butler, ref, quantum)
    warps = _warps_of(butler, ref, coadd, read, search)
    others = {int(r.dataId["visit"]): r for r in read if r.datasetType.name.endswith(_MATCHED)}
    rows, inputs = [], []
    for visit in coadd.coaddInputs.visits:
        row, warp = _row(butler, warps[visit.visit], visit, box, recipe, coadd, record)
        if row["state"] == "used" and _is_without_data(butler, others.get(visit.visit), box):
            row |= {"state": "masked", "rule": "no PSF-matched data"}
        rows.append(row)
        inputs.append(warp)
    value, variance = _recompute(rows, inputs, recipe)
    table = Table(meta=_summary(coadd, ref, pixel, value, variance))
    for name, (dtype, description) in _COLUMNS.items():
        table[name] = np.array([row[name] for row in rows], dtype=dtype)
        table[name].description = description
    return table


def _warps_of(
    butler: Butler, ref: DatasetRef, coadd: Exposure, read: Sequence[DatasetRef], search: Sequence[str]
) -> dict[int, DatasetRef]:
    """Return the warps that a coadd was made of: those its quantum read, or else of the same visits."""
    assert coadd.coaddInputs is not None
    wanted = {row.visit for row in coadd.coaddInputs.visits}
    data_id = {key: ref.dataId[key] for key in ("skymap", "tract", "patch")}
    name = str(coadd.metadata.get("WARPTYPE", "deepCoadd_directWarp"))
    found = {int(warp.dataId["visit"]): warp for warp in read if warp.datasetType.name == name}
    if wanted - set(found):
        for warp in butler.query_datasets(name, list(search), data_id=data_id, explain=False):
            found.setdefault(int(warp.dataId["visit"]), warp)
    if missing := sorted(wanted - set(found)):
        raise DatasetNotFoundError(
            f"the warps {name} of visits {missing}, of which {ref} was made, are gone or in other collections"
        )
    return found


def _is_without_data(butler: Butler, matched: DatasetRef | None, box: Box2I) -> bool:
    """Tell whether a visit could not be compared at a pixel, and so was left out there by CompareWarp."""
    if matched is None:
        return False
    return bool(butler.get(matched, parameters={"bbox": box}).mask.isSet("NO_DATA").any())


def _clip_record(butler: Butler, ref: DatasetRef, quantum: QuantumRecord | None) -> Table | None:
    """Return the clip record that was made with a coadd, whatever it is called; None if there was none.

    Raises
    ------
    DatasetNotFoundError
        Raised if the record is gone.
    """
    if quantum is not None:
        written = quantum.outputs.get("clipRecord", ())
        kept = butler.get_many_datasets(dataset.id for dataset in written)
        if len(kept) < len(written):
            raise DatasetNotFoundError(f"{written[0]}, which says what was clipped in {ref}, is gone")
        return butler.get(kept[0]) if kept else None
    # Nobody knows who made the coadd; its record has the name that it has by default.
    name = ref.datasetType.name.removeprefix("fakes_").removesuffix("PsfMatched") + "_clipped"
    if not butler.registry.queryDatasetTypes(name):
        return None
    found = butler.find_dataset(name, ref.dataId, collections=ref.run)
    return None if found is None else butler.get(found)


def _row(
    butler: Butler,
    ref: DatasetRef,
    visit: Any,
    box: Box2I,
    recipe: _Recipe,
    coadd: Exposure,
    record: Table | None,
) -> tuple[dict[str, Any], MaskedImage]:
    """Return the row of a visit before any sigma clipping, and its pixel as it was combined."""
    handle = butler.getDeferred(ref)
    warp: MaskedImage = handle.get(component="maskedImage", parameters={"bbox": box})
    value, scale = float(warp.image.array[0, 0]), 1.0
    if recipe.scaled:
        assert coadd.photoCalib is not None
        scale = handle.get(component="photoCalib").calibrationMean / coadd.photoCalib.calibrationMean
        warp = ImageScaler(scale).scaled(warp)
    planes = _names(warp.mask)
    bad = [name for name in planes if name in recipe.bad_planes and name not in recipe.removed_planes]
    clips = [] if record is None else _clips(record, visit.visit, box.minimum)
    row: dict[str, Any] = {
        "instrument": str(ref.dataId["instrument"]), "visit": visit.visit, "state": "used",
        "value": value, "scale": scale, "scaled_value": warp.image.array[0, 0],
        "variance": warp.variance.array[0, 0], "weight": visit.weight, "planes": "|".join(planes),
        "rule": "", "footprint": -1, "overlap": math.nan, "area": 0,
    }  # fmt: skip
    if clips:
        told = {
            key: clips[0][key] for key in ("rule", "footprint", "overlap", "area") if key in clips[0].colnames
        }
        row |= {**told, "state": "clipped"}
    elif bad:
        row |= {"state": "masked", "rule": "|".join(bad)}
    elif not math.isfinite(value):
        row |= {"state": "not finite", "rule": "not finite"}
    return row, warp


def _clips(record: Table, visit: int, pixel: Point2I) -> list[Any]:
    """Return the rows of the clip record that cover a pixel on a visit."""
    return [row for row in record if int(row["visit"]) == visit and spans_of_row(row).contains(pixel)]


def _names(mask: Mask) -> list[str]:
    bits = int(mask.array[0, 0])
    return [name for name, bit in sorted(mask.planes.items(), key=lambda item: item[1]) if bits >> bit & 1]


def _recompute(
    rows: Sequence[dict[str, Any]], inputs: Sequence[MaskedImage], recipe: _Recipe
) -> tuple[float, float]:
    """Combine what was not left out, and note in the rows what sigma clipping leaves out."""
    left_out = [row["state"] != "used" for row in rows]
    result = statistics_stack(
        [warp.image.array for warp in inputs],
        [warp.variance.array for warp in inputs],
        [np.array([[int(out)]], np.int32) for out in left_out],
        [row["weight"] for row in rows],
        statistic=recipe.statistic,
        and_mask=1,
        **recipe.options,
    )
    if recipe.statistic.is_clipped and not all(left_out):
        good = [row for row, out in zip(rows, left_out, strict=True) if not out]
        kept = kept_by_clipping(
            [row["scaled_value"] for row in good],
            [row["weight"] for row in good],
            num_sigma=recipe.options["num_sigma"],
            num_iter=recipe.options["num_iter"],
        )
        for row, keeps in zip(good, kept, strict=True):
            if not keeps:
                row |= {"state": "sigma-clipped", "rule": f"{recipe.options['num_sigma']:g} sigma"}
    return float(result.image[0, 0]), float(result.variance[0, 0])


def _summary(
    coadd: Exposure, ref: DatasetRef, pixel: Point2I, value: float, variance: float
) -> dict[str, Any]:
    """Return what holds for the pixel as a whole."""
    own, own_variance = float(coadd.image.array[0, 0]), float(coadd.variance.array[0, 0])
    planes = _names(coadd.mask)
    # Afterwards no variance stays that is not positive.
    finished = variance if variance > 0 else math.inf
    filled = "INTRP" in planes and "NO_DATA" in planes
    match = filled or (_close(own, value) and _close(own_variance, finished))
    assert coadd.wcs is not None
    ra, dec = coadd.wcs.pixelToSky(float(pixel.x), float(pixel.y))
    return {
        "coadd": str(ref), "x": pixel.x, "y": pixel.y, "ra": float(ra), "dec": float(dec),
        "statistic": str(coadd.metadata["STATISTI"]), "value": own, "variance": own_variance,
        "planes": "|".join(planes), "recomputed": value, "recomputed_variance": finished,
        "interpolated": filled, "match": match,
    }  # fmt: skip


def _close(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= _TOLERANCE * abs(b)
