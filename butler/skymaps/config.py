"""Configuration of sky maps, with LSST's field names."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import did_you_mean
from ..images import SkyWcs

__all__ = ["DiscreteSkyMapConfig", "RingsSkyMapConfig", "SkyMapConfig"]

_Pixels = Annotated[int, Field(gt=0, lt=2**31)]


class SkyMapConfig(BaseModel):
    """What every sky map of square-patched tracts needs to know.

    Raises
    ------
    pydantic.ValidationError
        Raised if a field is unknown or its value impossible; it is a `ValueError`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tractOverlap: float = Field(default=1.0, ge=0.0)
    """How far each tract reaches beyond its own area on each side, degrees."""

    pixelScale: float = Field(default=0.333, gt=0.0)
    """Scale at the tract's centre, arcseconds per pixel."""

    projection: str = "STG"
    """Three-letter code of a FITS projection."""

    rotation: float = 0.0
    """Angle of the pixel axes, degrees; the tract's size follows from points on unrotated axes."""

    patchInnerDimensions: tuple[_Pixels, _Pixels] = (4000, 4000)
    """Width and height of the patches that tile a tract, pixels."""

    patchBorder: int = Field(default=100, ge=0, lt=2**31)
    """How far a patch's outer box reaches beyond its inner one on each side, pixels."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            for name in fields:
                if name not in cls.model_fields:
                    hint = did_you_mean(str(name), cls.model_fields)
                    raise ValueError(f"{cls.__name__} has no field {name!r}{hint}")
        return fields

    @field_validator("projection")
    @classmethod
    def _check_projection(cls, projection: str) -> str:
        if len(projection) != 3:
            raise ValueError(
                f"a FITS projection has three letters, like TAN; {projection!r} has {len(projection)}"
            )
        SkyWcs.make_tan(crval=(0, 0), crpix=(0, 0), cd=[[-1, 0], [0, 1]], projection=projection)
        return projection


class DiscreteSkyMapConfig(SkyMapConfig):
    """A sky map of tracts placed by hand; the three lists have one entry for each tract."""

    raList: tuple[float, ...] = ()
    """Right ascension of the tract centres, degrees."""

    decList: tuple[Annotated[float, Field(ge=-90.0, le=90.0)], ...] = ()
    """Declination of the tract centres, degrees."""

    radiusList: tuple[Annotated[float, Field(ge=0.0)], ...] = ()
    """Half the side of each square tract, without the overlap, degrees."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        lengths = len(self.raList), len(self.decList), len(self.radiusList)
        if len(set(lengths)) != 1:
            raise ValueError(
                f"raList, decList and radiusList have {lengths[0]}, {lengths[1]} and {lengths[2]} entries; "
                "give one of each for every tract"
            )
        return self


class RingsSkyMapConfig(SkyMapConfig):
    """A sky map that covers the whole sky with rings of tracts and a tract on each pole."""

    numRings: int = Field(gt=0, le=10_000)
    """Number of rings, without the two polar tracts."""

    raStart: float = Field(default=0.0, ge=0.0, lt=360.0)
    """Right ascension of the first tract in each ring, degrees."""
