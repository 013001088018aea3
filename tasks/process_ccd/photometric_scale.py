"""Photometric scale: the magnitude of one count, given with the exposure or fitted to a reference catalog."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field

from butler.images import Exposure

from ..config import Config
from ..errors import TaskError
from ..task import Task
from .match_reference import ReferenceMatch, column_of
from .measure_stars import StarCatalog

__all__ = [
    "GivenZeroPointTask",
    "PhotometricScale",
    "ReferenceZeroPointConfig",
    "ReferenceZeroPointTask",
    "ScaleInputs",
]

_MAD_TO_SIGMA: Final = 1.4826
_MEDIAN_ERROR: Final = math.sqrt(math.pi / 2.0)
"""Error of a median of normal values in units of that of their mean."""


@dataclass(frozen=True, slots=True)
class PhotometricScale:
    """What a count is worth.

    Parameters
    ----------
    zero_point
        AB magnitude of one count in the whole exposure.
    error
        Its standard deviation, mag; NaN if not known.
    scatter
        Scatter of single stars, mag; NaN if it was not made from stars.
    n_stars
        Number of stars it was made from.
    """

    zero_point: float
    error: float = math.nan
    scatter: float = math.nan
    n_stars: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ScaleInputs:
    """What there is to find a zero point with.

    Parameters
    ----------
    given_zero_point
        Magnitude of one count in the whole exposure, from a table of zero points or else from the header;
        None if neither has it.
    stars
        Stars of the exposure, fluxes in counts.
    catalog, match
        Reference catalog, and which star is which of its entries; None if there is none.
    """

    given_zero_point: float | None
    stars: StarCatalog
    catalog: Any = None
    match: ReferenceMatch | None = None


class GivenZeroPointTask(Task):
    """Takes the zero point that a table or the header gives."""

    _DefaultName: ClassVar[str] = "givenZeroPoint"

    def run(self, exposure: Exposure, inputs: ScaleInputs) -> PhotometricScale:
        """Return the scale.

        Parameters
        ----------
        exposure
            Exposure in counts; not changed.
        inputs
            What there is to find it with.

        Raises
        ------
        TaskError
            Raised if none is given.
        """
        zero_point = inputs.given_zero_point
        if zero_point is None or not math.isfinite(zero_point):
            raise TaskError(
                f"the zero point is {zero_point}; name its card or table in the camera mapping, or retarget "
                "processCcd.photometricScale to ReferenceZeroPointTask"
            )
        return PhotometricScale(float(zero_point))


class ReferenceZeroPointConfig(Config):
    """How the zero point is fitted."""

    magnitudeColumn: str = Field(
        default="{band}_mag", description="AB magnitude in the catalog; {band} is that of the exposure"
    )
    minStars: int = Field(default=3, ge=1, description="fewer stars than this are an error")
    nSigma: float = Field(default=3.0, gt=0, description="clipping limit in standard deviations")
    iterations: int = Field(default=3, ge=0, description="number of clipping passes")


class ReferenceZeroPointTask(Task):
    """Fits the zero point to a reference catalog: the clipped median over its stars.

    Fluxes are those of apertures, corrected with the PSF to the whole star, so that the scale does not
    change with the seeing.
    """

    ConfigClass: ClassVar[type[Config]] = ReferenceZeroPointConfig
    _DefaultName: ClassVar[str] = "referenceZeroPoint"

    def run(self, exposure: Exposure, inputs: ScaleInputs) -> PhotometricScale:
        """Return the scale; see `GivenZeroPointTask.run`.

        Raises
        ------
        TaskError
            Raised if there is no catalog, or too few stars of it are in the exposure.
        """
        if inputs.catalog is None or inputs.match is None:
            raise TaskError("there is no reference catalog; ingest one as the dataset referenceCatalog")
        band = exposure.filter.band if exposure.filter else ""
        name = self.config.magnitudeColumn.replace("{band}", band)
        magnitude = column_of(inputs.catalog, name)[inputs.match.entry]
        flux = inputs.stars.flux[inputs.match.star]
        usable = np.isfinite(magnitude) & (flux > 0)
        values = magnitude[usable] + 2.5 * np.log10(flux[usable])
        for _ in range(self.config.iterations):
            deviation = np.abs(values - np.median(values)) if len(values) else values
            limit = self.config.nSigma * _MAD_TO_SIGMA * np.median(deviation) if len(values) else 0.0
            values = values[deviation <= limit]
        n = len(values)
        if n < self.config.minStars:
            raise TaskError(
                f"only {n} of {len(inputs.stars)} stars have a {name} in the reference catalog, at least "
                f"{self.config.minStars} are needed; lower photometricScale.minStars, or check the WCS and "
                "matchReference.matchRadius"
            )
        zero_point = float(np.median(values))
        scatter = _MAD_TO_SIGMA * float(np.median(np.abs(values - zero_point)))
        error = _MEDIAN_ERROR * scatter / math.sqrt(n)
        self.log.info("zero point %.4f ± %.4f from %d stars, scatter %.4f", zero_point, error, n, scatter)
        return PhotometricScale(zero_point, error, scatter, n)
