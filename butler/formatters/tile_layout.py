"""TileLayout: where the tiles of a compressed FITS image lie in its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TileLayout"]


@dataclass(frozen=True, slots=True)
class TileLayout:
    """A table with one row per tile, and behind it a heap of compressed bytes (FITS 4.0, section 10).

    Parameters
    ----------
    row_size
        Bytes of one row; the first row lies at the offset of the plane.
    heap
        Byte at which the heap begins.
    heap_size
        Its bytes.
    n_x, n_y
        Size of a tile in pixels; those at the right and upper edge may be smaller.
    codec
        Value of ZCMPTYPE, for example ``"GZIP_2"``.
    columns
        First byte in the row, and FITS code of the numbers, by purpose: ``data``, ``gzip`` and ``raw`` are
        descriptors of variable-length arrays (``"PB"``, ``"QB"``, ``"PI"``...), ``scale``, ``zero`` and
        ``blank`` single numbers.
    constants
        Those of ``scale``, ``zero`` and ``blank`` that are the same for all tiles.
    quantizer
        Value of ZQUANTIZ where floats were rounded to integers; empty for integers and lossless floats.
    seed
        Value of ZDITHER0.
    options
        Parameters of the codec (ZNAMEi, ZVALi).
    """

    row_size: int
    heap: int
    heap_size: int
    n_x: int
    n_y: int
    codec: str
    columns: Mapping[str, tuple[int, str]]
    constants: Mapping[str, float] = field(default_factory=dict)
    quantizer: str = ""
    seed: int = 1
    options: Mapping[str, float] = field(default_factory=dict)
