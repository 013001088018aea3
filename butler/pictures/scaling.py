"""Scaling: from pixel values to shades."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ButlerUserError

__all__ = ["STRETCHES", "Scaling", "scale_limits"]

STRETCHES: Final = ("linear", "sqrt", "log", "asinh")
"""Names of the known stretches."""

_RANGE: Final = re.compile(r"([^,]+),([^,]+)")
_PERCENT: Final = re.compile(r"(\d+(?:\.\d*)?)%?")
_N_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Scaling:
    """How pixel values become shades.

    Parameters
    ----------
    stretch
        One of `STRETCHES`; ``asinh`` is linear in the noise and logarithmic above.
    limits
        Values of the two ends; ``auto``: from below the sky to the brightest 0.3 percent; ``zscale``,
        ``minmax``; or the percentage of the pixels that lie between them.

    Raises
    ------
    ButlerUserError
        Raised for another stretch or limits that cannot be.
    """

    stretch: str = "linear"
    limits: str | float | tuple[float, float] = "auto"

    def __post_init__(self) -> None:
        if self.stretch not in STRETCHES:
            raise ButlerUserError(f"a stretch is one of {', '.join(STRETCHES)}, not {self.stretch!r}")
        limits = self.limits
        if isinstance(limits, str):
            possible = limits in ("auto", "zscale", "minmax")
        elif isinstance(limits, tuple):
            possible = bool(np.isfinite(limits).all()) and limits[0] < limits[1]
        else:
            possible = 0 < limits <= 100
        if not possible:
            raise ButlerUserError(
                f"a scale is auto, zscale, minmax, a percentage, or LOW,HIGH in that order; not {limits!r}"
            )

    @classmethod
    def parse(cls, stretch: str, limits: str) -> Self:
        """Make one from text: limits are ``zscale``, ``99.5%`` or ``-3,100``, for example."""
        try:
            if match := _RANGE.fullmatch(limits):
                return cls(stretch, (float(match[1]), float(match[2])))
            if match := _PERCENT.fullmatch(limits):
                return cls(stretch, float(match[1]))
        except ValueError:
            raise ButlerUserError(
                f"a scale of two values is LOW,HIGH, both numbers, not {limits!r}"
            ) from None
        return cls(stretch, limits)

    def limits_for(self, array: NDArray[Any]) -> tuple[float, float]:
        """Return the values of the two ends for an image; pixels that are not finite do not count."""
        finite = array[np.isfinite(array)]
        if isinstance(self.limits, tuple) or not finite.size:
            return self.limits if isinstance(self.limits, tuple) else (0.0, 1.0)
        if self.limits == "zscale":
            from astropy.visualization import ZScaleInterval

            low, high = ZScaleInterval().get_limits(finite)
        elif self.limits == "minmax":
            low, high = finite.min(), finite.max()
        elif self.limits == "auto":
            low, high = scale_limits(finite)
            if self.stretch != "linear":
                # Room for bright objects, and a sky that stays light; a logarithm begins at the sky itself.
                sky = (4 * low + high) / 5
                low = sky if self.stretch == "log" else sky - 0.6 * (sky - low)
                high = max(high, float(np.percentile(finite, 99.7)))
        else:
            tail = (100 - float(self.limits)) / 2
            low, high = np.percentile(finite, [tail, 100 - tail])
        return float(low), float(high) if high > low else float(low) + 1.0

    def norm(self, array: NDArray[Any]) -> Any:
        """Return matplotlib's object that maps values to [0, 1]."""
        from astropy.visualization import AsinhStretch, ImageNormalize, LinearStretch, LogStretch, SqrtStretch

        low, high = self.limits_for(array)
        stretch = {
            "linear": LinearStretch,
            "sqrt": SqrtStretch,
            "log": lambda: LogStretch(100),
            "asinh": lambda: AsinhStretch(_softening(array, low, high)),
        }[self.stretch]()
        return ImageNormalize(vmin=low, vmax=high, stretch=stretch, clip=False)


DEFAULT_SCALING: Final = Scaling()
"""Linear, from below the sky to well above its noise."""


def scale_limits(array: NDArray[Any]) -> tuple[float, float]:
    """Return a range from a little below the sky to well above its noise."""
    finite = array[np.isfinite(array)]
    if not finite.size:
        return 0.0, 1.0
    low, middle = np.percentile(finite, [16, 50])
    spread = float(middle - low) or 1.0
    return float(middle - 3 * spread), float(middle + 12 * spread)


def colorbar_ticks(norm: Any) -> list[float]:
    """Return round values that lie evenly along a colour bar."""
    places = np.linspace(0.02, 0.98, _N_TICKS)
    ticks = {float(f"{value:.2g}") for value in norm.inverse(places).tolist()}
    return sorted(tick for tick in ticks if norm.vmin <= tick <= norm.vmax)


def _softening(array: NDArray[Any], low: float, high: float) -> float:
    """Return where asinh turns from linear to logarithmic: at 3 sigma, as a part of the range."""
    quarter, middle = (
        np.percentile(array[np.isfinite(array)], [16, 50]) if np.isfinite(array).any() else (0, 1)
    )
    return float(np.clip(3 * (middle - quarter) / (high - low), 0.003, 0.5))
