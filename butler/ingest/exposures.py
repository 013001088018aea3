"""Ingest exposures: from files to dimension records and datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from astropy.time import TimeDelta

from ..butler import Butler
from ..datasets import DatasetRef, DatasetType, FileDataset
from ..dimensions import Timespan
from ..errors import ButlerUserError, ConflictingDefinitionError, IngestError
from ..formatters import read_camera_header
from ..images import Box2I, Extent2I, Point2I, SkyWcs
from ..regions import SkyRegion
from .camera import CameraMapping, ExposureDescription, find_camera

__all__ = ["CAMERA", "DEFECTS", "EXPOSURE", "WEIGHT", "IngestReport", "expand_paths", "ingest_exposures"]

EXPOSURE: Final = DatasetType("postISRCCD", ("instrument", "exposure", "detector"), "ExposureF")
"""A flattened detector image, as LSST names it."""
WEIGHT: Final = DatasetType("postISRCCD_weight", ("instrument", "exposure", "detector"), "ImageF")
"""Its inverse variance, in 1/count²."""
DEFECTS: Final = DatasetType("defects", ("instrument", "detector"), "ImageF")
"""Bad pixels of a detector: not 0."""
CAMERA: Final = DatasetType("camera", ("instrument",), "StructuredDataDict")
"""The `CameraMapping` that headers were read with."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the files.

    Parameters
    ----------
    ingested
        Datasets that are new.
    skipped
        Files that were ingested before.
    failed
        Files that could not be ingested, each with the reason.
    """

    ingested: list[DatasetRef] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


def expand_paths(paths: Iterable[Path]) -> list[Path]:
    """Return the files; a directory stands for the FITS files in it, sorted.

    Raises
    ------
    IngestError
        Raised if a path does not exist, or a directory has no FITS file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (".fits", ".fit", ".fts", ".fz"))
            if not inside:
                raise IngestError(f"there is no FITS file in the directory {path}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise IngestError(f"no file or directory {path}")
    return found


def ingest_exposures(
    butler: Butler,
    paths: Sequence[Path],
    *,
    run: str,
    camera: CameraMapping | None = None,
    transfer: str = "copy",
    bad_pixel_mask: Path | None = None,
    weight_name: Callable[[Path], Path] | None = None,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> IngestReport:
    """Ingest flattened exposures, one detector image a file.

    Each file is ingested whole or not at all; a bad one does not keep the others out. Files that were
    ingested before are skipped, so that a second call brings in what is new.

    Parameters
    ----------
    butler
        A writeable butler.
    paths
        Files; the bad pixel mask and weights among them are no exposures.
    run
        RUN for the datasets.
    camera
        How headers are read; the shipped mapping that recognises the first of the headers if None.
    transfer
        ``copy``, ``symlink``, ``hardlink`` or ``direct``.
    bad_pixel_mask
        Image that is not 0 where the detector is bad; for all files.
    weight_name
        Gives the inverse-variance image of an exposure's file, if there are such.
    progress
        Wraps the iteration over files, for example in a progress bar.

    Returns
    -------
    report
        What became of the files.

    Raises
    ------
    IngestError
        Raised if there is no exposure, if no camera mapping fits, or if the bad pixel mask cannot be read.
    ConflictingDefinitionError
        Raised if the instrument is known with another mapping.
    """
    exposures = _without_others(paths, bad_pixel_mask, weight_name)
    mapping = camera or _find_camera(exposures)
    if bad_pixel_mask is not None:
        _check_image(bad_pixel_mask, "bad pixel mask")
    _register_camera(butler, mapping, run)
    report = IngestReport()
    detectors: set[int] = set()
    for path in progress(exposures):
        try:
            description, region = _read_header(path, mapping)
            weight = None if weight_name is None else weight_name(path)
            refs = _ingest_one(butler, path, description, region, run, transfer, weight)
        except (ButlerUserError, OSError) as error:
            report.failed.append((path, _reason(error, path)))
            continue
        detectors.add(description.detector)
        report.ingested.extend(refs)
        if not refs:
            report.skipped.append(path)
    if bad_pixel_mask is not None:
        report.ingested.extend(
            _ingest_defects(butler, mapping, bad_pixel_mask, sorted(detectors), run, transfer)
        )
    return report


def _without_others(
    paths: Sequence[Path], bad_pixel_mask: Path | None, weight_name: Callable[[Path], Path] | None
) -> list[Path]:
    """Return the files that are exposures."""
    others = {bad_pixel_mask.resolve()} if bad_pixel_mask is not None else set()
    if weight_name is not None:
        others |= {weight_name(path).resolve() for path in paths}
    exposures = [path for path in paths if path.resolve() not in others]
    if not exposures:
        raise IngestError("there is no exposure to ingest")
    return exposures


def _find_camera(paths: Sequence[Path]) -> CameraMapping:
    """Return the mapping for the first file that can be read and is recognised."""
    faults: list[Exception] = []
    for path in paths:
        try:
            return find_camera(read_camera_header(path), str(path))
        except (ButlerUserError, OSError) as error:
            faults.append(error)
    raise IngestError(str(faults[0])) from faults[0]


def _check_image(path: Path, what: str) -> None:
    """Refuse a file that cannot be read or has no image."""
    try:
        read_camera_header(path)
    except OSError as error:
        raise IngestError(f"cannot read the {what} {path}: {error.strerror or error}") from error


def _register_camera(butler: Butler, camera: CameraMapping, run: str) -> None:
    """Keep the mapping in the repository, and see that it does not change."""
    registry = butler.registry
    values = camera.model_dump(mode="json")
    with butler.transaction():
        registry.registerRun(run)
        for dataset_type in (EXPOSURE, WEIGHT, DEFECTS, CAMERA):
            registry.registerDatasetType(dataset_type)
        registry.insertDimensionData("instrument", {"name": camera.instrument}, skip_existing=True)
        if not butler.exists(CAMERA, instrument=camera.instrument, collections=run):
            butler.put(values, CAMERA, instrument=camera.instrument, run=run)
        elif butler.get(CAMERA, instrument=camera.instrument, collections=run) != values:
            raise ConflictingDefinitionError(
                f"instrument {camera.instrument} has another camera mapping in run {run!r}; use another run"
            )


def _read_header(path: Path, camera: CameraMapping) -> tuple[ExposureDescription, SkyRegion]:
    """Return what a header says, and the region on the sky."""
    cards = read_camera_header(path)
    description = camera.describe(cards, path.name)
    camera.detector_properties(cards, path.name)
    size = Extent2I(int(cards["NAXIS1"]), int(cards["NAXIS2"]))
    try:
        return description, SkyRegion.from_wcs(SkyWcs(cards), Box2I(Point2I(0, 0), size))
    except ValueError as error:
        if isinstance(error, ButlerUserError):
            raise
        raise IngestError(f"the image has no region on the sky: {error}") from error


def _ingest_one(
    butler: Butler,
    path: Path,
    description: ExposureDescription,
    region: SkyRegion,
    run: str,
    transfer: str,
    weight: Path | None,
) -> list[DatasetRef]:
    """Insert the records and datasets of one file; nothing if they are there already."""
    data_id = {
        "instrument": description.instrument,
        "exposure": description.visit,
        "detector": description.detector,
    }
    with butler.transaction():
        # Two processes may ingest the same exposures.
        butler.registry.hold([run])
        known = butler.find_dataset(EXPOSURE, data_id, collections=run)
        if known is not None:
            return []
        _insert_records(butler, description, region)
        files = [FileDataset(path, DatasetRef(EXPOSURE, data_id, run), formatter="CameraImageFits")]
        if weight is not None:
            _check_image(weight, "weight")
            files.append(FileDataset(weight, DatasetRef(WEIGHT, data_id, run)))
        return butler.ingest(*files, transfer=transfer)


def _insert_records(butler: Butler, description: ExposureDescription, region: SkyRegion) -> None:
    """Insert or check the dimension records of an exposure."""
    for element, values in _records(description, region):
        if element == "visit":
            values["region"] = _visit_region(butler, description, region)
            butler.registry.syncDimensionData(element, values, update=True)
        else:
            butler.registry.syncDimensionData(element, values)


def _records(description: ExposureDescription, region: SkyRegion) -> Iterator[tuple[str, dict[str, Any]]]:
    camera = {"instrument": description.instrument}
    number = description.visit
    try:
        day_obs = int(description.begin.strftime("%Y%m%d"))
        end = description.begin + TimeDelta(description.exposure_time, format="sec")
        timespan = Timespan(description.begin, end)
        if timespan.isEmpty():
            raise ValueError(f"an exposure time is not {description.exposure_time} s")
        night = Timespan.from_day_obs(day_obs)
    except (ValueError, OverflowError) as error:
        raise IngestError(f"the date is {description.begin}: {error}") from error
    common = {
        "physical_filter": description.physical_filter,
        "day_obs": day_obs,
        "exposure_time": description.exposure_time,
        "target_name": description.target_name,
        "timespan": timespan,
    }
    yield "physical_filter", {**camera, "name": description.physical_filter, "band": description.band}
    yield "day_obs", {**camera, "id": day_obs, "timespan": night}
    yield "group", {**camera, "name": str(number)}
    detector = description.detector
    yield "detector", {**camera, "id": detector, "full_name": f"{detector:02d}", "purpose": "SCIENCE"}
    yield (
        "exposure",
        {**camera, **common, "id": number, "group": str(number), "obs_id": str(number), "can_see_sky": True},
    )
    yield "visit", {**camera, **common, "id": number, "name": str(number)}
    yield "visit_definition", {**camera, "exposure": number, "visit": number}
    yield "visit_detector_region", {**camera, "visit": number, "detector": detector, "region": region}


def _visit_region(butler: Butler, description: ExposureDescription, region: SkyRegion) -> SkyRegion:
    """Return the hull of a new detector image and the visit's others."""
    key = {"instrument": description.instrument, "visit": description.visit}
    known = butler.registry.records.fetch_one("visit", key)
    if known is None or known.region is None:
        return region
    return SkyRegion.convex_hull_of([known.region, region])


def _ingest_defects(
    butler: Butler, camera: CameraMapping, path: Path, detectors: Sequence[int], run: str, transfer: str
) -> list[DatasetRef]:
    refs = []
    for detector in detectors:
        data_id = {"instrument": camera.instrument, "detector": detector}
        ref = DatasetRef(DEFECTS, data_id, run)
        refs += butler.ingest(FileDataset(path, ref), transfer=transfer, skip_existing=True)
    return refs


def _reason(error: Exception, path: Path) -> str:
    """Return an error's message without the file name that stands before it anyway."""
    text = str(error).strip() or type(error).__name__
    return text.removeprefix(f"{path.name}: ")
