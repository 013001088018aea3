"""FindCosmicRaysTask: hits of cosmic rays, told from stars by their sharpness."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from butler.images import MaskedImage, Psf

from ..config import Config
from ..kernels.label import label_components
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
    iterations: int = Field(default=4, ge=1, description="most passes of the search")
    starSharpness: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="a hit is sharper than a star: some pair of opposite neighbours of its peak is below "
        "this part of what the PSF has there",
    )
    starNoise: float = Field(
        default=3.0, ge=0, description="... by at least this many standard deviations of the noise"
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA"), description="planes of pixels that are not searched"
    )


class FindCosmicRaysTask(Task):
    """Finds cosmic rays by Laplacian edge detection, and spares what the PSF can explain.

    The search is L.A.Cosmic (van Dokkum 2001, PASP 113, 1420) as astroscrappy has it. It takes the cores of
    undersampled stars for hits; so each hit must also be sharper than a star can be: its brightest pixel
    must exceed some pair of opposite neighbours by more than any pixel of the PSF's core does.
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
        found = self._sharp_pixels(image, variance, bad)
        x, y = maskedImage.bbox.center
        labels, n_found = label_components(found)
        is_hit = self._sharper_than_stars(image, variance, labels, n_found, psf.computeKernelImage(x=x, y=y))
        mask.set_where("CR", is_hit[labels])
        n_hits = int(is_hit.sum())
        self.log.info("%d cosmic rays; %d star-like groups spared", n_hits, n_found - n_hits)
        return n_hits

    def _sharp_pixels(
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

    def _sharper_than_stars(
        self,
        image: NDArray[np.float32],
        variance: NDArray[np.float32],
        labels: NDArray[np.int32],
        n: int,
        kernel: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Tell which groups 1 to n are no stars, ``(n + 1,)``; entry 0 is False."""
        result = np.zeros(n + 1, dtype=bool)
        if n == 0:
            return result
        peaks = ndimage.maximum_position(image, labels, np.arange(1, n + 1))
        y, x = np.array(peaks, dtype=np.int64).T
        padded, padded_variance = (np.pad(plane, 1, mode="edge") for plane in (image, variance))
        for dy, dx in _DIRECTIONS:
            ratio = _sharpest_ratio(kernel, dy, dx)
            sides = [(y + 1 + sign * dy, x + 1 + sign * dx) for sign in (1, -1)]
            mean = 0.5 * sum(padded[side] for side in sides)
            noise = np.sqrt(0.25 * sum(padded_variance[side] for side in sides) + ratio**2 * variance[y, x])
            faintest = self.config.starSharpness * ratio * image[y, x] - self.config.starNoise * noise
            result[1:] |= mean < faintest
        return result


def _sharpest_ratio(kernel: NDArray[np.float64], dy: int, dx: int) -> float:
    """Return the smallest ratio of a pair of opposite neighbours to the pixel between, in a PSF's core.

    Of all positions of a peaked PSF within a pixel, the middle gives the smallest ratio there, and no other
    pixel of the core has a smaller one; looking at all of them serves PSFs with more than one peak.
    """
    padded = np.pad(kernel, 1)
    n_y, n_x = kernel.shape
    one, other = (
        padded[1 + sign * dy : 1 + sign * dy + n_y, 1 + sign * dx : 1 + sign * dx + n_x] for sign in (1, -1)
    )
    mean = 0.5 * (one + other)
    core = kernel > 0.5 * kernel.max()
    return float((mean[core] / kernel[core]).min())
