"""ModelPsfMatchTask: convolve an image so that its PSF becomes a given model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from threadpoolctl import threadpool_limits

from butler.images import Box2I, Image, Mask, MaskedImage

from ..config import Config
from ..errors import PsfMatchError
from ..kernels import MatchingKernel, convolve_varying, match_residual, matching_kernel, spread_bits
from ..struct import Struct
from ..task import Task
from .gaussian_psf_factory import ModelPsf

__all__ = ["KernelGrid", "ModelPsfMatchConfig", "ModelPsfMatchTask"]

_SIZE_STEP: Final = 4

PsfAt: TypeAlias = Callable[[float, float], NDArray[np.float64]]
"""Gives the PSF image at a position ``x, y``."""


class ModelPsfMatchConfig(Config):
    """How matching kernels are found, and when they are not good enough."""

    scaleByFwhm: bool = Field(
        default=True,
        description="choose the size of the kernel from the PSFs: the smallest one that reaches the model; "
        "if not, it is kernelSize",
    )
    kernelSize: int = Field(default=21, gt=0, description="width of the kernel in pixels, odd")
    kernelSizeMin: int = Field(default=11, gt=0, description="smallest width chosen, odd")
    kernelSizeMax: int = Field(default=51, gt=0, description="largest width chosen, odd")
    sizeTolerance: float = Field(
        default=0.001,
        gt=0,
        description="what a larger kernel must gain in the match, as a fraction of the model's peak",
    )
    sizeCellX: int = Field(default=256, gt=0, description="distance in x of kernels, pixels")
    sizeCellY: int = Field(default=256, gt=0, description="distance in y of kernels, pixels")
    ridge: float = Field(
        default=1e-5,
        gt=0,
        description="weight of the noise of the result beside the squared residual of the match",
    )
    maxResidual: float = Field(
        default=0.02,
        gt=0,
        description="largest difference of matched PSF and model, as a fraction of the model's peak",
    )
    maxNoise: float = Field(
        default=1.0, gt=0, description="largest factor by which the variance of white noise may change"
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for name in ("kernelSize", "kernelSizeMin", "kernelSizeMax"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, not {getattr(self, name)}")
        if self.kernelSizeMin > self.kernelSizeMax:
            raise ValueError(
                f"kernelSizeMin {self.kernelSizeMin} is larger than kernelSizeMax {self.kernelSizeMax}"
            )
        return self

    @property
    def reach(self) -> int:
        """Pixels on each side that the largest kernel reaches."""
        size: int = self.kernelSizeMax if self.scaleByFwhm else self.kernelSize
        return size // 2


@dataclass(frozen=True, slots=True, eq=False)
class KernelGrid:
    """Matching kernels at the nodes of a grid, bilinear in between.

    Parameters
    ----------
    x, y
        Columns ``(m_x,)`` and rows ``(m_y,)`` of the nodes, parent pixels.
    kernels
        Kernels ``(m_y, m_x, n, n)``, each of sum 1.
    residual
        Largest difference of matched PSF and model at the nodes and half-way between them, as a fraction of
        the model's peak.
    noise
        Largest sum of the squares of a kernel.
    condition
        Largest condition number of the equations.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    kernels: NDArray[np.float64]
    residual: float
    noise: float
    condition: float

    @property
    def size(self) -> int:
        """Width of the kernels, pixels."""
        return int(self.kernels.shape[-1])


class ModelPsfMatchTask(Task):
    """Gives an image the PSF of a model.

    The matching kernel is solved for at the nodes of a grid, pixel by pixel, with a penalty for noise and the
    sum fixed at 1. Between the nodes it is bilinear, which needs no fit and cannot swing.
    """

    ConfigClass: ClassVar[type[Config]] = ModelPsfMatchConfig
    _DefaultName: ClassVar[str] = "modelPsfMatch"

    def run(self, masked_image: MaskedImage, psf_at: PsfAt, model: ModelPsf) -> Struct:
        """Match an image to a model.

        Parameters
        ----------
        masked_image
            Image to convolve; not changed.
        psf_at
            Gives its PSF at a position ``x, y`` in parent pixels: an odd-sized image of sum 1.
        model
            PSF to reach.

        Returns
        -------
        result
            ``matched``, the convolved image of the same box: NaN, NO_DATA and infinite variance where the
            kernel's box touches NO_DATA, a value or variance that is not finite, or the outside; every other
            mask bit grows by the kernel's box. ``grid``, the `KernelGrid`.

        Raises
        ------
        PsfMatchError
            Raised if the model cannot be reached, or only by raising the noise.
        """
        grid = self.solve(masked_image.bbox, psf_at, model)
        box = masked_image.bbox
        unknown = ~(np.isfinite(masked_image.image.array) & np.isfinite(masked_image.variance.array))
        mask = Mask(masked_image.mask.array.copy(), box.minimum, masked_image.mask.planes)
        mask.addMaskPlane("NO_DATA")
        mask.set_where("NO_DATA", unknown)
        image, variance = convolve_varying(
            masked_image.image.array,
            masked_image.variance.array,
            grid.kernels,
            grid.y - box.minY,
            grid.x - box.minX,
        )
        mask.array = spread_bits(mask.array, grid.size // 2)
        mask.set_where("NO_DATA", np.isnan(image))
        empty = mask.isSet("NO_DATA")
        image[empty], variance[empty] = np.nan, np.inf
        matched = MaskedImage(
            Image(image, box.minimum, masked_image.image.unit),
            mask,
            Image(variance, box.minimum, masked_image.variance.unit),
        )
        return Struct(matched=matched, grid=grid)

    def solve(self, bbox: Box2I, psf_at: PsfAt, model: ModelPsf) -> KernelGrid:
        """Return the matching kernels over a box.

        Parameters
        ----------
        bbox, psf_at, model
            As for `run`.

        Raises
        ------
        PsfMatchError
            Raised if the model cannot be reached, or only by raising the noise.
        """
        x = _nodes(bbox.minX, bbox.maxX, self.config.sizeCellX)
        y = _nodes(bbox.minY, bbox.maxY, self.config.sizeCellY)
        psfs = [[_checked(psf_at(float(px), float(py)), px, py) for px in x] for py in y]
        # The sharpest PSF needs the widest kernel.
        sharpest = max(itertools.chain(*psfs), key=lambda psf: float(np.square(psf).sum()))
        # The systems are small, and BLAS threads that wait for each other cost more than they do.
        with threadpool_limits(1, user_api="blas"):
            size = self._kernel_size(sharpest, model)
            solved: dict[bytes, MatchingKernel] = {}
            kernels = np.empty((len(y), len(x), size, size))
            for j, i in np.ndindex(len(y), len(x)):
                # Most PSFs hardly vary: where one is another to float32, so is its kernel.
                key = np.round(psfs[j][i], 7).tobytes() + bytes(psfs[j][i].shape)
                if key not in solved:
                    solved[key] = self._match(psfs[j][i], model, size)
                kernels[j, i] = solved[key].kernel
        residual, noise, condition = (
            max(getattr(solution, name) for solution in solved.values())
            for name in ("residual", "noise", "condition")
        )
        grid = KernelGrid(x, y, kernels, residual, noise, condition)
        if len(solved) > 1:
            between = max(_residuals_between(grid, psf_at, model), default=0.0)
            grid = replace(grid, residual=max(residual, between))
        self._check(grid)
        return grid

    def _kernel_size(self, psf: NDArray[np.float64], model: ModelPsf) -> int:
        """Return the size of kernel beyond which the match hardly improves."""
        config: ModelPsfMatchConfig = self.config
        if not config.scaleByFwhm:
            return config.kernelSize
        residual = math.inf
        chosen = config.kernelSizeMin
        for size in range(config.kernelSizeMin, config.kernelSizeMax + 1, _SIZE_STEP):
            found = self._match(psf, model, size).residual
            if residual - found <= config.sizeTolerance:
                break
            chosen, residual = size, found
        return chosen

    def _match(self, psf: NDArray[np.float64], model: ModelPsf, size: int) -> MatchingKernel:
        target = model.image(psf.shape[0] + size - 1, psf.shape[1] + size - 1)
        try:
            return matching_kernel(psf, target, ridge=self.config.ridge)
        except np.linalg.LinAlgError as error:
            raise PsfMatchError(f"no matching kernel: {error}; raise ridge") from error

    def _check(self, grid: KernelGrid) -> None:
        """Refuse kernels that do not reach the model, or that raise the noise."""
        config: ModelPsfMatchConfig = self.config
        advice = "choose a broader model PSF (modelPsf.defaultFwhm), or a larger kernel (kernelSizeMax)"
        if not grid.residual <= config.maxResidual:
            raise PsfMatchError(
                f"the matched PSF misses the model by {grid.residual:.3g} of its peak, more than "
                f"maxResidual={config.maxResidual:g}; {advice}"
            )
        if not grid.noise <= config.maxNoise:
            raise PsfMatchError(
                f"matching would multiply the variance by {grid.noise:.3g}, more than "
                f"maxNoise={config.maxNoise:g}; {advice}"
            )


def _nodes(first: int, last: int, step: int) -> NDArray[np.float64]:
    """Return evenly spaced positions from the first pixel to the last, at most ``step`` apart."""
    return np.linspace(first, last, math.ceil((last - first) / step) + 1)


def _checked(psf: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """Return a PSF image with sum 1.

    Raises
    ------
    PsfMatchError
        Raised for one that cannot be normalised.
    """
    total = float(psf.sum())
    if not (np.isfinite(psf).all() and total > 0):
        raise PsfMatchError(f"the PSF at ({x:g}, {y:g}) has a sum of {total:g}; it needs a positive one")
    return psf / total


def _residuals_between(grid: KernelGrid, psf_at: PsfAt, model: ModelPsf) -> Iterator[float]:
    """Yield the residuals of the interpolated kernels in the middle of each cell."""
    for j, py in enumerate((grid.y[1:] + grid.y[:-1]) / 2):
        for i, px in enumerate((grid.x[1:] + grid.x[:-1]) / 2):
            kernel = grid.kernels[j : j + 2, i : i + 2].mean(axis=(0, 1))
            psf = _checked(psf_at(float(px), float(py)), px, py)
            yield match_residual(psf, kernel, model.image(*(s + grid.size - 1 for s in psf.shape)))
