"""Exposures and masked images as FITS in LSST's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import FileFormatError, StorageClassError
from ..images import ORIGIN, Box2I, CoaddInputs, Exposure, Extent2I, Image, Mask, MaskedImage, Psf, SkyWcs
from .byte_source import ByteSource, LocalFile
from .fits_file import broken_file, walk_hdus, write_hdus
from .fits_header import (
    header_values,
    mask_plane_cards,
    metadata_from_cards,
    origin_cards,
    origin_from_header,
    planes_from_header,
    primary_cards,
    read_filter,
    read_photo_calib,
    read_visit_info,
    set_cards,
)
from .fits_planes import plane_layout, read_plane, read_planes
from .fits_recipes import LOSSY, image_unit
from .fits_tables import coadd_inputs_to_tables, psf_to_table, read_coadd_inputs, read_psf
from .formatter import NO_COMPRESSION, FileLayout, Formatter, PlaneLayout, ReadRequest

__all__ = ["ExposureFormatter", "MaskedImageFormatter"]

_PLANES: Final = ("image", "mask", "variance")


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
        write_hdus(path, [fits.PrimaryHDU(), *_plane_hdus(obj, {}, recipe)])

    def read_whole(self, path: Path) -> MaskedImage:
        """Read the three planes."""
        source = LocalFile(path)
        return read_masked_image(source, self.layout(source), None)

    def layout(self, source: ByteSource) -> FileLayout:
        """Find the three planes."""
        with broken_file(source):
            return self._layout(source)

    def _layout(self, source: ByteSource) -> FileLayout:
        hdus = walk_hdus(source)
        if len(hdus) < 4 or not all(hdu.is_image for hdu in hdus[1:4]):
            raise FileFormatError(f"{source} has no image, mask and variance planes in units 1 to 3")
        planes = {}
        for name, hdu in zip(_PLANES, hdus[1:4], strict=True):
            mask_planes = planes_from_header(hdu.header) if name == "mask" else None
            planes[name] = plane_layout(hdu, xy0=origin_from_header(hdu.header), mask_planes=mask_planes)
        if len({plane.bbox for plane in planes.values()}) > 1:
            raise FileFormatError(f"the planes of {source} cover different boxes")
        return FileLayout(planes)

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read what was asked for: only the rows of a box, only the planes that are needed."""
        known = request.layout or self.layout(source)
        box = request.box_in(known.planes["image"].bbox)
        match request.component:
            case "bbox":
                return known.planes["image"].bbox
            case "image" | "variance" as component:
                plane = known.planes[component]
                return _image(plane, read_plane(source, plane, box), box)
            case "mask":
                plane = known.planes["mask"]
                return _mask(plane, read_plane(source, plane, box), box)
            case "maskedImage":
                return read_masked_image(source, known, box)
            case None:
                return self._read_all(source, known, box)
            case component:
                return self._read_component(source, component)

    def _read_all(self, source: ByteSource, layout: FileLayout, box: Box2I | None) -> Any:
        return read_masked_image(source, layout, box)

    def _read_component(self, source: ByteSource, component: str) -> Any:
        raise FileFormatError(f"a masked image has no {component}")


class ExposureFormatter(MaskedImageFormatter):
    """A masked image with WCS cards, a primary header, and tables for PSF and coadd inputs.

    Layout version 0 of LSST's (no archive): calibration, filter and visit are cards of the primary
    header, so that other readers of that layout get them; our tables follow the planes.
    """

    name: ClassVar[str] = "ExposureFits"

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write an exposure; only its planes are compressed."""
        if not isinstance(obj, Exposure):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as an Exposure")
        primary = fits.PrimaryHDU()
        set_cards(primary.header, primary_cards(obj))
        wcs = obj.wcs.to_header(obj.maskedImage.image.xy0) if obj.wcs is not None else {}
        hdus = [primary, *_plane_hdus(obj.maskedImage, wcs, recipe)]
        if obj.psf is not None:
            hdus.append(psf_to_table(obj.psf))
        if obj.coaddInputs is not None:
            hdus += coadd_inputs_to_tables(obj.coaddInputs)
        write_hdus(path, hdus)

    def _read_all(self, source: ByteSource, layout: FileLayout, box: Box2I | None) -> Exposure:
        with broken_file(source):
            exposure = _Components(source).exposure()
        exposure.maskedImage = read_masked_image(source, layout, box)
        return exposure

    def _read_component(self, source: ByteSource, component: str) -> Any:
        with broken_file(source):
            return getattr(_Components(source), component)


class _Components:
    """What an exposure's file says beside its pixels; each is parsed when asked for."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._hdus = walk_hdus(source)
        self._values = header_values(self._hdus[0].header)

    def exposure(self) -> Exposure:
        """Return an exposure with all components and one pixel, to be given its own."""
        empty = MaskedImage.from_bbox(Box2I(ORIGIN, Extent2I(1, 1)))
        return Exposure(
            empty,
            self.wcs,
            self.psf,
            self.photoCalib,
            self.filter,
            self.visitInfo,
            self.coaddInputs,
            self.metadata,
        )

    @property
    def wcs(self) -> SkyWcs | None:
        header = self._hdus[1].header
        if "CTYPE1" not in header:
            return None
        return SkyWcs(header_values(header), origin_from_header(header))

    @property
    def photoCalib(self) -> Any:
        return read_photo_calib(self._values)

    @property
    def filter(self) -> Any:
        return read_filter(self._values)

    @property
    def visitInfo(self) -> Any:
        return read_visit_info(self._values)

    @property
    def metadata(self) -> dict[str, Any]:
        return metadata_from_cards(self._values)

    @property
    def coaddInputs(self) -> CoaddInputs | None:
        visits, ccds = self._table("COADD_VISITS"), self._table("COADD_CCDS")
        return None if visits is None and ccds is None else read_coadd_inputs(visits, ccds)

    @property
    def psf(self) -> Psf | None:
        table = self._table("PSF")
        if table is None:
            return None
        inputs = self.coaddInputs if table[0]["psf_class"] == "CoaddPsf" else None
        return read_psf(table, inputs, self.wcs if inputs is not None else None)

    def _table(self, name: str) -> Any:
        """Return the rows of a table unit, None if there is none of that name."""
        for index, hdu in enumerate(self._hdus):
            if index > 3 and hdu.header.get("EXTNAME") == name:
                with self._source.open() as stream, fits.open(stream, memmap=False) as opened:
                    return opened[index].data
        return None


def read_masked_image(source: ByteSource, layout: FileLayout, box: Box2I | None) -> MaskedImage:
    """Read a box of all three planes; everything if None."""
    image, mask, variance = (layout.planes[name] for name in _PLANES)
    pixels = read_planes(source, [image, mask, variance], box)
    return MaskedImage(
        _image(image, pixels[0], box), _mask(mask, pixels[1], box), _image(variance, pixels[2], box)
    )


def _image(plane: PlaneLayout, pixels: NDArray[Any], box: Box2I | None) -> Image:
    return Image(pixels.astype(np.float32, copy=False), (box or plane.bbox).minimum, plane.unit)


def _mask(plane: PlaneLayout, pixels: NDArray[Any], box: Box2I | None) -> Mask:
    bits = pixels.astype(np.int32, copy=False)
    return Mask(bits, (box or plane.bbox).minimum, dict(plane.mask_planes))


def _plane_hdus(masked_image: MaskedImage, wcs: Mapping[str, Any], recipe: str) -> list[Any]:
    """Return the image units of the three planes."""
    unit = masked_image.image.unit
    planes: tuple[tuple[str, Any, Mapping[str, Any]], ...] = (
        ("IMAGE", masked_image.image.array.astype(np.float32, copy=False), {"BUNIT": unit or None}),
        ("MASK", masked_image.mask.array, mask_plane_cards(masked_image.mask.planes)),
        (
            "VARIANCE",
            masked_image.variance.array.astype(np.float32, copy=False),
            {"BUNIT": f"{unit}**2" if unit else None},
        ),
    )
    good = None
    if recipe == LOSSY:
        good = ~masked_image.mask.any_of(masked_image.mask.known_bit_mask(["NO_DATA", "INTRP"]))
    hdus = []
    for name, array, extra in planes:
        hdu = image_unit(array, recipe, good)
        set_cards(hdu.header, {**wcs, **origin_cards(masked_image.image.xy0)})
        set_cards(hdu.header, {"INHERIT": True, "EXTTYPE": name, "EXTNAME": name, **extra})
        hdus.append(hdu)
    return hdus
