"""Spatial PSF: how the image of a star changes over the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from butler.images import Box2I, PolynomialPsf, polynomial_terms

__all__ = ["StarStamps", "choose_degree", "fit_polynomial_psf"]

_CLIP_SIGMA: Final = 4.0
_MAD_TO_SIGMA: Final = 1.4826
_N_FOLDS: Final = 5
_SIGNIFICANCE: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class StarStamps:
    """Centred images of stars of flux 1, and where they come from."""

    values: NDArray[np.float64]
    """Images ``(n, s, s)``."""

    weight: NDArray[np.float64]
    """Weight of each star ``(n,)``."""

    u: NDArray[np.float64]
    """Column from the middle of the exposure, in units of half its width, ``(n,)``."""

    v: NDArray[np.float64]
    """Row from the middle, in units of half its height, ``(n,)``."""

    def __getitem__(self, chosen: NDArray[np.bool_]) -> StarStamps:
        """Return some of the stars."""
        return StarStamps(self.values[chosen], self.weight[chosen], self.u[chosen], self.v[chosen])


def choose_degree(
    stars: StarStamps, core: NDArray[np.bool_], *, max_degree: int, stars_per_term: int, n_components: int
) -> int:
    """Return the degree of the polynomials that the stars justify.

    Each degree is judged by how well it predicts stars that it was not fitted to (cross-validation in five
    parts). A higher one is taken only if it does so better by twice the error of the mean of the difference.

    Parameters
    ----------
    stars
        The stars.
    core
        Pixels of the stamps that are compared, ``(s, s)``.
    max_degree
        Highest degree to try.
    stars_per_term
        Number of stars that each term of the polynomials needs.
    n_components
        As for `fit_polynomial_psf`.
    """
    n = len(stars.values)
    degrees = [
        degree
        for degree in range(max_degree + 1)
        if degree == 0 or n >= stars_per_term * (degree + 1) * (degree + 2) // 2
    ]
    if len(degrees) == 1:
        return 0
    errors = _prediction_errors(stars, core, degrees, n_components)
    best = 0
    for degree in degrees[1:]:
        gain = stars.weight * (errors[best] - errors[degree]) / stars.weight.mean()
        if gain.mean() > _SIGNIFICANCE * gain.std(ddof=1) / np.sqrt(n):
            best = degree
    return best


def fit_polynomial_psf(stars: StarStamps, degree: int, n_components: int, bbox: Box2I) -> PolynomialPsf:
    """Fit a PSF whose deviations from the mean are polynomials of the position.

    The deviations of the stars from their mean are reduced to their principal components (Jee et al. 2007,
    PASP 119, 1403), which are free of most of the noise, and the components' amplitudes are fitted.

    Parameters
    ----------
    stars
        The stars.
    degree
        Total degree of the polynomials.
    n_components
        Number of principal components.
    bbox
        Box of the exposure; positions of the stars are relative to it.
    """
    basis = _term_images(stars, _deviations(stars, n_components), degree)
    (x0, y0), scales = bbox.center, (0.5 * bbox.width, 0.5 * bbox.height)
    return PolynomialPsf(basis / basis[0].sum(), x0, y0, *scales)


class _Deviations(NamedTuple):
    """How stars differ from their mean."""

    mean: NDArray[np.float64]
    """Weighted mean of the stars ``(m,)``."""

    components: NDArray[np.float64]
    """Orthonormal images along which they differ most, ``(k, m)``."""

    amplitudes: NDArray[np.float64]
    """How much of each is in each star, ``(n, k)``."""


def _deviations(stars: StarStamps, n_components: int) -> _Deviations:
    values = _limited(stars.values.reshape(len(stars.values), -1))
    mean = np.average(values, axis=0, weights=stars.weight)
    weighted = np.sqrt(stars.weight)[:, np.newaxis] * (values - mean)
    # There are far fewer stars than pixels, so that the small matrix of products tells the same sooner.
    n = len(weighted)
    _, mixtures = linalg.eigh(weighted @ weighted.T, subset_by_index=[max(n - n_components, 1), n - 1])
    components = mixtures.T @ weighted
    components /= np.maximum(np.linalg.norm(components, axis=1, keepdims=True), np.finfo(float).tiny)
    return _Deviations(mean, components, (values - mean) @ components.T)


def _term_images(stars: StarStamps, deviations: _Deviations, degree: int) -> NDArray[np.float64]:
    """Return the image of each term, ``(n_terms, s, s)``."""
    root = np.sqrt(stars.weight)[:, np.newaxis]
    terms = polynomial_terms(stars.u, stars.v, degree).T
    solution, *_ = np.linalg.lstsq(root * terms, root * deviations.amplitudes, rcond=None)
    images = solution @ deviations.components
    images[0] += deviations.mean
    return np.asarray(images.reshape(-1, *stars.values.shape[1:]), dtype=np.float64)


def _limited(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what differs from the median of a pixel by more than most do, pulled to the limit."""
    median = np.median(values, axis=0)
    spread = _CLIP_SIGMA * _MAD_TO_SIGMA * np.median(np.abs(values - median), axis=0)
    return np.asarray(np.clip(values, median - spread, median + spread), dtype=np.float64)


def _prediction_errors(
    stars: StarStamps, core: NDArray[np.bool_], degrees: Sequence[int], n_components: int
) -> NDArray[np.float64]:
    """Return the mean square difference of each star to the models of the others, ``(n_degrees, n)``."""
    n = len(stars.values)
    part = np.arange(n) % min(_N_FOLDS, n)
    errors = np.zeros((len(degrees), n))
    for i in range(part.max() + 1):
        tested, fitted = stars[part == i], stars[part != i]
        deviations = _deviations(fitted, n_components)
        for row, degree in enumerate(degrees):
            basis = _term_images(fitted, deviations, degree)
            predicted = np.tensordot(polynomial_terms(tested.u, tested.v, degree).T, basis, axes=1)
            errors[row, part == i] = ((tested.values - predicted)[:, core] ** 2).mean(axis=1)
    return errors
