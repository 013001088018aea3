"""ClipAwareCoaddPsf: the PSF of a coadd that knows which visits were clipped where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from butler.images import CcdInput, CoaddPsf, SpanSet

from .clip_record import spans_of_visit

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ClipAwareCoaddPsf", "psf_without_clipped"]


@dataclass(frozen=True, slots=True)
class ClipAwareCoaddPsf(CoaddPsf):
    """A `CoaddPsf` to which a visit does not contribute at the pixels where it was clipped.

    Parameters
    ----------
    clipped
        By visit: the clipped pixels, in the tract's pixels.
    """

    clipped: Mapping[int, SpanSet] = field(default_factory=dict)

    def contributors(self, *, x: float, y: float) -> list[CcdInput]:
        """Return the inputs that contain a position, of visits that are not clipped at its pixel."""
        pixel = (math.floor(x + 0.5), math.floor(y + 0.5))
        gone = {visit for visit, spans in self.clipped.items() if spans.contains(pixel)}
        # dataclass(slots=True) makes a new class, which super() without arguments does not know.
        return [ccd for ccd in CoaddPsf.contributors(self, x=x, y=y) if ccd.visit not in gone]


def psf_without_clipped(psf: CoaddPsf, record: Table) -> ClipAwareCoaddPsf:
    """Return the PSF of a coadd without the visits that were clipped at the place it is asked for.

    Parameters
    ----------
    psf
        PSF of the coadd.
    record
        The coadd's clip record.
    """
    visits = sorted({int(visit) for visit in record["visit"]})
    return ClipAwareCoaddPsf(psf.ccds, psf.wcs, {visit: spans_of_visit(record, visit) for visit in visits})
