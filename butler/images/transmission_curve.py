"""TransmissionCurve: the share of light that an instrument passes, by wavelength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["TransmissionCurve"]


@dataclass(frozen=True, slots=True, eq=False)
class TransmissionCurve:
    """A curve that is the same all over an image, linear between its points.

    Parameters
    ----------
    wavelengths
        ``(n,)``, increasing, angstrom; copied.
    throughput
        ``(n,)``, finite; copied.
    throughputAtMin, throughputAtMax
        Throughput below the first and above the last wavelength.

    Raises
    ------
    ValueError
        Raised for tables that are no such curve.
    """

    wavelengths: NDArray[np.float64]
    throughput: NDArray[np.float64]
    throughputAtMin: float = 0.0
    throughputAtMax: float = 0.0

    def __post_init__(self) -> None:
        wavelengths, throughput = (np.array(v, np.float64) for v in (self.wavelengths, self.throughput))
        if wavelengths.ndim != 1 or wavelengths.shape != throughput.shape or not wavelengths.size:
            raise ValueError(
                f"a transmission curve needs as many wavelengths as throughputs, not {wavelengths.shape} and "
                f"{throughput.shape}"
            )
        ends = (self.throughputAtMin, self.throughputAtMax)
        if not (np.isfinite(wavelengths).all() and np.isfinite(throughput).all() and np.isfinite(ends).all()):
            raise ValueError("the wavelengths and throughputs of a transmission curve must be finite")
        if not (np.diff(wavelengths) > 0).all():
            raise ValueError("the wavelengths of a transmission curve must increase")
        object.__setattr__(self, "wavelengths", wavelengths)
        object.__setattr__(self, "throughput", throughput)

    def getWavelengthBounds(self) -> tuple[float, float]:
        """Return the first and the last wavelength, angstrom."""
        return float(self.wavelengths[0]), float(self.wavelengths[-1])

    def getThroughputAtBounds(self) -> tuple[float, float]:
        """Return the throughput below the first and above the last wavelength."""
        return self.throughputAtMin, self.throughputAtMax

    def sampleAt(self, position: tuple[float, float], wavelengths: ArrayLike) -> NDArray[np.float64]:
        """Return the throughput at some wavelengths (angstrom), the same at all positions ``(x, y)``."""
        at = np.asarray(wavelengths, dtype=np.float64)
        ends = self.getThroughputAtBounds()
        return np.asarray(np.interp(at, self.wavelengths, self.throughput, *ends), dtype=np.float64)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, TransmissionCurve):
            return NotImplemented
        return (
            np.array_equal(self.wavelengths, other.wavelengths)
            and np.array_equal(self.throughput, other.throughput)
            and self.getThroughputAtBounds() == other.getThroughputAtBounds()
        )

    __hash__ = None  # type: ignore[assignment]
