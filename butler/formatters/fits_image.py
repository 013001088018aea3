"""Single-plane images and masks as FITS, and the images of any camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from ..errors import FileFormatError, StorageClassError
from ..handles import read_part
from ..images import Box2I, Exposure, Extent2I, Image, Mask, MaskedImage, SkyWcs
from .byte_source import ByteSource, LocalFile
from .camera_cards import CameraCards, is_inherited
from .fits_file import HduInfo, broken_file, image_hdu, walk_hdus
from .fits_header import mask_plane_cards, origin_cards
from .fits_planes import image_layout, read_pixels
from .fits_recipes import pixel_units
from .fits_units import write_units
from .formatter import NO_COMPRESSION, FileLayout, Formatter, ReadRequest

__all__ = [
    "CameraImageFormatter",
    "ImageFormatter",
    "MaskFormatter",
    "read_camera_header",
    "read_camera_headers",
]

_PIXEL_TYPES: Final = frozenset({"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"})
_WITH_PIXELS: Final = (None, "image", "mask", "variance", "maskedImage")


class ImageFormatter(Formatter):
    """One image in the first unit that has pixels, with its unit and parent offset.

    Parameters
    ----------
    unit
        Number of the header-data unit to read, 0 for the primary one; the first with pixels if None.
    """

    name: ClassVar[str] = "ImageFits"
    extension: ClassVar[str] = ".fits"

    def __init__(self, unit: int | None = None) -> None:
        self._unit = unit

    @property
    def recorded_name(self) -> str:
        """Name with the number of the unit, if it is a certain one."""
        return self.name if self._unit is None else f"{self.name}[{self._unit}]"

    def write(self, obj: Any, path: Path) -> None:
        """Write an image."""
        self.write_compressed(obj, path, NO_COMPRESSION)

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write an image, compressed."""
        if not isinstance(obj, Image):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as an Image")
        if obj.array.dtype.str[1:] not in _PIXEL_TYPES:
            raise StorageClassError(f"FITS has no pixels of type {obj.array.dtype}")
        if not obj.array.size:
            raise StorageClassError("an image without pixels cannot be written")
        cards = {**origin_cards(obj.xy0), "BUNIT": obj.unit or None}
        write_units(path, pixel_units(obj.array, cards, recipe))

    def layout(self, source: ByteSource) -> FileLayout:
        """Find the pixels."""
        with broken_file(source):
            return image_layout(_require_image(walk_hdus(source), source, self._unit))

    def read_whole(self, path: Path) -> Any:
        """Read everything."""
        source = LocalFile(path)
        return self._read_box(source, self.layout(source), None)

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read a box of the image, or its box."""
        known = request.layout or self.layout(source)
        whole = known.plane("image").bbox
        part = request.box_part(whole)
        if part is not None:
            return part
        return self._read_box(source, known, request.box_in(whole), request.pixel_type)

    def _read_box(
        self, source: ByteSource, layout: FileLayout, box: Box2I | None, pixel_type: str = ""
    ) -> Any:
        plane = layout.plane("image")
        pixels = read_pixels(source, plane, box, pixel_type)
        return Image(pixels, (box or plane.bbox).minimum, plane.unit)


class MaskFormatter(ImageFormatter):
    """One mask with its plane dictionary."""

    name: ClassVar[str] = "MaskFits"

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write a mask, compressed."""
        if not isinstance(obj, Mask):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a Mask")
        cards = {**origin_cards(obj.xy0), **mask_plane_cards(obj.planes)}
        write_units(path, pixel_units(obj.array, cards, recipe))

    def _read_box(
        self, source: ByteSource, layout: FileLayout, box: Box2I | None, pixel_type: str = ""
    ) -> Mask:
        plane = layout.plane("image")
        array = read_pixels(source, plane, box, "i4")
        return Mask(array, (box or plane.bbox).minimum, dict(plane.mask_planes))


class CameraImageFormatter(ImageFormatter):
    """A camera's own FITS file as an Exposure: pixels in counts, WCS and header; nothing is written.

    The mask is empty and the variance zero: to make them is a task's work.
    """

    name: ClassVar[str] = "CameraImageFits"

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Refuse: such files come from a camera."""
        raise StorageClassError("files of a camera can be ingested, not written")

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read a box as an exposure, or a component."""
        known = request.layout or self.layout(source)
        whole = known.plane("image").bbox
        part = request.box_part(whole)
        if part is not None:
            return part
        box = request.box_in(whole)
        if request.component not in _WITH_PIXELS:
            box = Box2I(whole.minimum, Extent2I(1, 1))
        return read_part(self._read_box(source, known, box), request.component, {})

    def _read_box(
        self, source: ByteSource, layout: FileLayout, box: Box2I | None, pixel_type: str = ""
    ) -> Exposure:
        plane = layout.plane("image")
        pixels = read_pixels(source, plane, box, "f4")
        image = Image(pixels, (box or plane.bbox).minimum, plane.unit)
        return _camera_exposure(image, _camera_cards(source, self._unit), (plane.x0, plane.y0))


def read_camera_header(path: Path) -> dict[str, Any]:
    """Return the cards of a camera's file: those of the first image unit over those of the primary one.

    Raises
    ------
    FileFormatError
        Raised if the file is broken or has no image.
    """
    return _camera_cards(LocalFile(path), None)


def read_camera_headers(path: Path) -> dict[int, CameraCards]:
    """Return the cards of each unit of a camera's file that has an image of two axes, by its number.

    Those of the unit stand over those of the primary one, but for an EXTNAME that it does not have.

    Raises
    ------
    FileFormatError
        Raised if the file is broken or has no image.
    """
    source = LocalFile(path)
    with broken_file(source):
        hdus = walk_hdus(source)
        _require_image(hdus, source, None)
        return {i: CameraCards(hdu, hdus[0] if i else None) for i, hdu in enumerate(hdus) if hdu.is_image}


def _camera_cards(source: ByteSource, unit: int | None) -> dict[str, Any]:
    with broken_file(source):
        hdus = walk_hdus(source)
        chosen = _require_image(hdus, source, unit)
        own = chosen.values
        if chosen is hdus[0]:
            return own
        return {key: value for key, value in hdus[0].values.items() if is_inherited(key, own)} | own


def _require_image(hdus: list[HduInfo], source: ByteSource, unit: int | None) -> HduInfo:
    """Return the unit of a number, or the first with an image; refuse one without."""
    if unit is not None:
        if unit >= len(hdus) or not hdus[unit].is_image:
            raise FileFormatError(f"{source} has no image of two axes in unit {unit}")
        return hdus[unit]
    chosen = image_hdu(hdus)
    if chosen is None:
        empty = next((hdu for hdu in hdus if len(hdu.axes) == 2), None)
        if empty is None:
            raise FileFormatError(f"{source} has no image of two axes")
        size = f"{empty.axes[0]} x {empty.axes[1]}"
        raise FileFormatError(f"{source} has no image of two axes with pixels, only one of {size}")
    return chosen


def _camera_exposure(image: Image, cards: dict[str, Any], xy0: tuple[int, int]) -> Exposure:
    variance = Image(np.zeros_like(image.array), image.xy0)
    masked_image = MaskedImage(image, Mask.from_bbox(image.bbox), variance)
    return Exposure(masked_image, wcs=SkyWcs(cards, xy0), metadata=cards)
