"""Configuration of sky maps, with LSST's field names."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from ..errors import FileFormatError, did_you_mean
from ..images import Extent2I, SkyWcs
from .patch_layout import CellLayout, PatchLayout

__all__ = ["DiscreteSkyMapConfig", "RingsSkyMapConfig", "SkyMapConfig"]


def _quotient(value: Any) -> Any:
    """Return the number that a text such as ``1/60`` means; YAML has no fractions, and decimals round."""
    if isinstance(value, str) and value.count("/") == 1:
        try:
            above, below = map(float, value.split("/"))
            return above / below
        except (ValueError, ZeroDivisionError):
            pass
    return value


_Pixels = Annotated[int, Field(gt=0, lt=2**31)]
_Border = Annotated[int, Field(ge=0, lt=2**31)]
_Number = Annotated[float, BeforeValidator(_quotient)]

_BUILDER_FIELDS: Final = {
    "legacy": ("patchInnerDimensions", "patchBorder"),
    "cells": ("cellInnerDimensions", "cellBorder", "numCellsPerPatchInner", "numCellsInPatchBorder"),
}


class SkyMapConfig(BaseModel):
    """What every sky map of square-patched tracts needs to know.

    Raises
    ------
    pydantic.ValidationError
        Raised if a field is unknown, belongs to the other ``tractBuilder``, or has an impossible value; it is
        a `ValueError`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tractBuilder: Literal["legacy", "cells"] = "legacy"
    """How tracts are cut: into patches, or into patches of cells, for coadds with one PSF in each cell."""

    tractOverlap: _Number = Field(default=1.0, ge=0.0)
    """How far each tract reaches beyond its own area on each side, degrees; a text like ``1/60`` is read."""

    pixelScale: _Number = Field(default=0.333, gt=0.0)
    """Scale at the tract's centre, arcseconds per pixel."""

    projection: str = "STG"
    """Three-letter code of a FITS projection."""

    rotation: _Number = 0.0
    """Angle of the pixel axes, degrees; the tract's size follows from points on unrotated axes."""

    patchInnerDimensions: tuple[_Pixels, _Pixels] = (4000, 4000)
    """legacy: width and height of the patches that tile a tract, pixels."""

    patchBorder: _Border = 100
    """legacy: how far a patch's outer box reaches beyond its inner one on each side, pixels."""

    cellInnerDimensions: tuple[_Pixels, _Pixels] = (150, 150)
    """cells: width and height of a cell, pixels; both the same."""

    cellBorder: _Border = 50
    """cells: how far a cell's outer box reaches beyond its inner one on each side, pixels."""

    numCellsPerPatchInner: _Pixels = 20
    """cells: cells along each side of a patch without border."""

    numCellsInPatchBorder: _Border = 1
    """cells: cells along each side that the border of a patch has besides."""

    @property
    def layout(self) -> PatchLayout:
        """How tracts are cut into patches."""
        if self.tractBuilder == "legacy":
            return PatchLayout(Extent2I(*self.patchInnerDimensions), self.patchBorder)
        cells = CellLayout(
            Extent2I(*self.cellInnerDimensions),
            self.cellBorder,
            self.numCellsPerPatchInner,
            self.numCellsInPatchBorder,
        )
        return PatchLayout.of_cells(cells)

    @model_serializer(mode="wrap")
    def _without_unused_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = self._unused_fields()
        return {name: value for name, value in handler(self).items() if name not in unused}

    def _unused_fields(self) -> tuple[str, ...]:
        return next(fields for name, fields in _BUILDER_FIELDS.items() if name != self.tractBuilder)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            for name in fields:
                if name not in cls.model_fields:
                    hint = did_you_mean(str(name), cls.model_fields)
                    raise ValueError(f"{cls.__name__} has no field {name!r}{hint}")
        return fields

    @model_validator(mode="after")
    def _check_builder(self) -> Self:
        for name in self._unused_fields():
            if name in self.model_fields_set:
                allowed = ", ".join(_BUILDER_FIELDS[self.tractBuilder])
                raise ValueError(
                    f"{name} means nothing with the tractBuilder {self.tractBuilder}, which takes {allowed}"
                )
        width, height = self.cellInnerDimensions
        if width != height:
            raise ValueError(f"cells are square; cellInnerDimensions are {width} and {height}")
        if any(side >= 2**31 for side in self.layout.inner_dimensions):
            raise ValueError("a patch of that many cells has too many pixels")
        return self

    @field_validator("projection")
    @classmethod
    def _check_projection(cls, projection: str) -> str:
        if len(projection) != 3:
            raise ValueError(
                f"a FITS projection has three letters, like TAN; {projection!r} has {len(projection)}"
            )
        try:
            SkyWcs.make_tan(crval=(0, 0), crpix=(0, 0), cd=[[-1, 0], [0, 1]], projection=projection)
        except FileFormatError as error:
            raise ValueError(
                f"{projection!r} is no projection of FITS, or needs parameters; take another, such as TAN"
            ) from error
        return projection


class DiscreteSkyMapConfig(SkyMapConfig):
    """A sky map of tracts placed by hand; the three lists have one entry for each tract."""

    raList: tuple[Annotated[float, Field(ge=-360.0, le=360.0)], ...] = ()
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
