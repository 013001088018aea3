"""CoaddTransmissionCurve: the transmission of a coadd, from those of its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .coadd_inputs import CcdInput
from .sky_wcs import SkyWcs
from .transmission_curve import TransmissionCurve

__all__ = ["CoaddTransmissionCurve"]


@dataclass(frozen=True, slots=True)
class CoaddTransmissionCurve:
    """At each position the weighted mean of the curves of the detector images that contain it.

    Parameters
    ----------
    ccds
        The inputs, each with a curve.
    wcs
        WCS of the coadd.

    Raises
    ------
    ValueError
        Raised if there are no inputs, or one has no curve.
    """

    ccds: tuple[CcdInput, ...]
    wcs: SkyWcs

    def __post_init__(self) -> None:
        if not self.ccds:
            raise ValueError("the transmission curve of a coadd needs inputs")
        for ccd in self.ccds:
            _curve(ccd)

    def getWavelengthBounds(self) -> tuple[float, float]:
        """Return the first and the last wavelength of any input, angstrom."""
        bounds = [_curve(ccd).getWavelengthBounds() for ccd in self.ccds]
        return min(first for first, _ in bounds), max(last for _, last in bounds)

    def getThroughputAtBounds(self) -> tuple[float, float]:
        """Return the weighted mean of the inputs' throughputs beyond their bounds."""
        ends = [_curve(ccd).getThroughputAtBounds() for ccd in self.ccds]
        low, high = np.average(ends, axis=0, weights=[ccd.weight for ccd in self.ccds])
        return float(low), float(high)

    def sampleAt(self, position: tuple[float, float], wavelengths: ArrayLike) -> NDArray[np.float64]:
        """Return the throughput at some wavelengths (angstrom) at a position ``(x, y)`` of the coadd.

        Raises
        ------
        ValueError
            Raised if no input covers the position.
        """
        ra, dec = self.wcs.pixelToSky(*position)
        inside = [ccd for ccd in self.ccds if ccd.contains_sky(float(ra), float(dec))]
        if not inside:
            raise ValueError(f"no input image covers the position {position}")
        samples = [_curve(ccd).sampleAt(position, wavelengths) for ccd in inside]
        mean = np.average(samples, axis=0, weights=[ccd.weight for ccd in inside])
        return np.asarray(mean, dtype=np.float64)


def _curve(ccd: CcdInput) -> TransmissionCurve:
    if ccd.transmissionCurve is None:
        raise ValueError(f"visit {ccd.visit}, detector {ccd.ccd} has no transmission curve")
    return ccd.transmissionCurve
