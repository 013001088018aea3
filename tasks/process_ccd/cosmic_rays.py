"""FindCosmicRaysTask: hits of cosmic rays, told from stars by their sharpness."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from butler.images import MaskedImage, Psf

from ..config import Config
from ..kernels import filled_defects, label_components
from ..task import Task

__all__ = ["FindCosmicRaysConfig", "FindCosmicRaysTask"]

_DIRECTIONS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))


class FindCosmicRaysConfig(Config):
    """What counts as a cosmic ray."""

    sigclip: float = Field(default=6.0, gt=0, description="Laplacian-to-noise limit of a hit")
    sigfrac: float = Field(default=0.3, gt=0, le=1, description="part of sigclip for pixels beside a hit")
    objlim: float = Field(
        default=5.0, gt=0, description="smallest contrast of the Laplacian to the fine structure"
    )
    iterations: int = Field(default=2, ge=1, description="most passes of the search")
    starSharpness: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="a pixel is sharper than a star if some pair of opposite neighbours is below "
        "this part of what the PSF has there",
    )
    starNoise: float = Field(
        default=3.0, ge=0, description="... by at least this many standard deviations of the noise"
    )
    besideNoise: float = Field(
        default=3.0,
        gt=0,
        description="a pixel beside a hit belongs to it if it exceeds what the pixels around both would have "
        "there by this many standard deviations of the noise",
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA"), description="planes of pixels that are not searched"
    )


class FindCosmicRaysTask(Task):
    """Finds cosmic rays by Laplacian edge detection, and spares what the PSF can explain.

    The search is L.A.Cosmic (van Dokkum 2001, PASP 113, 1420) as astroscrappy has it. It takes the cores of
    undersampled stars for hits. So only those of its pixels stay that are sharper than a star can be, or
    touch one that is: a sharp pixel exceeds some pair of opposite neighbours by more than any pixel of the
    PSF's core does. Beside them a hit is as smooth as a star; what it left there is told from what is
    interpolated across it.
    """

    ConfigClass: ClassVar[type[Config]] = FindCosmicRaysConfig
    _DefaultName: ClassVar[str] = "findCosmicRays"

    def run(self, maskedImage: MaskedImage, psf: Psf) -> int:
        """Set CR in the mask.

        Parameters
        ----------
        maskedImage
            Background-subtracted pixels with variance; the mask is changed.
        psf
            PSF; that in the middle of the image is used.

        Returns
        -------
        n_hits
            Number of connected groups of CR pixels.
        """
        mask = maskedImage.mask
        mask.addMaskPlane("CR")
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        bad |= ~(np.isfinite(maskedImage.image.array) & np.isfinite(maskedImage.variance.array))
        if bad.all():
            return 0
        image = np.where(bad, np.float32(0), maskedImage.image.array)
        variance = maskedImage.variance.array
        variance = np.where(bad, np.median(variance[~bad]), variance)
        x, y = maskedImage.bbox.center
        found = self._search(image, variance, bad)
        sharp = found & self._is_sharper_than_stars(image, variance, psf.computeKernelImage(x=x, y=y))
        hits = found & ndimage.binary_dilation(sharp, np.ones((3, 3)))
        hits |= self._left_beside(image, variance, hits, bad)
        mask.set_where("CR", hits)
        _, n_hits = label_components(hits)
        self.log.info("%d cosmic rays; %d star-like pixels spared", n_hits, np.count_nonzero(found & ~hits))
        return n_hits

    def _search(
        self, image: NDArray[np.float32], variance: NDArray[np.float32], bad: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the pixels that L.A.Cosmic takes for hits, ``(n_y, n_x)``."""
        import astroscrappy

        # The variance plane is the noise model, whatever it was made from: no gain, no read noise. Saturated
        # pixels are masked already.
        found, _ = astroscrappy.detect_cosmics(
            np.ascontiguousarray(image, dtype=np.float32),
            inmask=bad,
            invar=np.ascontiguousarray(variance, dtype=np.float32),
            sigclip=self.config.sigclip,
            sigfrac=self.config.sigfrac,
            objlim=self.config.objlim,
            gain=1.0,
            satlevel=np.inf,
            niter=self.config.iterations,
        )
        return np.asarray(found, dtype=np.bool_)

    def _left_beside(
        self,
        image: NDArray[np.float32],
        variance: NDArray[np.float32],
        hits: NDArray[np.bool_],
        bad: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Return the pixels beside hits that have charge of theirs, ``(n_y, n_x)``."""
        beside = ndimage.binary_dilation(hits, np.ones((3, 3))) & ~bad
        across = filled_defects(image, beside | bad)
        excess = image - across > self.config.besideNoise * np.sqrt(variance)
        return np.asarray(beside & excess, dtype=np.bool_)

    def _is_sharper_than_stars(
        self, image: NDArray[np.float32], variance: NDArray[np.float32], kernel: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell which pixels stand out more than any of a star can, ``(n_y, n_x)``."""
        result = np.zeros(image.shape, dtype=bool)
        for dy, dx in _DIRECTIONS:
            ratio = _sharpest_ratio(kernel, dy, dx)
            mean = _mean_of_opposite(image, dy, dx)
            noise = np.sqrt(0.5 * _mean_of_opposite(variance, dy, dx) + ratio**2 * variance)
            result |= mean < self.config.starSharpness * ratio * image - self.config.starNoise * noise
        return result


def _mean_of_opposite(plane: NDArray[Any], dy: int, dx: int) -> NDArray[Any]:
    """Return the mean of the neighbours ``(dy, dx)`` and ``(-dy, -dx)`` of each pixel, ``(n_y, n_x)``.

    Beyond the border, the pixels of the border are repeated.
    """
    padded = np.pad(plane, 1, mode="edge")
    n_y, n_x = plane.shape
    one = padded[1 + dy : 1 + dy + n_y, 1 + dx : 1 + dx + n_x]
    other = padded[1 - dy : 1 - dy + n_y, 1 - dx : 1 - dx + n_x]
    mean: NDArray[Any] = 0.5 * (one + other)
    return mean


def _sharpest_ratio(kernel: NDArray[np.float64], dy: int, dx: int) -> float:
    """Return the smallest ratio of a pair of opposite neighbours to the pixel between, in a PSF's core.

    Of all positions of a peaked PSF within a pixel, the middle gives the smallest ratio there, and no other
    pixel of the core has a smaller one; looking at all of them serves PSFs with more than one peak.
    """
    core = kernel > 0.5 * kernel.max()
    return float((_mean_of_opposite(kernel, dy, dx)[core] / kernel[core]).min())
