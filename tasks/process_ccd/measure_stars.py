"""MeasureStarsTask: positions, fluxes and shapes of the stars of an exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from pydantic import Field

from butler.images import Exposure, PhotoCalib, Psf, SkyWcs

from ..config import Config
from ..task import Task
from .psf_stars import FWHM_OF_SIGMA, PsfStarConfig, find_psf_stars

__all__ = ["MeasureStarsConfig", "MeasureStarsTask", "StarCatalog", "psf_fraction"]


@dataclass(frozen=True, slots=True, eq=False)
class StarCatalog:
    """Bright isolated stars, brightest first; arrays ``(n,)``."""

    x: NDArray[np.float64]
    """Column, parent pixels."""

    y: NDArray[np.float64]
    """Row, parent pixels."""

    flux: NDArray[np.float64]
    """Flux within the whole PSF, in the unit of the image; NaN where it cannot be measured."""

    flux_err: NDArray[np.float64]
    """Its standard deviation from the variance plane."""

    ixx: NDArray[np.float64]
    """Adaptive second moment, pixels²."""

    iyy: NDArray[np.float64]
    """Adaptive second moment, pixels²."""

    ixy: NDArray[np.float64]
    """Adaptive second moment, pixels²."""

    def __len__(self) -> int:
        return len(self.x)

    def as_reference(self, wcs: SkyWcs, photo_calib: PhotoCalib, band: str) -> Table:
        """Return the stars as a reference catalog, to compare other exposures with this one.

        Parameters
        ----------
        wcs, photo_calib
            Those of the exposure.
        band
            Its band.

        Returns
        -------
        catalog
            ``coord_ra``, ``coord_dec`` (ICRS degrees) and ``<band>_mag`` (AB; NaN where there is no flux).
        """
        ra, dec = wcs.pixelToSky(self.x, self.y)
        flux = np.where(self.flux > 0, self.flux, np.nan)
        magnitude = photo_calib.magnitude_zero_point - 2.5 * np.log10(flux)
        return Table(
            {"coord_ra": ra, "coord_dec": dec, f"{band}_mag": magnitude}, units=["deg", "deg", "mag"]
        )


class MeasureStarsConfig(Config):
    """Which stars are measured, and how."""

    stars: PsfStarConfig = Field(
        default_factory=PsfStarConfig, description="which sources count as isolated stars"
    )
    apertureRadius: float = Field(
        default=1.5, gt=0, description="radius in which flux is summed, in units of the FWHM"
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA", "CR"),
        description="planes that no star's core may contain",
    )


class MeasureStarsTask(Task):
    """Measures bright isolated stars in apertures, corrected to the total flux with the PSF."""

    ConfigClass: ClassVar[type[Config]] = MeasureStarsConfig
    _DefaultName: ClassVar[str] = "measureStars"

    def run(self, exposure: Exposure) -> StarCatalog:
        """Measure the stars.

        Parameters
        ----------
        exposure
            Background-subtracted exposure with variance and PSF; not changed.

        Returns
        -------
        stars
            The stars; empty if there are none.
        """
        import sep

        mask, psf = exposure.mask, exposure.psf
        image, variance = exposure.image.array, exposure.variance.array
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        bad |= ~(np.isfinite(image) & np.isfinite(variance))
        stars = find_psf_stars(image, variance, bad, self.config.stars)
        column, row = stars.x + stars.shapes.dx, stars.y + stars.shapes.dy
        x, y = column + exposure.xy0.x, row + exposure.xy0.y
        flux, error = np.full((2, len(stars)), np.nan)
        if psf is not None and len(stars):
            middle_x, middle_y = exposure.bbox.center
            width = FWHM_OF_SIGMA * psf.computeShape(x=middle_x, y=middle_y)
            radius = self.config.apertureRadius * width
            flux, error, _ = sep.sum_circle(
                np.where(bad, 0, image).astype(float), column, row, radius,
                var=np.where(bad, 0, variance).astype(float), mask=bad, subpix=0,
            )  # fmt: skip
            fraction = np.array([psf_fraction(psf, radius, x=u, y=v) for u, v in zip(x, y, strict=True)])
            flux, error = flux / fraction, error / fraction
        e1, e2 = stars.shapes.e1, stars.shapes.e2
        # The determinant of the moments is sigma to the fourth power.
        half_trace = stars.shapes.sigma**2 / np.sqrt(1.0 - e1**2 - e2**2)
        self.log.debug("%d stars measured", len(stars))
        return StarCatalog(
            x, y, flux, error, half_trace * (1.0 + e1), half_trace * (1.0 - e1), half_trace * e2
        )


def psf_fraction(psf: Psf, radius: float, *, x: float, y: float) -> float:
    """Return the part of the flux of a star at a position that falls into a circle about it."""
    import sep

    star = psf.computeImage(x=x, y=y)
    # Beyond the model's image there is nothing of the star, but a circle must lie within the array.
    margin = math.ceil(max(0.0, radius - 0.5 * min(star.array.shape))) + 1
    column, row = x - star.xy0.x + margin, y - star.xy0.y + margin
    flux, _, _ = sep.sum_circle(np.pad(star.array, margin), [column], [row], radius, subpix=0)
    return float(flux[0])
