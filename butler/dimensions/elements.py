"""The elements of the dimension universe: LSST's version 8, for what images need."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ..errors import DataIdValueError

if TYPE_CHECKING:
    from ..regions import SkyPixelization

__all__ = ["ELEMENTS", "GOVERNORS", "SPATIAL_FAMILIES", "DimensionElement", "Field", "pixel_element"]

GOVERNORS: Final = ("instrument", "skymap")
"""Dimensions that the others depend on, and that a butler has defaults for."""

SPATIAL_FAMILIES: Final = {
    "observation_regions": ("visit_detector_region", "visit"),
    "skymap_regions": ("patch", "tract"),
}
"""Stored elements with regions, finest first: within a family each region lies in the next one's."""

FieldType = type[int] | type[float] | type[str] | type[bool]

_WORDS: Final[dict[type, str]] = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "True or False",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a dimension record."""

    name: str
    type: FieldType
    nullable: bool = True

    def coerce(self, value: Any, name: str) -> Any:
        """Return a value as the type of this column; numbers are not read from text.

        Parameters
        ----------
        value
            Value, also of numpy's scalar types; NaN, like None, means that it is not known.
        name
            What to call it in an error.

        Raises
        ------
        DataIdValueError
            Raised if the value is of another type, or cannot be stored.
        """
        plain = value.item() if type(value) not in _WORDS and _is_numpy_scalar(value) else value
        if plain is None or (isinstance(plain, float) and math.isnan(plain)):
            return None
        accepted = (int, float) if self.type is float else self.type
        if not isinstance(plain, accepted) or isinstance(plain, bool) is not (self.type is bool):
            raise DataIdValueError(
                f"{name} needs {_WORDS[self.type]}, not {value!r} ({type(value).__name__})"
            )
        if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
            raise DataIdValueError(f"{name} cannot be {plain}: it needs more than 64 bits")
        if isinstance(plain, str) and not _is_storable(plain):
            raise DataIdValueError(f"{name} cannot be {plain!r}: a text has no NUL and no half characters")
        return self.type(plain)


@dataclass(frozen=True)
class DimensionElement:
    """A dimension, or a table that joins dimensions.

    Parameters
    ----------
    name
        Name, also of its table.
    requires
        Other dimensions that its records are identified with, in canonical order.
    implies
        Dimensions whose values its records determine.
    key
        Primary key within `requires`; None for a join table.
    alternates
        Further keys, each unique together with `requires`.
    metadata
        Other columns.
    spatial, temporal
        Whether records have a region, a timespan.
    always_join
        Whether the table takes part in every query over its dimensions.
    pixelization
        What its records are pixels of; None for all other elements.
    """

    name: str
    requires: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    key: Field | None = None
    alternates: tuple[Field, ...] = ()
    metadata: tuple[Field, ...] = ()
    spatial: bool = False
    temporal: bool = False
    always_join: bool = False
    pixelization: SkyPixelization | None = None

    @property
    def family(self) -> str | None:
        """Spatial family that its regions belong to, if it has any."""
        if self.pixelization is not None:
            return self.pixelization.system
        return next((name for name, members in SPATIAL_FAMILIES.items() if self.name in members), None)

    @property
    def implied(self) -> tuple[str, ...]:
        """LSST's name for `implies`."""
        return self.implies

    @property
    def governor(self) -> str | None:
        """The instrument or sky map that its records belong to, if any."""
        return next((name for name in self.required if name in GOVERNORS), None)

    @property
    def populated_by(self) -> str | None:
        """Dimension whose records say the same things, and together with which these are moved."""
        return "visit" if self.name == "visit" or not self.is_dimension else None

    @property
    def is_dimension(self) -> bool:
        """Whether data IDs may have it as a key."""
        return self.key is not None

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Dimensions that identify a record, its own last."""
        return (*self.requires, self.name) if self.is_dimension else self.requires

    @cached_property
    def take_key(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Takes the values of `required` out of values by column."""
        if len(self.required) > 1:
            return itemgetter(*self.required)
        [name] = self.required
        return lambda values: (values[name],)

    @property
    def has_table(self) -> bool:
        """Whether records are stored; bands are derived from ``physical_filter``, pixels are computed."""
        return self.name != "band" and self.pixelization is None

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Alternate keys and metadata."""
        return (*self.alternates, *self.metadata)

    @cached_property
    def fields_by_name(self) -> dict[str, Field]:
        """The same by their names."""
        return {field.name: field for field in self.fields}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of a record: required, implied, alternates, metadata, region, timespan."""
        extents = ["region"] * self.spatial + ["timespan"] * self.temporal
        return (*self.required, *self.implies, *self.fields_by_name, *extents)

    @cached_property
    def needed_columns(self) -> tuple[str, ...]:
        """Those that must have a value."""
        needed = {*self.required, *self.implies, *(f.name for f in self.fields if not f.nullable)}
        return tuple(name for name in self.columns if name in needed)


def _is_storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _text(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, str) for name in names)


def _integers(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, int) for name in names)


def _floats(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, float) for name in names)


_NAME: Final = Field("name", str, nullable=False)
_ID: Final = Field("id", int, nullable=False)

ELEMENTS: Final[tuple[DimensionElement, ...]] = (
    DimensionElement("band", key=_NAME),
    DimensionElement(
        "instrument",
        key=_NAME,
        metadata=_integers("visit_max", "visit_system", "exposure_max", "detector_max") + _text("class_name"),
    ),
    DimensionElement(
        "skymap",
        key=_NAME,
        alternates=_text("hash"),
        metadata=_integers("tract_max", "patch_nx_max", "patch_ny_max"),
    ),
    DimensionElement("day_obs", requires=("instrument",), key=_ID, temporal=True),
    DimensionElement(
        "detector",
        requires=("instrument",),
        key=_ID,
        alternates=_text("full_name"),
        metadata=_text("name_in_raft", "raft", "purpose"),
    ),
    DimensionElement("group", requires=("instrument",), key=_NAME),
    DimensionElement("physical_filter", requires=("instrument",), implies=("band",), key=_NAME),
    DimensionElement("subfilter", requires=("band",), key=_ID),
    DimensionElement("tract", requires=("skymap",), key=_ID, spatial=True),
    DimensionElement("visit_system", requires=("instrument",), key=_ID, alternates=_text("name")),
    DimensionElement(
        "exposure",
        requires=("instrument",),
        implies=("physical_filter", "group", "day_obs"),
        key=_ID,
        alternates=_text("obs_id"),
        metadata=(
            *_floats("exposure_time", "dark_time"),
            *_text("observation_type", "observation_reason"),
            *_integers("seq_num", "seq_start", "seq_end"),
            *_text("target_name", "science_program"),
            *_floats("tracking_ra", "tracking_dec", "sky_angle", "azimuth", "zenith_angle"),
            Field("has_simulated", bool),
            Field("can_see_sky", bool),
        ),
        temporal=True,
    ),
    DimensionElement(
        "patch",
        requires=("skymap", "tract"),
        key=_ID,
        metadata=(Field("cell_x", int, nullable=False), Field("cell_y", int, nullable=False)),
        spatial=True,
    ),
    DimensionElement(
        "visit",
        requires=("instrument",),
        implies=("physical_filter", "day_obs"),
        key=_ID,
        alternates=_text("name"),
        metadata=(
            *_integers("seq_num"),
            *_floats("exposure_time"),
            *_text("target_name", "observation_reason", "science_program"),
            *_floats("azimuth", "zenith_angle"),
        ),
        spatial=True,
        temporal=True,
    ),
    DimensionElement("visit_definition", requires=("instrument", "exposure", "visit"), always_join=True),
    DimensionElement("visit_detector_region", requires=("instrument", "detector", "visit"), spatial=True),
    DimensionElement(
        "visit_system_membership", requires=("instrument", "visit_system", "visit"), always_join=True
    ),
)
"""All elements in canonical order: each after those that it refers to."""


def pixel_element(name: str) -> DimensionElement | None:
    """Return the dimension of pixels of the sky that has a name such as ``htm7``, None if there is none."""
    from ..regions import SkyPixelization

    pixelization = SkyPixelization.find(name)
    if pixelization is None:
        return None
    return DimensionElement(name, key=_ID, spatial=True, pixelization=pixelization)


def _is_numpy_scalar(value: Any) -> bool:
    """Tell whether a value is a number of numpy, which cannot be unless somebody has imported that."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)
