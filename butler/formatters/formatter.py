"""Formatter: the contract between objects in memory and files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..datasets import StorageClass
from ..handles import read_part
from ..images import Box2I, Extent2I, Point2I
from .byte_source import ByteSource

__all__ = ["FileLayout", "Formatter", "PlaneLayout"]


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
        default = asdict(PlaneLayout(0, 0, 0, ""))
        planes = {
            name: {key: value for key, value in asdict(plane).items() if value != default[key]}
            for name, plane in self.planes.items()
        }
        return json.dumps(planes, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> FileLayout:
        """Read what `to_json` wrote."""
        return cls(
            {name: PlaneLayout(**({"offset": 0} | values)) for name, values in json.loads(text).items()}
        )


class Formatter(ABC):
    """Reads and writes one kind of file.

    Formatters hold no state; the datastore decides about names, renames and checksums.
    """

    name: ClassVar[str]
    extension: ClassVar[str]

    @abstractmethod
    def write(self, obj: Any, path: Path) -> None:
        """Write an object to a new file.

        Raises
        ------
        StorageClassError
            Raised if the object is of another type than this formatter writes.
        """

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

    def read(
        self,
        source: ByteSource,
        *,
        storage_class: StorageClass,
        component: str | None,
        parameters: Mapping[str, Any],
        layout: FileLayout | None,
    ) -> Any:
        """Read an object or a part of it; formatters that can read less than the whole override this.

        Parameters
        ----------
        source
            The file.
        storage_class
            Storage class of the whole dataset.
        component, parameters
            Part to read; already checked against the storage class.
        layout
            What `layout` said when the file was stored.
        """
        with source.as_local_file() as path:
            return read_part(self.read_whole(path), component, parameters)
