"""Single-plane images and masks as FITS, and the images of any camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from astropy.io import fits

from ..datasets import StorageClass
from ..errors import FileFormatError, StorageClassError
from ..handles import read_part
from ..images import Box2I, Exposure, Extent2I, Image, Mask, MaskedImage, Point2I, SkyWcs
from .byte_source import ByteSource, LocalFile
from .fits_exposure import image_hdu
from .fits_file import broken_file, plane_layout, read_plane, walk_hdus, write_hdus
from .fits_header import (
    header_values,
    mask_plane_cards,
    origin_cards,
    origin_from_header,
    planes_from_header,
    set_cards,
)
from .formatter import FileLayout, Formatter

__all__ = ["CameraImageFormatter", "ImageFormatter", "MaskFormatter", "read_camera_header"]

_PIXEL_TYPES: Final = frozenset({"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"})
_WITH_PIXELS: Final = (None, "image", "mask", "variance", "maskedImage")


class ImageFormatter(Formatter):
    """One image in the first unit that has pixels, with its unit and parent offset."""

    name: ClassVar[str] = "ImageFits"
    extension: ClassVar[str] = ".fits"

    def write(self, obj: Any, path: Path) -> None:
        """Write an image."""
        if not isinstance(obj, Image):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as an Image")
        if obj.array.dtype.str[1:] not in _PIXEL_TYPES:
            raise StorageClassError(f"FITS has no pixels of type {obj.array.dtype}")
        if not obj.array.size:
            raise StorageClassError("an image without pixels cannot be written")
        hdu = fits.PrimaryHDU(obj.array)
        set_cards(hdu.header, {**origin_cards(obj.xy0), "BUNIT": obj.unit or None})
        write_hdus(path, [hdu])

    def layout(self, source: ByteSource) -> FileLayout | None:
        """Find the pixels; None if they are compressed."""
        with broken_file(source):
            hdu = image_hdu(walk_hdus(source))
            if hdu is None:
                return None
            planes = planes_from_header(hdu.header)
            plane = plane_layout(hdu, xy0=origin_from_header(hdu.header), mask_planes=planes)
            return FileLayout({"image": plane})

    def read_whole(self, path: Path) -> Any:
        """Read everything."""
        return self._whole(LocalFile(path))

    def _whole(self, source: ByteSource) -> Any:
        layout = self.layout(source)
        return self._from_layout(source, layout, None) if layout else self._from_compressed(source)

    def _from_compressed(self, source: ByteSource) -> Any:
        array, header = _read_compressed(source)
        with broken_file(source):
            return Image(array, Point2I(*origin_from_header(header)), str(header.get("BUNIT") or ""))

    def read(
        self,
        source: ByteSource,
        *,
        storage_class: StorageClass,
        component: str | None,
        parameters: Mapping[str, Any],
        layout: FileLayout | None,
    ) -> Any:
        """Read a box of the image, or its box."""
        known = layout or self.layout(source)
        if known is None or parameters.get("origin") is not None:
            return read_part(self._whole(source), component, parameters)
        if component == "bbox":
            return known.planes["image"].bbox
        return self._from_layout(source, known, parameters.get("bbox"))

    def _from_layout(self, source: ByteSource, layout: FileLayout, box: Box2I | None) -> Any:
        plane = layout.planes["image"]
        return Image(read_plane(source, plane, box), (box or plane.bbox).minimum, plane.unit)


class MaskFormatter(ImageFormatter):
    """One mask with its plane dictionary."""

    name: ClassVar[str] = "MaskFits"

    def write(self, obj: Any, path: Path) -> None:
        """Write a mask."""
        if not isinstance(obj, Mask):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a Mask")
        hdu = fits.PrimaryHDU(obj.array)
        set_cards(hdu.header, {**origin_cards(obj.xy0), **mask_plane_cards(obj.planes)})
        write_hdus(path, [hdu])

    def _from_compressed(self, source: ByteSource) -> Mask:
        raise FileFormatError(f"{source} has no uncompressed mask")

    def _from_layout(self, source: ByteSource, layout: FileLayout, box: Box2I | None) -> Mask:
        plane = layout.planes["image"]
        array = read_plane(source, plane, box).astype(np.int32, copy=False)
        return Mask(array, (box or plane.bbox).minimum, dict(plane.mask_planes))


class CameraImageFormatter(ImageFormatter):
    """A camera's own FITS file as an Exposure: pixels in counts, WCS and header; nothing is written.

    The mask is empty and the variance zero: to make them is a task's work.
    """

    name: ClassVar[str] = "CameraImageFits"

    def write(self, obj: Any, path: Path) -> None:
        """Refuse: such files come from a camera."""
        raise StorageClassError("files of a camera can be ingested, not written")

    def _from_compressed(self, source: ByteSource) -> Exposure:
        array, header = _read_compressed(source)
        return _camera_exposure(Image(array.astype(np.float32)), _merged(source, header))

    def read(
        self,
        source: ByteSource,
        *,
        storage_class: StorageClass,
        component: str | None,
        parameters: Mapping[str, Any],
        layout: FileLayout | None,
    ) -> Any:
        """Read a box as an exposure, or a component."""
        known = layout or self.layout(source)
        local = getattr(parameters.get("origin"), "name", parameters.get("origin")) == "LOCAL"
        if known is None or local:
            return read_part(self._whole(source), component, parameters)
        plane = known.planes["image"]
        if component == "bbox":
            return plane.bbox
        box = parameters.get("bbox")
        if component not in _WITH_PIXELS:
            box = Box2I(plane.bbox.minimum, Extent2I(1, 1))
        return read_part(self._from_layout(source, known, box), component, {})

    def _from_layout(self, source: ByteSource, layout: FileLayout, box: Box2I | None) -> Exposure:
        plane = layout.planes["image"]
        pixels = read_plane(source, plane, box).astype(np.float32, copy=False)
        image = Image(pixels, (box or plane.bbox).minimum, plane.unit)
        return _camera_exposure(image, _camera_cards(source), (plane.x0, plane.y0))


def read_camera_header(path: Path) -> dict[str, Any]:
    """Return the cards of a camera's file: those of the image unit over those of the primary one.

    Raises
    ------
    FileFormatError
        Raised if the file is broken or has no image.
    """
    return _camera_cards(LocalFile(path))


def _camera_cards(source: ByteSource) -> dict[str, Any]:
    with broken_file(source):
        hdus = walk_hdus(source)
        chosen = image_hdu(hdus) or next((h for h in hdus if h.header.get("ZIMAGE") is True), None)
        if chosen is None:
            raise FileFormatError(f"{source} has no image of two axes")
        return {**header_values(hdus[0].header), **header_values(chosen.header)}


def _merged(source: ByteSource, header: fits.Header) -> dict[str, Any]:
    return {**_camera_cards(source), **header_values(header)}


def _camera_exposure(image: Image, cards: dict[str, Any], xy0: tuple[int, int] = (0, 0)) -> Exposure:
    variance = Image(np.zeros_like(image.array), image.xy0)
    masked_image = MaskedImage(image, Mask.from_bbox(image.bbox), variance)
    return Exposure(masked_image, wcs=SkyWcs(cards, xy0), metadata=cards)


def _read_compressed(source: ByteSource) -> tuple[Any, fits.Header]:
    """Read the first unit with pixels through astropy."""
    with broken_file(source), source.open() as stream, fits.open(stream, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2:
                return hdu.data, hdu.header
    raise FileFormatError(f"{source} has no image of two axes")
