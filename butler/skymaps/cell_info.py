"""CellInfo: one cell of a patch."""

from __future__ import annotations

from dataclasses import dataclass

from .sky_tile import SkyTile

__all__ = ["CellInfo"]


@dataclass(frozen=True)
class CellInfo(SkyTile):
    """A cell: a small part of a patch, over which a coadd has one PSF. It shares the pixels of its tract.

    Columns and rows count from the low corner of the patch's border. The outer box may reach beyond the
    tract.
    """
