"""MaskStreaksTask: straight streaks, such as trails of satellites, among detections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from butler.images import MaskedImage

from ..config import Config
from ..errors import TaskError
from ..task import Task

__all__ = ["Line", "MaskStreaksConfig", "MaskStreaksTask"]

_THETA_STEP: Final = 0.5
_EDGE_WIDTH: Final = 2.0
_MAX_FIT_PIXELS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line ``x cos(theta) + y sin(theta) = rho`` with a profile across it.

    Parameters
    ----------
    rho
        Distance from the centre of the image, pixels.
    theta
        Direction of the normal, degrees, counted from the x axis.
    sigma
        Width of the profile, pixels.
    significance
        Brightness over its error.
    """

    rho: float
    theta: float
    sigma: float = 0.0
    significance: float = 0.0


class MaskStreaksConfig(Config):
    """What counts as a streak."""

    clusterMinimumSize: int = Field(
        default=50, gt=1, description="shortest streak: edge pixels on one line, pixels"
    )
    rhoBinSize: float = Field(default=40.0, gt=0, description="largest shift of a line in its fit, pixels")
    thetaBinSize: float = Field(default=2.0, gt=0, description="largest turn of a line in its fit, degrees")
    invSigma: float = Field(default=0.1, gt=0, description="inverse of the width to start from, 1/pixel")
    nSigmaMask: float = Field(
        default=5.0, gt=0, description="half-width of the mask in widths of the profile"
    )
    maxStreakWidth: float = Field(
        default=0.0, ge=0, description="largest width of the mask, pixels; 0 for any"
    )
    maxFitIter: int = Field(default=100, gt=0, description="largest number of steps of the fit")
    minSignificance: float = Field(
        default=5.0, ge=0, description="least brightness of a streak in units of its error"
    )
    onlyMaskDetected: bool = Field(default=True, description="mask nothing that was not detected")
    badMaskPlanes: list[str] = Field(
        default=["NO_DATA", "INTRP", "BAD", "SAT", "EDGE"], description="planes of pixels that are ignored"
    )


class MaskStreaksTask(Task):
    """Finds straight lines among the edges of detections, fits their profile, and masks them.

    Edges are those of Canny (1986), lines the peaks of their Hough transform (Duda & Hart 1972); both come
    from scikit-image. The profile across a streak is that of Moffat (1969),
    ``(1 + (d / sigma)**2)**-2.5``. The strongest line comes first, and its edges are taken away before the
    next one is looked for, so that neither its other edge nor its width makes another one.
    """

    ConfigClass: ClassVar[type[Config]] = MaskStreaksConfig
    _DefaultName: ClassVar[str] = "maskStreaks"

    def run(self, maskedImage: MaskedImage, planeName: str = "STREAK") -> list[Line]:
        """Mask the streaks, in place; the plane is cleared first.

        Parameters
        ----------
        maskedImage
            A difference, with DETECTED in its mask.
        planeName
            Mask plane to set.

        Returns
        -------
        lines
            The streaks, the longest first.

        Raises
        ------
        TaskError
            Raised if scikit-image is not installed.
        """
        mask = maskedImage.mask
        mask.addMaskPlane(planeName)
        mask.clear(planeName)
        detected = mask.isSet("DETECTED")
        bad = mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        edges = _edges(detected) & ~_touching(bad)
        lines = []
        while (guess := self._strongest(edges)) is not None:
            line = self._fit(maskedImage, bad, guess)
            if line is not None:
                band = np.abs(_distances(detected.shape, line)) < self._half_width(line)
                mask.set_where(planeName, band & detected if self.config.onlyMaskDetected else band)
                lines.append(line)
                edges &= ~_touching(band)
            edges &= np.abs(_distances(detected.shape, guess)) > _EDGE_WIDTH
        self.metadata["nStreaks"] = len(lines)
        return lines

    def _strongest(self, edges: NDArray[np.bool_]) -> Line | None:
        """Return the line with most edge pixels; None if they are too few."""
        from skimage import transform

        if np.count_nonzero(edges) < self.config.clusterMinimumSize:
            return None
        hough_line: Any = transform.hough_line
        votes, theta, rho = hough_line(edges, theta=np.radians(np.arange(-90.0, 90.0, _THETA_STEP)))
        i, j = np.unravel_index(np.argmax(votes), votes.shape)
        if votes[i, j] < self.config.clusterMinimumSize:
            return None
        centre_y, centre_x = (n / 2 for n in edges.shape)
        angle = float(theta[j])
        shift = centre_x * math.cos(angle) + centre_y * math.sin(angle)
        return Line(float(rho[i]) - shift, math.degrees(angle))

    def _half_width(self, line: Line) -> float:
        """Return the half-width of the mask of a streak, pixels."""
        half: float = self.config.nSigmaMask * line.sigma
        return min(half, self.config.maxStreakWidth / 2) if self.config.maxStreakWidth else half

    def _fit(self, maskedImage: MaskedImage, bad: NDArray[np.bool_], guess: Line) -> Line | None:
        """Return a line with the profile that fits best near a guess; None if there is no streak."""
        from scipy.optimize import least_squares

        config: MaskStreaksConfig = self.config
        image, variance = maskedImage.image.array, maskedImage.variance.array
        near = (np.abs(_distances(image.shape, guess)) < 3 / config.invSigma) & ~bad
        near &= np.isfinite(image) & np.isfinite(variance) & (variance > 0)
        y, x = np.nonzero(near)
        step = max(1, len(y) // _MAX_FIT_PIXELS)
        y, x = y[::step], x[::step]
        if len(y) < config.clusterMinimumSize:
            return None
        weight = 1.0 / np.sqrt(variance[y, x].astype(np.float64))
        pulls = weight * image[y, x]
        dx, dy = x - image.shape[1] / 2, y - image.shape[0] / 2

        def model(parameters: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
            rho, theta, log_sigma = parameters
            distance = dx * math.cos(theta) + dy * math.sin(theta) - rho
            q = 1.0 + (distance * math.exp(-log_sigma)) ** 2
            profile = weight / (q * q * np.sqrt(q))
            return profile, float(profile @ pulls / (profile @ profile))

        def residuals(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
            profile, brightness = model(parameters)
            rest: NDArray[np.float64] = pulls - brightness * profile
            return rest

        start = np.array([guess.rho, math.radians(guess.theta), -math.log(config.invSigma)])
        # Pixels of stars and of other streaks must not pull the line.
        result: Any = least_squares(
            residuals, start, loss="soft_l1", x_scale=[1.0, 0.01, 0.3], max_nfev=config.maxFitIter
        )
        line = Line(float(result.x[0]), math.degrees(result.x[1]), math.exp(result.x[2]))
        moved = abs(line.rho - guess.rho) > config.rhoBinSize
        if not result.success or moved or abs(line.theta - guess.theta) > config.thetaBinSize:
            return None
        profile, brightness = model(result.x)
        significance = abs(brightness) * math.sqrt(float(profile @ profile * step))
        return replace(line, significance=significance) if significance >= config.minSignificance else None


def _edges(detected: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the edges of detections.

    Raises
    ------
    TaskError
        Raised if scikit-image is not installed.
    """
    try:
        from skimage import feature
    except ImportError as error:
        raise TaskError(
            "streaks are found with scikit-image; pip install 'coadd-butler[streaks]', or set "
            "doFilterMorphological=False"
        ) from error
    canny: Any = feature.canny
    edges: NDArray[np.bool_] = canny(detected.astype(float), sigma=0.1, use_quantiles=True)
    return edges


def _distances(shape: tuple[int, ...], line: Line) -> NDArray[np.float64]:
    """Return the distance of each pixel from a line, with a sign, ``(n_y, n_x)``."""
    theta = math.radians(line.theta)
    y, x = np.arange(shape[0])[:, np.newaxis] - shape[0] / 2, np.arange(shape[1]) - shape[1] / 2
    distances: NDArray[np.float64] = x * math.cos(theta) + y * math.sin(theta) - line.rho
    return distances


def _touching(bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels are bad or next to a bad one."""
    padded = np.pad(bad, 1)
    n_y, n_x = bad.shape
    touching = np.zeros_like(bad)
    for dy in range(3):
        for dx in range(3):
            touching |= padded[dy : dy + n_y, dx : dx + n_x]
    return touching
