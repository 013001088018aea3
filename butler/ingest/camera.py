"""CameraMapping: which header cards of a camera say what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

from astropy.time import Time
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import FileFormatError, IngestError, did_you_mean
from ..safe_yaml import load_yaml

__all__ = [
    "CameraMapping",
    "CardRule",
    "DetectorProperties",
    "ExposureDescription",
    "find_camera",
    "shipped_cameras",
]

Scalar = str | int | float

_POSITIVE: Final = math.ulp(0.0)
"""The smallest number above 0."""


class CardRule(BaseModel):
    """Where one quantity comes from: a header card, the file name, or a fixed value.

    Parameters
    ----------
    card
        Header card.
    file
        Regular expression with one group, searched in the file name.
    value
        Fixed value.
    map
        Replacements for what was found, by its text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: str | None = None
    file: str | None = None
    value: Scalar | None = None
    map: dict[str, Scalar] = {}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"card": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.card, self.file, self.value)) != 1:
            raise ValueError("give exactly one of card, file and value")
        if self.file is not None:
            try:
                n_groups = re.compile(self.file).groups
            except re.error as error:
                raise ValueError(f"{self.file!r} is not a regular expression: {error}") from error
            if n_groups != 1:
                raise ValueError(f"the file pattern {self.file!r} needs exactly one group, not {n_groups}")
        return self

    def find(self, cards: Mapping[str, Any], file_name: str) -> Any:
        """Return what the rule finds.

        Raises
        ------
        LookupError
            Raised with the reason if there is nothing.
        """
        found: Any = self.value
        if self.card is not None:
            if self.card not in cards or cards[self.card] in (None, ""):
                raise LookupError(f"there is no card {self.card}{did_you_mean(self.card, cards)}")
            found = cards[self.card]
        elif self.file is not None:
            match = re.search(self.file, file_name)
            if match is None:
                raise LookupError(f"the file name does not match {self.file!r}")
            found = match[1]
        text = str(found).strip()
        return self.map.get(text, text if isinstance(found, str) else found)


@dataclass(frozen=True, slots=True)
class DetectorProperties:
    """What a task needs to know about a detector image.

    Parameters
    ----------
    gain
        Electrons per count.
    read_noise
        Electrons, rms.
    saturation
        Counts at which a pixel is saturated.
    zero_point
        AB magnitude of one count in the whole exposure.
    seeing
        FWHM of a star in pixels; None if the header does not say.
    """

    gain: float
    read_noise: float
    saturation: float
    zero_point: float
    seeing: float | None


@dataclass(frozen=True, slots=True)
class ExposureDescription:
    """What the registry needs to know about an exposure.

    Parameters
    ----------
    instrument
        Name of the instrument.
    visit, detector
        Numbers.
    band, physical_filter
        Filter.
    exposure_time
        Seconds.
    begin
        Start of the exposure.
    target_name
        What was observed; None if not said.
    """

    instrument: str
    visit: int
    detector: int
    band: str
    physical_filter: str
    exposure_time: float
    begin: Time
    target_name: str | None


class CameraMapping(BaseModel):
    r"""How the headers of a camera are read.

    Each quantity is a header card (``gain: GAIN``), a fixed value (``gain: {value: 1.9}``), or for
    numbers of visit and detector a part of the file name (``visit: {file: 'img(\d+)'}``).

    Parameters
    ----------
    instrument
        Name of the instrument in the registry.
    match
        Cards and their values by which files of this camera are recognised.
    visit, detector, band, physical_filter, exposure_time, date, target_name
        For the registry; the date is the start, ISO or MJD.
    date_scale
        Time scale of the date.
    gain, read_noise, saturation, zero_point, seeing
        See `DetectorProperties`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instrument: str
    match: dict[str, Scalar] = {}
    visit: CardRule
    detector: CardRule = CardRule(value=0)
    band: CardRule
    physical_filter: CardRule | None = None
    exposure_time: CardRule
    date: CardRule
    date_scale: str = "utc"
    target_name: CardRule | None = None
    gain: CardRule
    read_noise: CardRule
    saturation: CardRule
    zero_point: CardRule
    seeing: CardRule | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a mapping from a YAML file.

        Raises
        ------
        IngestError
            Raised if there is no such file, or it is not a mapping.
        """
        try:
            return cls.parse(load_yaml(path.read_bytes(), str(path)), str(path))
        except OSError as error:
            raise IngestError(f"cannot read the camera mapping {path}: {error.strerror}") from error
        except FileFormatError as error:
            raise IngestError(str(error)) from error

    @classmethod
    def parse(cls, values: Any, source: str) -> Self:
        """Check plain values, for example those that a repository keeps as its ``camera`` dataset.

        Raises
        ------
        IngestError
            Raised with the first field that is wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            hint = did_you_mean(where, cls.model_fields) if fault["type"] == "extra_forbidden" else ""
            raise IngestError(f"{source}: {where or 'content'}: {fault['msg']}{hint}") from error

    def describe(self, cards: Mapping[str, Any], file_name: str) -> ExposureDescription:
        """Return what the registry needs to know about an exposure.

        Raises
        ------
        IngestError
            Raised with quantity, card and file if a required value is missing or has another type.
        """
        band = str(self._find("band", cards, file_name))
        physical = self.physical_filter and self._find("physical_filter", cards, file_name)
        target = self.target_name and self.target_name.card and cards.get(self.target_name.card)
        return ExposureDescription(
            instrument=self.instrument,
            visit=self._integer("visit", cards, file_name),
            detector=self._integer("detector", cards, file_name),
            band=band,
            physical_filter=str(physical or band),
            exposure_time=self._number("exposure_time", cards, file_name, low=0.0),
            begin=self._date(cards, file_name),
            target_name=str(target).strip() if target else None,
        )

    def detector_properties(self, cards: Mapping[str, Any], source: str = "header") -> DetectorProperties:
        """Return what a task needs to know about a detector image.

        Raises
        ------
        IngestError
            Raised with quantity, card and source if a required value is missing or not possible.
        """
        seeing = None
        if self.seeing is not None and (self.seeing.card is None or cards.get(self.seeing.card) is not None):
            seeing = self._number("seeing", cards, source, low=_POSITIVE)
        return DetectorProperties(
            gain=self._number("gain", cards, source, low=_POSITIVE),
            read_noise=self._number("read_noise", cards, source, low=0.0),
            saturation=self._number("saturation", cards, source, low=_POSITIVE),
            zero_point=self._number("zero_point", cards, source),
            seeing=seeing,
        )

    def _find(self, quantity: str, cards: Mapping[str, Any], source: str) -> Any:
        rule: CardRule = getattr(self, quantity)
        try:
            return rule.find(cards, source)
        except LookupError as error:
            raise IngestError(
                f"{source}: no {quantity}: {error.args[0]}; say in the camera mapping where it comes from"
            ) from error

    def _number(self, quantity: str, cards: Mapping[str, Any], source: str, low: float = -math.inf) -> float:
        found = self._find(quantity, cards, source)
        try:
            number = math.nan if isinstance(found, bool) else float(found)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < low:
            bound = {-math.inf: "a number", 0.0: "a number of at least 0"}.get(low, "a positive number")
            raise IngestError(f"{source}: {quantity} is {found!r} {self._from(quantity)}; it must be {bound}")
        return number

    def _integer(self, quantity: str, cards: Mapping[str, Any], source: str) -> int:
        found = self._find(quantity, cards, source)
        # Not by way of a float: visit numbers of 17 digits would change.
        digits = isinstance(found, str) and re.fullmatch(r"\+?\d{1,19}", found, re.ASCII)
        if digits or (isinstance(found, float) and found.is_integer()):
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**63:
            raise IngestError(
                f"{source}: {quantity} is {found!r} {self._from(quantity)}; it must be a whole number of "
                "at least 0"
            )
        return found

    def _date(self, cards: Mapping[str, Any], source: str) -> Time:
        found = self._find("date", cards, source)
        try:
            if isinstance(found, bool):
                raise ValueError("it must be ISO text or an MJD number")
            style = None if isinstance(found, str) else "mjd"
            return Time(found, format=style, scale=self.date_scale)
        except ValueError as error:
            raise IngestError(f"{source}: the date is {found!r} {self._from('date')}: {error}") from error

    def _from(self, quantity: str) -> str:
        rule: CardRule = getattr(self, quantity)
        return (
            f"(card {rule.card})" if rule.card else "(from the file name)" if rule.file else "(fixed value)"
        )


def shipped_cameras() -> dict[str, CameraMapping]:
    """Return the mappings that come with the package, by file name without extension."""
    found = {}
    for entry in sorted((resources.files(__package__) / "cameras").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            values = load_yaml(entry.read_bytes(), entry.name)
            found[entry.name.removesuffix(".yaml")] = CameraMapping.parse(values, entry.name)
    return found


def find_camera(cards: Mapping[str, Any], source: str) -> CameraMapping:
    """Return the shipped mapping that recognises a header.

    Raises
    ------
    IngestError
        Raised if none does.
    """
    cameras = shipped_cameras()
    for camera in cameras.values():
        if camera.match and all(str(cards.get(k, "")).strip() == str(v) for k, v in camera.match.items()):
            return camera
    raise IngestError(
        f"{source}: no shipped camera mapping recognises this header (INSTRUME is "
        f"{str(cards.get('INSTRUME', 'absent')).strip()!r}; known: {', '.join(cameras)}); "
        "write a mapping and give it with --camera"
    )
