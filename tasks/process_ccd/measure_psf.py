"""MeasurePsfTask: the PSF of an image, from its stars or its header."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import GaussianPsf, KernelPsf, MaskedImage

from ..config import Config
from ..errors import TaskError
from ..struct import Struct
from ..task import Task
from .psf_kernel import STACK_MARGIN, full_width_half_maximum, recentred, stack_stars
from .psf_stars import FWHM_OF_SIGMA, PsfStarConfig, PsfStars, find_psf_stars
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


class MeasurePsfTask(Task):
    """Makes a PSF image, the same for the whole exposure, from bright isolated stars."""

    ConfigClass: ClassVar[type[Config]] = MeasurePsfConfig
    _DefaultName: ClassVar[str] = "measurePsf"

    def run(self, maskedImage: MaskedImage, seeing: float | None = None) -> Struct:
        """Measure the PSF.

        Parameters
        ----------
        maskedImage
            Background-subtracted pixels with variance; not changed.
        seeing
            Full width at half maximum in pixels that the header gives, for images without enough stars.

        Returns
        -------
        result
            ``psf``; ``fwhm``, the diameter in pixels of a circle with the area over which it exceeds half
            its peak; ``n_stars``, the number of stars it is made of, 0 if it is a Gaussian of the header's
            seeing.

        Raises
        ------
        TaskError
            Raised if there are neither enough stars nor a seeing.
        """
        mask = maskedImage.mask
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        bad |= ~(np.isfinite(maskedImage.image.array) & np.isfinite(maskedImage.variance.array))
        stars = find_psf_stars(maskedImage.image.array, maskedImage.variance.array, bad, self.config.stars)
        if len(stars) < self.config.minStars:
            return self._from_seeing(seeing, len(stars))
        return self._from_stars(np.where(bad, np.float32(0), maskedImage.image.array), stars)

    def _from_stars(self, image: NDArray[np.float32], stars: PsfStars) -> Struct:
        width = FWHM_OF_SIGMA * stars.sigma
        half = math.ceil(self.config.kernelRadius * width) + STACK_MARGIN
        # Beyond the border of the image there is only sky, whose level is 0.
        stamps = np.nan_to_num(cut_stamps(image, stars.x, stars.y, half))
        centred = recentred(stamps, stars.shapes.dx, stars.shapes.dy)
        kernel, used = stack_stars(centred, stars.shapes.flux, width)
        fwhm = full_width_half_maximum(kernel)
        n_stars = int(used.sum())
        self.log.info("PSF from %d of %d stars, FWHM %.2f pixels", n_stars, len(stars), fwhm)
        return Struct(psf=KernelPsf(kernel), fwhm=fwhm, n_stars=n_stars)

    def _from_seeing(self, seeing: float | None, n_found: int) -> Struct:
        if seeing is None or not (math.isfinite(seeing) and seeing > 0):
            raise TaskError(
                f"no PSF: {n_found} usable stars (at least {self.config.minStars} are needed) and no seeing "
                "in the header; lower measurePsf.minStars or measurePsf.stars.minSignalToNoise, or name the "
                "seeing's card in the camera mapping"
            )
        self.log.info("PSF from the header's seeing, FWHM %.2f pixels: only %d stars", seeing, n_found)
        return Struct(psf=GaussianPsf(seeing / FWHM_OF_SIGMA), fwhm=float(seeing), n_stars=0)
