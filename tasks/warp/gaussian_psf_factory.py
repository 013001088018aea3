"""GaussianPsfFactory: the model PSF to which warps are matched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from butler.images import GaussianPsf, KernelPsf, Psf

from ..config import Config

__all__ = ["GaussianPsfFactory", "ModelPsf"]

_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True, slots=True)
class ModelPsf:
    """A circular Gaussian on a broader one, the same everywhere.

    Parameters
    ----------
    sigma
        Standard deviation of the core, pixels.
    wing_sigma
        Standard deviation of the wing, pixels.
    wing_amplitude
        Peak of the wing relative to that of the core; 0 for a single Gaussian.
    """

    sigma: float
    wing_sigma: float
    wing_amplitude: float

    def image(self, n_y: int, n_x: int) -> NDArray[np.float64]:
        """Return the model at pixel centres, centred in an odd array, with sum 1 over the whole plane."""
        y, x = np.arange(n_y) - n_y // 2, np.arange(n_x) - n_x // 2
        total = np.zeros((n_y, n_x))
        flux = 0.0
        for sigma, amplitude in ((self.sigma, 1.0), (self.wing_sigma, self.wing_amplitude)):
            profiles = (np.exp(-0.5 * (u / sigma) ** 2) for u in (y, x))
            total += amplitude * np.outer(*profiles)
            flux += amplitude * 2.0 * math.pi * sigma**2
        return total / flux


class GaussianPsfFactory(Config):
    """Makes a circular Gaussian, or one with a wing: a second, broader Gaussian.

    The wing is off by default: matching kernels would have to be as wide as it is, and what they cannot reach
    would depend on the seeing.
    """

    size: int | None = Field(
        default=None,
        gt=0,
        description="width of the PSF's image in pixels, odd; from sizeFactor if not given",
    )
    sizeFactor: float = Field(
        default=3.0, gt=0, description="width of the PSF's image in units of the FWHM of its broadest part"
    )
    minSize: int | None = Field(default=5, gt=0, description="smallest width from sizeFactor, pixels")
    maxSize: int | None = Field(default=None, gt=0, description="largest width from sizeFactor, pixels")
    defaultFwhm: float = Field(
        default=7.7, gt=0, allow_inf_nan=False, description="FWHM of the core in pixels"
    )
    addWing: bool = Field(default=False, description="whether to add the wing")
    wingFwhmFactor: float = Field(default=2.5, gt=0, description="FWHM of the wing in units of the core's")
    wingAmplitude: float = Field(
        default=0.1, ge=0, description="peak of the wing in units of that of the core"
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for name in ("size", "minSize", "maxSize"):
            value = getattr(self, name)
            if value is not None and value % 2 == 0:
                raise ValueError(f"{name} must be odd, not {value}")
        if self.minSize is not None and self.maxSize is not None and self.minSize > self.maxSize:
            raise ValueError(f"minSize {self.minSize} is larger than maxSize {self.maxSize}")
        return self

    def computeSizeAndFwhm(self, fwhm: float | None = None) -> tuple[int, float]:
        """Return the width of the PSF's image, and the FWHM of its core, both in pixels."""
        fwhm = self.defaultFwhm if fwhm is None else fwhm
        if self.size is not None:
            return self.size, fwhm
        broadest = fwhm * max(self.wingFwhmFactor if self.addWing else 1.0, 1.0)
        size = 2 * (int(self.sizeFactor * broadest) // 2) + 1
        size = size if self.minSize is None else max(size, self.minSize)
        return size if self.maxSize is None else min(size, self.maxSize), fwhm

    def model(self, fwhm: float | None = None) -> ModelPsf:
        """Return the model as a function.

        Parameters
        ----------
        fwhm
            FWHM of its core, pixels; `defaultFwhm` if None.
        """
        sigma = (self.defaultFwhm if fwhm is None else fwhm) / _FWHM_PER_SIGMA
        return ModelPsf(sigma, sigma * self.wingFwhmFactor, self.wingAmplitude if self.addWing else 0.0)

    def apply(self, fwhm: float | None = None) -> Psf:
        """Return the model as the PSF of an exposure.

        Parameters
        ----------
        fwhm
            FWHM of its core, pixels; `defaultFwhm` if None.
        """
        model = self.model(fwhm)
        if not model.wing_amplitude:
            return GaussianPsf(model.sigma)
        size, _ = self.computeSizeAndFwhm(fwhm)
        return KernelPsf(model.image(size, size))
