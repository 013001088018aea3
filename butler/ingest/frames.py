"""Frames: what ingest needs to know of each detector image in a file; no registry is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..datasets import DatasetType
from ..dimensions import Timespan
from ..errors import ButlerUserError, IngestError
from ..formatters import CameraCards, read_camera_headers
from ..images import Box2I, Extent2I, Point2I, Psf, SkyWcs, is_wcs_card
from ..regions import SkyRegion
from ..tai import any_year
from .camera import CameraMapping
from .companion import CompanionRule
from .dataset_types import EXPOSURE, PSFEX_MODEL, QUALITY, VARIANCE, WEIGHT
from .description import ExposureDescription
from .psf_models import PsfModels

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["FilePart", "Frame", "FrameFile", "companions_of", "read_frame_file", "read_frames"]

_Units = Mapping[int, CameraCards]
"""Cards of the units of a file that have an image, by number."""

_PLANES: Final = {"weight": WEIGHT, "variance": VARIANCE, "quality": QUALITY}
"""Images that belong to an exposure, by their fields in the camera mapping."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file that is to become a dataset.

    Parameters
    ----------
    dataset_type
        What it becomes.
    path
        The file.
    formatter
        Name of the formatter that reads it; that of the storage class if empty.
    layout
        Where its pixels lie, as text; None if it has no pixels, or nobody has looked.
    """

    dataset_type: DatasetType
    path: Path
    formatter: str
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A detector image.

    Parameters
    ----------
    data_id
        Instrument, exposure and detector.
    records
        Values of its dimension records by element, each after those that it refers to, and what tells it
        from others first; that of the visit has no region.
    parts
        Its datasets, the exposure first.
    exposure_time
        Seconds.
    region
        Where it lies on the sky.
    zero_point_key
        What tells its row in a table of zero points; empty if there is none.
    psf
        Its PSF, if that is one of several in a file.
    """

    data_id: dict[str, Any]
    records: tuple[tuple[str, dict[str, Any]], ...]
    parts: tuple[FilePart, ...]
    exposure_time: float
    region: SkyRegion
    zero_point_key: tuple[str, ...] = ()
    psf: Psf | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """Instrument, detector and exposure: the required values of its data ID, in their order."""
        return self.data_id["instrument"], self.data_id["detector"], self.data_id["exposure"]


@dataclass(frozen=True, slots=True)
class FrameFile:
    """What was found in a file.

    Parameters
    ----------
    path
        The file.
    frames
        Its detector images.
    reason
        Why it cannot be ingested; empty if it can.
    """

    path: Path
    frames: tuple[Frame, ...] = ()
    reason: str = ""


def read_frame_file(path: Path, camera: CameraMapping) -> FrameFile:
    """Return the frames of a file, or the reason why there are none."""
    try:
        return FrameFile(path, tuple(read_frames(path, camera)))
    except (ButlerUserError, OSError) as error:
        return FrameFile(path, reason=told_reason(error, path))


def told_reason(error: Exception, path: Path) -> str:
    """Return an error's message without the file name that stands before it anyway."""
    told = error.strerror if isinstance(error, OSError) and not isinstance(error, ButlerUserError) else None
    text = (told or str(error).strip() or type(error).__name__).removeprefix(f"{path.name}: ")
    return f"it {text.removeprefix(f'{path} ')}" if text.startswith(f"{path} ") else text


def read_frames(path: Path, camera: CameraMapping) -> list[Frame]:
    """Return the detector images of a file.

    Raises
    ------
    IngestError
        Raised if a header does not say what it must, or if a file that belongs to the exposure is missing or
        of another size.
    FileFormatError
        Raised if a file is broken.
    OSError
        Raised if the file cannot be read.
    """
    units = read_camera_headers(path)
    chosen = _detector_units(units, camera)
    frames: list[Frame] = []
    models = PsfModels.beside(path, camera)
    planes = {field: _plane_units(field, path, camera) for field in _PLANES if getattr(camera, field)}
    for number, cards in chosen.items():
        try:
            frame = _frame(path, number, cards, camera, planes)
            frames.append(_with_psf(frame, cards, models, len(chosen), len(frames)))
        except (IngestError, ValueError) as error:
            if len(chosen) == 1 or not isinstance(error, ButlerUserError):
                raise
            told = str(error).removeprefix(f"{path.name}: ")
            raise IngestError(f"{_unit_name(number, cards)}: {told}") from error
    numbers = [frame.data_id["detector"] for frame in frames]
    for frame, (number, cards) in zip(frames, chosen.items(), strict=True):
        if numbers.count(frame.data_id["detector"]) > 1:
            raise IngestError(
                f"{_unit_name(number, cards)} is detector {frame.data_id['detector']} like another one; say "
                "in the camera mapping where the number comes from, and which extensions are detectors"
            )
    return frames


def companions_of(path: Path, camera: CameraMapping) -> Iterator[Path]:
    """Return the other files that would belong to a file if it were an exposure's."""
    for field in (*_PLANES, "psfex"):
        rule = getattr(camera, field)
        if rule is not None and rule.file is not None:
            try:
                yield rule.path_for(path)
            except IngestError:
                continue


def _detector_units(units: _Units, camera: CameraMapping) -> dict[int, CameraCards]:
    """Return the units that are detector images."""
    if camera.extensions is None:
        rules = [getattr(camera, field) for field in _PLANES]
        others = {rule.extension for rule in rules if rule is not None and rule.file is None}
        chosen = {i: cards for i, cards in units.items() if cards.get("EXTNAME") not in others or not others}
    else:
        chosen = {i: c for i, c in units.items() if re.fullmatch(camera.extensions, _extension(c))}
    if not chosen:
        names = ", ".join(_extension(cards) or f"unit {i}" for i, cards in units.items())
        raise IngestError(f"no extension is a detector by the camera mapping; there are {names}")
    return chosen


def _frame(
    path: Path,
    number: int,
    header: CameraCards,
    camera: CameraMapping,
    planes: Mapping[str, tuple[Path, _Units] | None],
) -> Frame:
    camera.check_unit(header)
    cards = camera.with_translation(header, path.name)
    description = camera.describe(cards, path.name)
    camera.detector_properties(cards, path.name)
    parts = [_pixels(EXPOSURE, path, "CameraImageFits", number, header)]
    for field, found in planes.items():
        if found is not None:
            place, units = found
            unit = _matching_unit(field, getattr(camera, field), cards, place, units)
            parts.append(_pixels(_PLANES[field], place, "ImageFits", unit, units[unit]))
    rule, region = camera.zero_point_table, _region(header)
    return Frame(
        data_id={
            "instrument": description.instrument,
            "exposure": description.visit,
            "detector": description.detector,
        },
        records=tuple(_records(description, region)),
        parts=tuple(parts),
        exposure_time=description.exposure_time,
        region=region,
        zero_point_key=() if rule is None else rule.key_of(cards, path.name),
    )


def _pixels(kind: DatasetType, path: Path, formatter: str, unit: int, cards: CameraCards) -> FilePart:
    """Return an image in a unit of a file, found by its number unless that is the primary one."""
    return FilePart(kind, path, f"{formatter}[{unit}]" if unit else formatter, cards.layout().to_json())


def _with_psf(
    frame: Frame, cards: Mapping[str, Any], models: PsfModels | None, n_detectors: int, place: int
) -> Frame:
    """Return a frame with its PSF model; a file that has one model only is ingested as it is."""
    if models is None:
        return frame
    model = models.find(_extension(cards), frame.data_id["exposure"], n_detectors, place)
    if len(models.models) == 1:
        return replace(frame, parts=(*frame.parts, FilePart(PSFEX_MODEL, models.path, "")))
    return replace(frame, psf=model.psf)


def _region(cards: CameraCards) -> SkyRegion:
    size = Extent2I(int(cards["NAXIS1"]), int(cards["NAXIS2"]))
    try:
        return SkyRegion.from_wcs(SkyWcs(cards.select(is_wcs_card)), Box2I(Point2I(0, 0), size))
    except ValueError as error:
        if isinstance(error, ButlerUserError):
            raise
        raise IngestError(f"the image has no region on the sky: {error}") from error


def _plane_units(field: str, path: Path, camera: CameraMapping) -> tuple[Path, _Units] | None:
    """Return the file of a plane with its image units; None if it may be missing, and is."""
    rule: CompanionRule = getattr(camera, field)
    place = rule.path_for(path)
    try:
        return place, read_camera_headers(place)
    except FileNotFoundError as error:
        if not rule.required:
            return None
        raise IngestError(f"there is no {field} file {place}") from error
    except OSError as error:
        raise IngestError(f"cannot read the {field} file {place}: {error.strerror or error}") from error


def _matching_unit(
    field: str, rule: CompanionRule, cards: Mapping[str, Any], place: Path, units: _Units
) -> int:
    """Return the unit of a plane's file that belongs to an exposure's."""
    wanted = rule.extension or _extension(cards)
    named = [i for i, other in units.items() if wanted and _extension(other) == wanted]
    if len(named) != 1 and (rule.extension or len(units) != 1):
        raise IngestError(
            f"the {field} file {place} has {len(named)} images in an extension {wanted!r}, not one"
        )
    unit = named[0] if named else next(iter(units))
    if field == "quality" and int(units[unit]["BITPIX"]) < 0:
        raise IngestError(f"the quality file {place} has no whole numbers (BITPIX {units[unit]['BITPIX']})")
    size, other_size = ([int(c[f"NAXIS{i}"]) for i in (1, 2)] for c in (cards, units[unit]))
    if size != other_size:
        raise IngestError(
            f"the {field} file {place} has {other_size[0]} x {other_size[1]} pixels, "
            f"the image {size[0]} x {size[1]}"
        )
    return unit


def _records(description: ExposureDescription, region: SkyRegion) -> Iterator[tuple[str, dict[str, Any]]]:
    camera = {"instrument": description.instrument}
    number = description.visit
    try:
        day_obs, begin = _start(description.begin, description.begin.scale)
        timespan = Timespan(begin, begin + round(description.exposure_time * 1e9))
        night = _night(day_obs)
    except (ValueError, OverflowError) as error:
        with any_year():
            told = f"the date is {description.begin}, the exposure time {description.exposure_time:g} s"
        raise IngestError(f"{told}: {error}") from error
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
    detector, name = description.detector, description.detector_name
    yield "detector", {**camera, "id": detector, "full_name": name, "purpose": "SCIENCE"}
    yield (
        "exposure",
        {**camera, "id": number, **common, "group": str(number), "obs_id": str(number), "can_see_sky": True},
    )
    yield "visit", {**camera, "id": number, **common, "name": str(number)}
    yield "visit_definition", {**camera, "exposure": number, "visit": number}
    yield "visit_detector_region", {**camera, "visit": number, "detector": detector, "region": region}


@lru_cache(maxsize=1024)
def _start(begin: Time, scale: str) -> tuple[int, int]:
    """Return the day in the scale of a time, and the time as nanoseconds of a `Timespan`."""
    start = Timespan.fromInstant(begin).begin_ns
    assert start is not None
    with any_year():
        return int(str(begin.isot)[:10].replace("-", "")), start


@cache
def _night(day_obs: int) -> Timespan:
    return Timespan.from_day_obs(day_obs)


def _extension(cards: Mapping[str, Any]) -> str:
    return str(cards.get("EXTNAME") or "").strip()


def _unit_name(number: int, cards: Mapping[str, Any]) -> str:
    """Return what to call a unit in a message."""
    name = _extension(cards)
    return f"unit {number} ({name})" if name else f"unit {number}"
