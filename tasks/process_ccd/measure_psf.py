"""MeasurePsfTask: the PSF of an image, from its stars or its header."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import Box2I, GaussianPsf, KernelPsf, MaskedImage, PolynomialPsf, Psf, PsfexPsf

from ..config import Config
from ..errors import TaskError
from ..struct import Struct
from ..task import Task
from .psf_kernel import (
    STACK_MARGIN,
    full_width_half_maximum,
    radii,
    recentred,
    scaled_stars,
    stack_stars,
    star_weights,
)
from .psf_stars import FWHM_OF_SIGMA, PsfStarConfig, PsfStars, find_psf_stars
from .spatial_psf import StarStamps, choose_degree, fit_polynomial_psf
from .star_shapes import cut_stamps

__all__ = ["MeasurePsfConfig", "MeasurePsfTask"]


class MeasurePsfConfig(Config):
    """How the PSF is measured."""

    stars: PsfStarConfig = Field(default_factory=PsfStarConfig, description="which stars may show the PSF")
    minStars: int = Field(
        default=5, ge=1, description="with fewer stars, the seeing that the header gives is used"
    )
    kernelRadius: float = Field(
        default=3.0, ge=1, description="half size of the PSF image, in units of the FWHM"
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA"), description="planes of pixels that no star's core may contain"
    )
    maxDegree: int = Field(
        default=2,
        ge=0,
        le=4,
        description="highest degree of the polynomials in x and y by which the PSF may vary; 0 for a "
        "constant PSF",
    )
    starsPerTerm: int = Field(
        default=6, ge=2, description="number of stars that each term of these polynomials needs"
    )
    components: int = Field(
        default=4, ge=1, description="number of principal components in which the PSF may vary"
    )
    usePsfexModel: bool = Field(default=True, description="use the PSFEx model of an exposure that has one")


class MeasurePsfTask(Task):
    """Makes a PSF model from bright isolated stars, or takes one that PSFEx made.

    The model varies over the exposure if the stars show that it does: a varying model has to predict stars
    that it was not fitted to better than a constant one. Otherwise, and with few stars, it is the same
    everywhere.
    """

    ConfigClass: ClassVar[type[Config]] = MeasurePsfConfig
    _DefaultName: ClassVar[str] = "measurePsf"

    def run(
        self, maskedImage: MaskedImage, seeing: float | None = None, psfexModel: Psf | None = None
    ) -> Struct:
        """Measure the PSF.

        Parameters
        ----------
        maskedImage
            Background-subtracted pixels with variance; not changed.
        seeing
            Full width at half maximum in pixels that the header gives, for images without enough stars.
        psfexModel
            Model of PSFEx for this exposure; its positions are those of an image that begins at (0, 0).

        Returns
        -------
        result
            ``psf``; ``fwhm``, the diameter in pixels of a circle with the area over which it exceeds half
            its peak in the middle of the image; ``n_stars``, the number of stars it is made of, 0 if it is a
            Gaussian of the header's seeing; ``degree`` of the polynomials by which it varies.

        Raises
        ------
        TaskError
            Raised if there are neither enough stars nor a seeing.
        """
        if psfexModel is not None and self.config.usePsfexModel:
            n_stars = psfexModel.n_stars if isinstance(psfexModel, PsfexPsf) else 0
            degree = psfexModel.degree if isinstance(psfexModel, PolynomialPsf) else 0
            return self._described(_placed(psfexModel, maskedImage.bbox), maskedImage.bbox, n_stars, degree)
        mask = maskedImage.mask
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        bad |= ~(np.isfinite(maskedImage.image.array) & np.isfinite(maskedImage.variance.array))
        stars = find_psf_stars(maskedImage.image.array, maskedImage.variance.array, bad, self.config.stars)
        if len(stars) < self.config.minStars:
            return self._from_seeing(seeing, len(stars))
        image = np.where(bad, np.float32(0), maskedImage.image.array)
        return self._from_stars(image, stars, maskedImage.bbox)

    def _from_stars(self, image: NDArray[np.float32], stars: PsfStars, bbox: Box2I) -> Struct:
        width = FWHM_OF_SIGMA * stars.sigma
        half = math.ceil(self.config.kernelRadius * width) + STACK_MARGIN
        # Beyond the border of the image there is only sky, whose level is 0.
        stamps = np.nan_to_num(cut_stamps(image, stars.x, stars.y, half))
        flux = stars.shapes.flux
        centred = recentred(stamps, stars.shapes.dx, stars.shapes.dy)
        kernel, used = stack_stars(centred, flux, width)
        kept = StarStamps(
            scaled_stars(centred, flux)[used],
            star_weights(flux[used]),
            (stars.x + stars.shapes.dx)[used] / (0.5 * bbox.width) - 1.0 + 1.0 / bbox.width,
            (stars.y + stars.shapes.dy)[used] / (0.5 * bbox.height) - 1.0 + 1.0 / bbox.height,
        )
        degree = choose_degree(
            kept,
            radii(kernel.shape[0] // 2) <= width,
            max_degree=self.config.maxDegree,
            stars_per_term=self.config.starsPerTerm,
            n_components=self.config.components,
        )
        psf: Psf = KernelPsf(kernel)
        if degree:
            psf = fit_polynomial_psf(kept, degree, self.config.components, bbox)
        return self._described(psf, bbox, int(used.sum()), degree)

    def _described(self, psf: Psf, bbox: Box2I, n_stars: int, degree: int) -> Struct:
        x, y = bbox.center
        fwhm = full_width_half_maximum(psf.computeKernelImage(x=x, y=y))
        self.log.info("PSF from %d stars, FWHM %.2f pixels, varies with degree %d", n_stars, fwhm, degree)
        return Struct(psf=psf, fwhm=fwhm, n_stars=n_stars, degree=degree)

    def _from_seeing(self, seeing: float | None, n_found: int) -> Struct:
        if seeing is None or not (math.isfinite(seeing) and seeing > 0):
            raise TaskError(
                f"no PSF: {n_found} usable stars (at least {self.config.minStars} are needed) and no seeing "
                "in the header; lower measurePsf.minStars or measurePsf.stars.minSignalToNoise, or name the "
                "seeing's card in the camera mapping"
            )
        self.log.info("PSF from the header's seeing, FWHM %.2f pixels: only %d stars", seeing, n_found)
        return Struct(psf=GaussianPsf(seeing / FWHM_OF_SIGMA), fwhm=float(seeing), n_stars=0, degree=0)


def _placed(model: Psf, bbox: Box2I) -> Psf:
    """Return a model of an image that begins at (0, 0) as that of an image cut from a larger one."""
    x0, y0 = bbox.minimum
    if not isinstance(model, PolynomialPsf) or (x0, y0) == (0, 0):
        return model
    return replace(model, x0=model.x0 + x0, y0=model.y0 + y0)
