"""Exposures and masked images as FITS in LSST's layout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FileFormatError, StorageClassError
from ..images import Box2I, Exposure, Image, Mask, MaskedImage
from .byte_source import ByteRange, ByteSource, LocalFile, SparseBytes
from .fits_components import ExposureComponents, check_version, inherited_values
from .fits_curves import ap_corr_to_table, input_curves_to_tables, transmission_to_table
from .fits_file import HduInfo, broken_file, walk_hdus
from .fits_header import (
    mask_plane_cards,
    origin_cards,
    origin_from_header,
    planes_from_cards,
    primary_cards,
)
from .fits_planes import as_pixels, plane_layout, read_planes
from .fits_recipes import LOSSY, pixel_unit
from .fits_summary import summary_to_table
from .fits_tables import coadd_inputs_to_tables, fields_to_table, polygon_to_table, psf_to_table
from .fits_units import WritableUnit, image_unit, write_units
from .formatter import NO_COMPRESSION, FileLayout, Formatter, PlaneLayout, ReadRequest

__all__ = ["ExposureFormatter", "MaskedImageFormatter"]

_PLANES: Final = ("image", "mask", "variance")
_MASK_TYPE: Final = "i4"
_VARIANCE_TYPE: Final = "f4"


class MaskedImageFormatter(Formatter):
    """Image, mask and variance in units 1 to 3, each with the parent offset."""

    name: ClassVar[str] = "MaskedImageFits"
    extension: ClassVar[str] = ".fits"

    def write(self, obj: Any, path: Path) -> None:
        """Write without compression."""
        self.write_compressed(obj, path, NO_COMPRESSION)

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write a masked image."""
        if not isinstance(obj, MaskedImage):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a MaskedImage")
        write_units(path, [image_unit(None, {}), *_plane_units(obj, {}, recipe)])

    def layout(self, source: ByteSource) -> FileLayout:
        """Find the three planes."""
        with broken_file(source):
            hdus = walk_hdus(source)
            if len(hdus) < 4 or not all(hdu.is_image for hdu in hdus[1:4]):
                raise FileFormatError(f"{source} has no image, mask and variance planes in units 1 to 3")
            self._check(hdus, source)
            planes = {}
            for name, hdu in zip(_PLANES, hdus[1:4], strict=True):
                mask_planes = planes_from_cards(hdu.named("MP_")) if name == "mask" else None
                planes[name] = plane_layout(hdu, xy0=origin_from_header(hdu.cards), mask_planes=mask_planes)
            if len({plane.bbox for plane in planes.values()}) > 1:
                raise FileFormatError(f"the planes of {source} cover different boxes")
            return FileLayout(planes)

    def _check(self, hdus: list[HduInfo], source: ByteSource) -> None:
        """Refuse what is no file of this kind."""

    def read_whole(self, path: Path) -> Any:
        """Read all planes, in the types that the file has, and what belongs to them."""
        source = LocalFile(path)
        layout = self.layout(source)
        return self._complete(source, _read_masked_image(source, layout, None, ""), None)

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read what was asked for: only a box, only the planes that are needed."""
        known = request.layout or self.layout(source)
        whole = known.plane("image").bbox
        part = request.box_part(whole)
        if part is not None:
            return part
        box = request.box_in(whole)
        match request.component:
            case "image" | "mask" | "variance" as name:
                plane = known.plane(name)
                [pixels] = read_planes(source, [plane], box, in_place=request.in_place)
                pixels = as_pixels(pixels, request.pixel_type, source)
                return _mask(plane, pixels, box) if name == "mask" else _image(plane, pixels, box)
            case None:
                planes = _read_masked_image(source, known, box, request.pixel_type, request.in_place)
                return self._complete(source, planes, None if box is None else known)
            case "maskedImage":
                return _read_masked_image(source, known, box, request.pixel_type, request.in_place)
            case name:
                return self._read_component(source, name)

    def _complete(self, source: ByteSource, planes: MaskedImage, late: FileLayout | None) -> Any:
        """Add what belongs to the planes; if a layout is given, when it is asked for."""
        return planes

    def _read_component(self, source: ByteSource, component: str) -> Any:
        raise FileFormatError(f"a masked image has no {component}")


class ExposureFormatter(MaskedImageFormatter):
    """A masked image with WCS cards, a primary header, and tables for what else is known.

    Written is layout version 0 of LSST's, without archive: calibration, filter and visit are cards of the
    primary header, so that other readers of that layout get them; our tables follow the planes. Read are
    versions 0 to 2, with the archives that LSST writes.
    """

    name: ClassVar[str] = "ExposureFits"

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write an exposure; only its planes are compressed."""
        if not isinstance(obj, Exposure):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as an Exposure")
        wcs = obj.wcs.to_header(obj.maskedImage.image.xy0) if obj.wcs is not None else {}
        units = [image_unit(None, primary_cards(obj)), *_plane_units(obj.maskedImage, wcs, recipe)]
        if obj.psf is not None:
            units.append(psf_to_table(obj.psf))
        if obj.coaddInputs is not None:
            units += coadd_inputs_to_tables(obj.coaddInputs)
            units += input_curves_to_tables(obj.coaddInputs)
        if obj.photoCalib is not None and obj.photoCalib.field is not None:
            units.append(fields_to_table("PHOTO_CALIB", {"photoCalib": obj.photoCalib.field}))
        if obj.apCorrMap:
            units.append(ap_corr_to_table(obj.apCorrMap))
        if obj.transmissionCurve is not None:
            units.append(transmission_to_table(obj.transmissionCurve))
        if obj.validPolygon is not None:
            units.append(polygon_to_table(obj.validPolygon))
        if obj.summaryStats is not None:
            units.append(summary_to_table(obj.summaryStats))
        write_units(path, units)

    def _check(self, hdus: list[HduInfo], source: ByteSource) -> None:
        check_version(inherited_values(hdus), source)

    def _complete(self, source: ByteSource, planes: MaskedImage, late: FileLayout | None) -> Exposure:
        if late is not None and all(plane.tiles is None for plane in late.planes.values()):
            return Exposure.with_late_parts(planes, _LateParts(_without_pixels(source, late)))
        with broken_file(source):
            return ExposureComponents(source).exposure(planes)

    def _read_component(self, source: ByteSource, component: str) -> Any:
        with broken_file(source):
            return ExposureComponents(source).component(component)


class _LateParts:
    """Finds what belongs to the planes of an exposure in the bytes around them."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    def __call__(self, name: str) -> Any:
        with broken_file(self._source):
            return self._components.part(name)

    @cached_property
    def _components(self) -> ExposureComponents:
        return ExposureComponents(self._source)


def _without_pixels(source: ByteSource, layout: FileLayout) -> SparseBytes:
    """Return the bytes of a file that are no pixels of uncompressed planes: headers and tables."""
    ranges: list[ByteRange] = []
    begin = 0
    for plane in sorted(layout.planes.values(), key=lambda plane: plane.offset):
        ranges.append((begin, plane.offset))
        begin = plane.offset + plane.n_x * plane.n_y * np.dtype(plane.dtype).itemsize
    size = source.size()
    return SparseBytes(source, [*ranges, (begin, size)] if size > begin else ranges)


def _read_masked_image(
    source: ByteSource, layout: FileLayout, box: Box2I | None, pixel_type: str, in_place: bool = False
) -> MaskedImage:
    """Read a box of all three planes; everything if None."""
    image, mask, variance = (layout.plane(name) for name in _PLANES)
    pixels = read_planes(source, [image, mask, variance], box, in_place=in_place)
    types = (pixel_type, _MASK_TYPE, _VARIANCE_TYPE)
    pixels = [as_pixels(array, kind, source) for array, kind in zip(pixels, types, strict=True)]
    return MaskedImage(
        _image(image, pixels[0], box), _mask(mask, pixels[1], box), _image(variance, pixels[2], box)
    )


def _image(plane: PlaneLayout, pixels: NDArray[Any], box: Box2I | None) -> Image:
    return Image(pixels, (box or plane.bbox).minimum, plane.unit)


def _mask(plane: PlaneLayout, pixels: NDArray[Any], box: Box2I | None) -> Mask:
    return Mask(pixels, (box or plane.bbox).minimum, dict(plane.mask_planes))


def _plane_units(masked_image: MaskedImage, wcs: Mapping[str, Any], recipe: str) -> list[WritableUnit]:
    """Return the image units of the three planes."""
    unit, mask = masked_image.image.unit, masked_image.mask
    planes: tuple[tuple[str, Any, Mapping[str, Any]], ...] = (
        ("IMAGE", masked_image.image.array, {"BUNIT": unit or None}),
        ("MASK", mask.array, mask_plane_cards(mask.planes)),
        (
            "VARIANCE",
            masked_image.variance.array.astype(np.float32, copy=False),
            {"BUNIT": f"{unit}**2" if unit else None},
        ),
    )
    # What is no measurement says nothing of the noise.
    good = ~mask.any_of(mask.known_bit_mask(["NO_DATA", "INTRP"])) if recipe == LOSSY else None
    common = {**wcs, **origin_cards(masked_image.image.xy0), "INHERIT": True}
    return [
        pixel_unit(array, {**common, "EXTTYPE": name, "EXTNAME": name, **extra}, recipe, good)
        for name, array, extra in planes
    ]
