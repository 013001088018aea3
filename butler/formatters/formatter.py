"""Formatter: the contract between objects in memory and files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

from ..datasets import StorageClass
from ..errors import FileFormatError, StorageClassError
from ..handles import is_local, read_part
from ..images import Box2I, Extent2I, Point2I
from .byte_source import ByteSource
from .tile_layout import TileLayout

__all__ = [
    "NO_COMPRESSION",
    "ContentFormatter",
    "FileLayout",
    "Formatter",
    "PlaneLayout",
    "ReadRequest",
]

NO_COMPRESSION: Final = "noCompression"
"""The recipe by which pixels are written as they are."""


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """Where the pixels of one plane lie in a file.

    Parameters
    ----------
    offset
        Byte of the first pixel.
    n_x, n_y
        Size in pixels.
    dtype
        numpy type of the stored numbers, for example ``">f4"``.
    x0, y0
        Parent coordinates of the first pixel.
    scale, zero
        The pixel's value is ``stored * scale + zero``.
    blank
        The stored integer that stands for no value.
    unit
        Unit of the values.
    mask_planes
        Bit number of each plane of a mask.
    tiles
        Where the tiles lie, if the plane is compressed; ``offset`` is that of their table then.
    """

    offset: int
    n_x: int
    n_y: int
    dtype: str
    x0: int = 0
    y0: int = 0
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    unit: str = ""
    mask_planes: Mapping[str, int] = field(default_factory=dict)
    tiles: TileLayout | None = None

    @property
    def bbox(self) -> Box2I:
        """Box of the plane in parent coordinates."""
        return Box2I(Point2I(self.x0, self.y0), Extent2I(self.n_x, self.n_y))


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Where the pixel planes of a file lie, so that a region can be read without parsing headers.

    Parameters
    ----------
    planes
        Layout by plane name: image, mask, variance.
    """

    planes: Mapping[str, PlaneLayout]

    def to_json(self) -> str:
        """Return a compact text; defaults are left out."""
        planes = {name: _told(plane, PlaneLayout(0, 0, 0, "")) for name, plane in self.planes.items()}
        return json.dumps(planes, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> FileLayout:
        """Read what `to_json` wrote.

        Raises
        ------
        FileFormatError
            Raised if it did not write this.
        """
        return _read_layout(text)

    def plane(self, name: str) -> PlaneLayout:
        """Return the layout of one plane.

        Raises
        ------
        FileFormatError
            Raised if it is not known.
        """
        found = self.planes.get(name)
        if found is None:
            raise FileFormatError(f"no plane {name!r} is known in the file, only {', '.join(self.planes)}")
        return found


@lru_cache(maxsize=1024)
def _read_layout(text: str) -> FileLayout:
    """Read a layout once: files of one kind have the same."""
    try:
        return FileLayout({name: _plane(values) for name, values in json.loads(text).items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"the layout of the file is recorded wrongly: {error}") from error


def _told(value: Any, default: Any) -> dict[str, Any]:
    """Return the fields of a layout that differ from those of another one."""
    told = {}
    for each in fields(value):
        content = getattr(value, each.name)
        if isinstance(content, TileLayout):
            told[each.name] = _told(content, _NO_TILES)
        elif content != getattr(default, each.name):
            told[each.name] = content
    return told


_NO_TILES: Final = TileLayout(0, 0, 0, 0, 0, "", {})


def _plane(values: dict[str, Any]) -> PlaneLayout:
    if "tiles" in values:
        tiles = dict(values["tiles"])
        tiles["columns"] = {name: (place, code) for name, (place, code) in tiles["columns"].items()}
        values = {**values, "tiles": TileLayout(**tiles)}
    plane = PlaneLayout(**({"offset": 0} | values))
    if not all(isinstance(n, int) for n in (plane.offset, plane.n_x, plane.n_y, plane.x0, plane.y0)):
        raise TypeError("places and sizes are integers")
    return plane


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What is to be read of a stored object; already checked against its storage class.

    Parameters
    ----------
    storage_class
        Storage class of the whole dataset.
    component
        Part to read; the whole if None.
    parameters
        Read parameters.
    layout
        What `Formatter.layout` said when the file was stored.
    """

    storage_class: StorageClass
    component: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    layout: FileLayout | None = None

    @property
    def pixel_type(self) -> str:
        """Type that the pixels of what is asked for shall have; any if empty."""
        asked = self.storage_class
        return (asked.component(self.component) if self.component else asked).pixel_type

    @property
    def in_place(self) -> bool:
        """Whether pixels may be a read-only view of the file in its byte order."""
        return bool(self.parameters.get("inPlace", False))

    def box_part(self, whole: Box2I) -> Any:
        """Return what is asked for if it follows from the box of the stored image; else None."""
        match self.component:
            case "bbox":
                return whole
            case "dimensions":
                return whole.dimensions
            case "xy0":
                return whole.minimum
        return None

    def box_in(self, whole: Box2I) -> Box2I | None:
        """Return the box that is asked for, in parent coordinates; None for everything.

        Parameters
        ----------
        whole
            Box of the stored image.

        Raises
        ------
        StorageClassError
            Raised if ``bbox`` is something else than a box.
        """
        box = self.parameters.get("bbox")
        if box is None:
            return None
        if not isinstance(box, Box2I):
            raise StorageClassError(f"bbox must be a Box2I, not {box!r}")
        return box.shiftedBy(whole.minimum) if is_local(self.parameters) else box


class Formatter(ABC):
    """Reads and writes one kind of file.

    Formatters hold no state; the datastore decides about names, renames and checksums.
    """

    name: ClassVar[str]
    extension: ClassVar[str]

    @property
    def recorded_name(self) -> str:
        """Name by which `get_formatter` finds it again, with the part of the file that it reads."""
        return self.name

    @abstractmethod
    def write(self, obj: Any, path: Path) -> None:
        """Write an object to a new file.

        Raises
        ------
        StorageClassError
            Raised if the object is of another type than this formatter writes.
        """

    def write_compressed(self, obj: Any, path: Path, recipe: str) -> None:
        """Write an object to a new file, compressed.

        Parameters
        ----------
        obj, path
            As for `write`.
        recipe
            Name of the way to compress.

        Raises
        ------
        StorageClassError
            Raised as for `write`, or if such files are never compressed in this way.
        """
        raise StorageClassError(f"{self.name} files cannot be written with the recipe {recipe!r}")

    @abstractmethod
    def read_whole(self, path: Path) -> Any:
        """Read the whole object.

        Raises
        ------
        FileFormatError
            Raised if the file is broken.
        """

    def layout(self, source: ByteSource) -> FileLayout | None:
        """Find where the planes of a file lie; None if its pixels cannot be read in place.

        Raises
        ------
        FileFormatError
            Raised if the file is broken.
        """
        return None

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read an object or a part of it; formatters that can read less than the whole override this.

        Raises
        ------
        FileFormatError
            Raised if the file is broken.
        StorageClassError
            Raised for a parameter that makes no sense for this object.
        """
        with source.read_locally() as path:
            return read_part(self.read_whole(path), request.component, request.parameters)


class ContentFormatter(Formatter):
    """Writes what is small enough to be made in memory, and has no planes that could be read in place."""

    @abstractmethod
    def content(self, obj: Any) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        StorageClassError
            Raised if the object is of another type than this formatter writes.
        """

    def write(self, obj: Any, path: Path) -> None:
        """Write an object to a new file."""
        path.write_bytes(self.content(obj))
