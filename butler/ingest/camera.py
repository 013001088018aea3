"""CameraMapping: which header cards of a camera say what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator

from ..errors import FileFormatError, IngestError, did_you_mean
from ..formatters import CameraCards
from ..safe_yaml import load_yaml
from .card_rule import CardRule, Scalar, groups_of
from .companion import CompanionRule, QualityRule
from .description import DetectorProperties, ExposureDescription
from .moment import Moment
from .tables import ReferenceCatalogRule, ZeroPointRule
from .translation import TRANSLATED, translate

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["CameraMapping"]

_POSITIVE: Final = math.ulp(0.0)
"""The smallest number above 0."""
_RULES: Final = (
    *("visit", "detector", "detector_name", "band", "physical_filter", "exposure_time", "date"),
    *("target_name", "gain", "read_noise", "saturation", "zero_point", "seeing"),
)
"""Fields that are a `CardRule`."""
_TimeScale = Literal["utc", "tai", "tt", "tdb", "tcb", "tcg"]
_UNITS: Final = {
    "adu": ("adu", "count", "counts", "ct", "cts", "dn"),
    "electron": ("electron", "electrons", "e", "e-", "elec"),
    "nanomaggy": ("nanomaggy", "nanomaggies", "nmgy"),
}
"""How headers write a unit."""


def _in_small(given: Any) -> Any:
    """Return a text in small letters; headers write ``UTC``."""
    return given.strip().lower() if isinstance(given, str) else given


class CameraMapping(BaseModel):
    r"""How the files of a camera are read.

    Each quantity is a header card (``gain: GAIN``), a fixed value (``gain: {value: 1.9}``), a part of the
    file name (``visit: {file: 'img(\d+)'}``), or another `CardRule`.

    Parameters
    ----------
    instrument
        Name of the instrument in the registry.
    match
        Cards and their values by which files of this camera are recognised.
    translator
        The translator of astro_metadata_translator that reads such headers, by its name; files that it
        recognises are of this camera.
    extensions
        Regular expression of the EXTNAME of units that are detector images; if not given, every unit with an
        image of two axes is one.
    unit
        Unit of the pixels; a file with another BUNIT is refused, and one without is believed.
    visit, detector, detector_name, band, physical_filter, exposure_time, date, target_name
        For the registry; the date is the start, ISO or MJD.
    date_scale
        Time scale of the date.
    gain, read_noise, saturation, zero_point, seeing
        See `DetectorProperties`.
    weight, variance, quality, psfex
        Where the files of inverse variance, variance, quality and PSF model of an exposure are.
    zero_point_table, reference_catalog
        Tables with zero points, and with stars to calibrate against.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instrument: str
    match: dict[str, Scalar] = {}
    translator: str | None = None
    extensions: str | None = None
    unit: str = "adu"
    visit: CardRule
    detector: CardRule = CardRule(value=0)
    detector_name: CardRule | None = None
    band: CardRule
    physical_filter: CardRule | None = None
    exposure_time: CardRule
    date: CardRule
    date_scale: Annotated[_TimeScale, BeforeValidator(_in_small)] = "utc"
    target_name: CardRule | None = None
    gain: CardRule | None = None
    read_noise: CardRule | None = None
    saturation: CardRule | None = None
    zero_point: CardRule | None = None
    seeing: CardRule | None = None
    weight: CompanionRule | None = None
    variance: CompanionRule | None = None
    quality: QualityRule | None = None
    psfex: CompanionRule | None = None
    zero_point_table: ZeroPointRule | None = None
    reference_catalog: ReferenceCatalogRule | None = None

    @field_validator("visit", "detector", "band", "exposure_time", "date")
    @classmethod
    def _is_told(cls, given: CardRule) -> CardRule:
        if given.optional:
            raise ValueError("it cannot be optional: no exposure comes in without it; a fixed value may do")
        return given

    @field_validator("extensions")
    @classmethod
    def _is_pattern(cls, given: str | None) -> str | None:
        if given is not None:
            groups_of(given)
        return given

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
        if not isinstance(values, Mapping):
            raise IngestError(f"{source} holds no mapping of quantities to cards, such as visit: EXPNUM")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            told = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                known = _fields_beside(cls, fault["loc"])
                told = f"there is no such field{did_you_mean(str(fault['loc'][-1]), known)}"
            elif fault["type"] == "missing":
                told = "it must be given"
            elif fault["type"] in ("model_type", "dict_type"):
                told = f"it is {fault['input']!r}; it must be a mapping"
            raise IngestError(f"{source}: {where}: {told}") from error

    def with_translation(self, cards: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return cards with the translated quantities that the rules need.

        Raises
        ------
        IngestError
            Raised if the translator cannot read the header, or if rules need one and none is named.
        """
        rules = [rule for name in _RULES if (rule := getattr(self, name)) is not None]
        rules += self.zero_point_table.keys.values() if self.zero_point_table else []
        needed = {rule.translated for rule in rules if rule.translated}
        if not needed or any(TRANSLATED + name in cards for name in needed):
            return cards
        if self.translator is None:
            raise IngestError(
                f"the camera mapping of {self.instrument} takes translated values: name its translator"
            )
        plain = cards.plain() if isinstance(cards, CameraCards) else dict(cards)
        found = translate(plain, self.translator, needed, source)
        return plain | {TRANSLATED + name: value for name, value in found.items()}

    def describe(self, cards: Mapping[str, Any], file_name: str) -> ExposureDescription:
        """Return what the registry needs to know about an exposure.

        Raises
        ------
        IngestError
            Raised with quantity, card and file if a required value is missing or has another type.
        """
        cards = self.with_translation(cards, file_name)
        band = str(self._find("band", cards, file_name))
        detector = self._integer("detector", cards, file_name)
        name = self._find_text("detector_name", cards, file_name)
        return ExposureDescription(
            instrument=self.instrument,
            visit=self._integer("visit", cards, file_name),
            detector=detector,
            detector_name=name or f"{detector:02d}",
            band=band,
            physical_filter=self._find_text("physical_filter", cards, file_name) or band,
            exposure_time=self._number("exposure_time", cards, file_name, low=0.0),
            moment=self._date(cards, file_name),
            target_name=self._find_text("target_name", cards, file_name),
        )

    def detector_properties(self, cards: Mapping[str, Any], source: str = "header") -> DetectorProperties:
        """Return what a task needs to know about a detector image.

        Raises
        ------
        IngestError
            Raised with quantity, card and source if a required value is missing or not possible.
        """
        cards = self.with_translation(cards, source)
        return DetectorProperties(
            gain=self._number_if_told("gain", cards, source, low=_POSITIVE),
            read_noise=self._number_if_told("read_noise", cards, source, low=0.0),
            saturation=self._number_if_told("saturation", cards, source, low=_POSITIVE),
            zero_point=self._number_if_told("zero_point", cards, source),
            seeing=self._number_if_told("seeing", cards, source, low=_POSITIVE),
        )

    def check_unit(self, cards: Mapping[str, Any]) -> None:
        """Refuse a header whose pixels have another unit than this camera's.

        Raises
        ------
        IngestError
            Raised with both units.
        """
        given, wanted = str(cards.get("BUNIT") or "").strip(), self.unit.strip()
        if given and given.lower() not in _UNITS.get(wanted.lower(), (wanted.lower(),)):
            raise IngestError(
                f"the pixels are in {given!r} (card BUNIT), the camera mapping expects {wanted!r}; set its "
                "unit, and gain, saturation and zero point for that unit"
            )

    def _rule(self, quantity: str) -> CardRule | None:
        rule = getattr(self, quantity)
        assert rule is None or isinstance(rule, CardRule)
        return rule

    def _find(self, quantity: str, cards: Mapping[str, Any], source: str) -> Any:
        rule = self._rule(quantity)
        assert rule is not None, quantity
        try:
            return rule.find(cards, source)
        except LookupError as error:
            raise IngestError(
                f"{source}: no {quantity}: {error}; say in the camera mapping where it comes from"
            ) from error

    def _find_text(self, quantity: str, cards: Mapping[str, Any], source: str) -> str | None:
        """Return a text; None if there is no rule, or if it finds nothing and need not."""
        rule = self._rule(quantity)
        if rule is None or (self._may_be_missing(quantity, rule) and not _finds(rule, cards, source)):
            return None
        return str(self._find(quantity, cards, source)).strip() or None

    def _number_if_told(
        self, quantity: str, cards: Mapping[str, Any], source: str, low: float = -math.inf
    ) -> float | None:
        rule = self._rule(quantity)
        if rule is None or (self._may_be_missing(quantity, rule) and not _finds(rule, cards, source)):
            return None
        return self._number(quantity, cards, source, low)

    @staticmethod
    def _may_be_missing(quantity: str, rule: CardRule) -> bool:
        return rule.optional or quantity in ("seeing", "target_name")

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

    def _date(self, cards: Mapping[str, Any], source: str) -> Moment:
        found = self._find("date", cards, source)
        try:
            if isinstance(found, bool):
                raise ValueError("it must be ISO text or an MJD number")
            return _moment(found, self.date_scale)
        except ValueError as error:
            told = " ".join(str(error).split("\n")[0].split())
            if isinstance(found, str):
                told = "it must be ISO text, such as 2024-03-01T02:00:00"
            raise IngestError(f"{source}: the date is {found!r} {self._from('date')}: {told}") from error

    def _from(self, quantity: str) -> str:
        rule = self._rule(quantity)
        return "" if rule is None else rule.told_source


@lru_cache(maxsize=1024)
def _moment(date: str | float | Time, scale: str) -> Moment:
    """Return a time; the detectors of a visit have the same object."""
    return Moment(date, scale)


def _fields_beside(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Return the fields that a model, or the model of one of its fields, has where another one is given."""
    for field in place[:-1]:
        known = model.model_fields.get(str(field))
        kinds = [] if known is None else [known.annotation, *get_args(known.annotation)]
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _finds(rule: CardRule, cards: Mapping[str, Any], source: str) -> bool:
    """Tell whether a rule finds something."""
    try:
        rule.find(cards, source)
    except LookupError:
        return False
    return True
