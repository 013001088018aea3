"""Spatial PSF: how the image of a star changes over the detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    best, errors = 0, _prediction_errors(stars, core, 0, n_components)
    for degree in range(1, max_degree + 1):
        n_terms = (degree + 1) * (degree + 2) // 2
        if len(stars.values) < stars_per_term * n_terms:
            break
        new = _prediction_errors(stars, core, degree, n_components)
        gain = stars.weight * (errors - new) / stars.weight.mean()
        if gain.mean() > _SIGNIFICANCE * gain.std(ddof=1) / np.sqrt(len(gain)):
            best, errors = degree, new
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
    basis = _fit(stars, degree, n_components)
    (x0, y0), scales = bbox.center, (0.5 * bbox.width, 0.5 * bbox.height)
    return PolynomialPsf(basis / basis[0].sum(), x0, y0, *scales)


def _fit(stars: StarStamps, degree: int, n_components: int) -> NDArray[np.float64]:
    """Return the image of each term, ``(n_terms, s, s)``."""
    n, shape = len(stars.values), stars.values.shape[1:]
    values = _limited(stars.values.reshape(n, -1))
    mean = np.average(values, axis=0, weights=stars.weight)
    root = np.sqrt(stars.weight)
    components = _principal_components(root[:, np.newaxis] * (values - mean), n_components if degree else 0)
    terms = polynomial_terms(stars.u, stars.v, degree).T
    amplitudes = (values - mean) @ components.T
    solution, *_ = np.linalg.lstsq(root[:, np.newaxis] * terms, root[:, np.newaxis] * amplitudes, rcond=None)
    images = solution @ components
    images[0] += mean
    return np.asarray(images.reshape(-1, *shape), dtype=np.float64)


def _principal_components(values: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Return the orthonormal rows ``(n_components, m)`` along which values ``(n, m)`` differ most from 0."""
    # There are far fewer stars than pixels, so that the small matrix of products tells the same sooner.
    variances, mixtures = np.linalg.eigh(values @ values.T)
    chosen = [i for i in np.argsort(-variances)[:n_components] if variances[i] > 1e-12 * variances.max()]
    components: NDArray[np.float64] = mixtures[:, chosen].T @ values
    return components / np.linalg.norm(components, axis=1, keepdims=True)


def _limited(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what differs from the median of a pixel by more than most do, pulled to the limit."""
    median = np.median(values, axis=0)
    spread = _CLIP_SIGMA * _MAD_TO_SIGMA * np.median(np.abs(values - median), axis=0)
    return np.asarray(np.clip(values, median - spread, median + spread), dtype=np.float64)


def _prediction_errors(
    stars: StarStamps, core: NDArray[np.bool_], degree: int, n_components: int
) -> NDArray[np.float64]:
    """Return the mean square difference of each star to the model of the others, ``(n,)``."""
    n = len(stars.values)
    part = np.arange(n) % min(_N_FOLDS, n)
    errors = np.zeros(n)
    for i in range(part.max() + 1):
        left_out = part == i
        basis = _fit(stars[~left_out], degree, n_components)
        terms = polynomial_terms(stars.u[left_out], stars.v[left_out], degree)
        predicted = np.tensordot(terms.T, basis, axes=1)
        errors[left_out] = ((stars.values[left_out] - predicted)[:, core] ** 2).mean(axis=1)
    return errors
