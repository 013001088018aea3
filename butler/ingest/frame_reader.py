"""read_frames: the headers of files, and what they say of detector images; no registry is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ..datasets import DatasetType
from ..errors import ButlerUserError, IngestError
from ..formatters import CameraCards, read_camera_headers
from ..regions import SkyRegion
from .camera import CameraMapping
from .companion import CompanionRule
from .dataset_types import EXPOSURE, PSFEX_MODEL, QUALITY, VARIANCE, WEIGHT
from .footprints import find_footprints
from .frames import FilePart, Frame, FrameFile
from .psf_models import PsfModels
from .record_values import detector_records, exposure_records

__all__ = ["companions_of", "read_frames", "told_reason"]

_Units = Mapping[int, CameraCards]
"""Cards of the units of a file that have an image, by number."""

_PLANES: Final = {"weight": WEIGHT, "variance": VARIANCE, "quality": QUALITY}
"""Images that belong to an exposure, by their fields in the camera mapping."""
_TOGETHER: Final = 64
"""Detector images whose footprints are found at once."""


def read_frames(paths: Iterable[Path], camera: CameraMapping) -> Iterator[FrameFile]:
    """Yield the frames of files, or the reason why there are none, in their order."""
    waiting: list[_OpenFile | FrameFile] = []
    n_images = 0
    for path in paths:
        try:
            file = _OpenFile.open(path, camera)
            n_images += len(file.units)
            waiting.append(file)
        except (ButlerUserError, OSError) as error:
            waiting.append(FrameFile(path, reason=told_reason(error, path)))
        if n_images >= _TOGETHER:
            yield from _finished(waiting, camera)
            waiting, n_images = [], 0
    yield from _finished(waiting, camera)


def told_reason(error: Exception, path: Path) -> str:
    """Return an error's message without the file name that stands before it anyway."""
    told = error.strerror if isinstance(error, OSError) and not isinstance(error, ButlerUserError) else None
    text = (told or str(error).strip() or type(error).__name__).removeprefix(f"{path.name}: ")
    return f"it {text.removeprefix(f'{path} ')}" if text.startswith(f"{path} ") else text


def companions_of(path: Path, camera: CameraMapping) -> Iterator[Path]:
    """Return the other files that would belong to a file if it were an exposure's."""
    for field in (*_PLANES, "psfex"):
        rule = getattr(camera, field)
        if rule is not None and rule.file is not None:
            try:
                yield rule.path_for(path)
            except IngestError:
                continue


def _finished(files: list[_OpenFile | FrameFile], camera: CameraMapping) -> Iterator[FrameFile]:
    """Yield the frames of files whose headers were read."""
    images = [cards for file in files if isinstance(file, _OpenFile) for cards in file.units.values()]
    footprints = iter(find_footprints(images))
    for file in files:
        if isinstance(file, FrameFile):
            yield file
            continue
        regions = [next(footprints) for _ in file.units]
        try:
            yield FrameFile(file.path, tuple(file.frames(camera, regions)))
        except (ButlerUserError, OSError) as error:
            yield FrameFile(file.path, reason=told_reason(error, file.path))


@dataclass(frozen=True, slots=True)
class _OpenFile:
    """A file whose headers were read, with those of the files that belong to it.

    Parameters
    ----------
    path
        The file.
    units
        Its detector images.
    planes
        Files of the images that belong to them, by the field of the camera mapping; None without one.
    models
        Their PSF models, if there are any.
    """

    path: Path
    units: _Units
    planes: dict[str, tuple[Path, _Units] | None]
    models: PsfModels | None

    @classmethod
    def open(cls, path: Path, camera: CameraMapping) -> Self:
        """Read the headers.

        Raises
        ------
        IngestError
            Raised if a file that belongs to the exposure is missing, or if there is no detector image.
        FileFormatError
            Raised if a file is broken.
        OSError
            Raised if the file cannot be read.
        """
        units = _detector_units(read_camera_headers(path), camera)
        models = PsfModels.beside(path, camera)
        planes = {field: _plane_units(field, path, camera) for field in _PLANES if getattr(camera, field)}
        return cls(path, units, planes, models)

    def frames(self, camera: CameraMapping, regions: list[SkyRegion | ButlerUserError]) -> list[Frame]:
        """Return the detector images.

        Parameters
        ----------
        camera
            How headers are read.
        regions
            Where each of them lies, or what is wrong with that.

        Raises
        ------
        IngestError
            Raised if a header does not say what it must, or if a file that belongs to the exposure is of
            another size.
        FileFormatError
            Raised if a header is broken.
        """
        frames: list[Frame] = []
        for (number, cards), region in zip(self.units.items(), regions, strict=True):
            try:
                frames.append(self._with_psf(self._frame(number, cards, camera, region), cards, len(frames)))
            except (IngestError, ValueError) as error:
                if len(self.units) == 1 or not isinstance(error, ButlerUserError):
                    raise
                told = str(error).removeprefix(f"{self.path.name}: ")
                raise IngestError(f"{_unit_name(number, cards)}: {told}") from error
        _require_distinct(frames, self.units)
        return frames

    def _frame(
        self, number: int, header: CameraCards, camera: CameraMapping, region: SkyRegion | ButlerUserError
    ) -> Frame:
        camera.check_unit(header)
        cards = camera.with_translation(header, self.path.name)
        description = camera.describe(cards, self.path.name)
        camera.detector_properties(cards, self.path.name)
        parts = [_pixels(EXPOSURE, self.path, "CameraImageFits", number, header)]
        for field, found in self.planes.items():
            if found is not None:
                place, units = found
                unit = _matching_unit(field, getattr(camera, field), cards, place, units)
                parts.append(_pixels(_PLANES[field], place, "ImageFits", unit, units[unit]))
        if isinstance(region, ButlerUserError):
            raise region
        rule = camera.zero_point_table
        return Frame(
            data_id={
                "instrument": description.instrument,
                "exposure": description.visit,
                "detector": description.detector,
            },
            exposure_records=exposure_records(description),
            records=detector_records(description, region),
            parts=tuple(parts),
            exposure_time=description.exposure_time,
            region=region,
            zero_point_key=() if rule is None else rule.key_of(cards, self.path.name),
        )

    def _with_psf(self, frame: Frame, cards: Mapping[str, Any], place: int) -> Frame:
        """Return a frame with its PSF model; a file that has one model only is ingested as it is."""
        models = self.models
        if models is None:
            return frame
        model = models.find(_extension(cards), frame.data_id["exposure"], len(self.units), place)
        if len(models.models) == 1:
            return frame._replace(parts=(*frame.parts, FilePart(PSFEX_MODEL, models.path, "")))
        return frame._replace(psf=model.psf)


def _detector_units(units: _Units, camera: CameraMapping) -> _Units:
    """Return the units that are detector images."""
    if camera.extensions is None:
        rules = [getattr(camera, field) for field in _PLANES]
        others = {rule.extension for rule in rules if rule is not None and rule.file is None}
        chosen = {i: cards for i, cards in units.items() if not others or cards.get("EXTNAME") not in others}
    else:
        chosen = {i: c for i, c in units.items() if re.fullmatch(camera.extensions, _extension(c))}
    if not chosen:
        names = ", ".join(_extension(cards) or f"unit {i}" for i, cards in units.items())
        raise IngestError(f"no extension is a detector by the camera mapping; there are {names}")
    return chosen


def _pixels(kind: DatasetType, path: Path, formatter: str, unit: int, cards: CameraCards) -> FilePart:
    """Return an image in a unit of a file, found by its number unless that is the primary one."""
    return FilePart(kind, path, f"{formatter}[{unit}]" if unit else formatter, cards.layout().to_json())


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


def _require_distinct(frames: list[Frame], units: _Units) -> None:
    """Refuse two images of one detector."""
    numbers = [frame.data_id["detector"] for frame in frames]
    if len(set(numbers)) == len(numbers):
        return
    for detector, (number, cards) in zip(numbers, units.items(), strict=True):
        if numbers.count(detector) > 1:
            raise IngestError(
                f"{_unit_name(number, cards)} is detector {detector} like another one; say "
                "in the camera mapping where the number comes from, and which extensions are detectors"
            )


def _extension(cards: Mapping[str, Any]) -> str:
    return str(cards.get("EXTNAME") or "").strip()


def _unit_name(number: int, cards: Mapping[str, Any]) -> str:
    """Return what to call a unit in a message."""
    name = _extension(cards)
    return f"unit {number} ({name})" if name else f"unit {number}"
