"""Aperture corrections of a coadd: the weighted mean of those of its warps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import chebyshev

from butler.images import ApCorrMap, Box2I, ChebyshevBoundedField

__all__ = ["mean_ap_corr_map"]


def mean_ap_corr_map(
    maps: Sequence[ApCorrMap | None], weights: Sequence[float], bbox: Box2I
) -> ApCorrMap | None:
    """Return the weighted mean of the aperture corrections that all warps have.

    A Chebyshev field is a polynomial, and so is a mean of some: its coefficients on the coadd's box follow
    exactly from its values at as many nodes.

    Parameters
    ----------
    maps
        Those of the warps, on the tract's pixels; None for a warp without.
    weights
        Weights of the warps.
    bbox
        Box of the coadd.

    Returns
    -------
    mean
        Fields for the names that every warp has; None if there are none.
    """
    known = [found for found in maps if found]
    if not known or len(known) != len(maps):
        return None
    names = set(known[0]).intersection(*known[1:])
    fields = {name: _mean([m[name] for m in known], weights, bbox) for name in sorted(names)}
    return ApCorrMap(fields) if fields else None


def _mean(
    fields: Sequence[ChebyshevBoundedField], weights: Sequence[float], bbox: Box2I
) -> ChebyshevBoundedField:
    n_y, n_x = np.max([field.coefficients.shape for field in fields], axis=0)
    u, v = (chebyshev.chebpts1(int(n)) for n in (n_x, n_y))
    (x_c, y_c) = bbox.center
    x, y = np.meshgrid(x_c + u * bbox.width / 2, y_c + v * bbox.height / 2)
    values = np.average([field.evaluate(x, y) for field in fields], axis=0, weights=weights)
    along_x = np.linalg.solve(chebyshev.chebvander(u, int(n_x) - 1), values.T).T
    coefficients = np.linalg.solve(chebyshev.chebvander(v, int(n_y) - 1), along_x)
    return ChebyshevBoundedField(bbox, np.asarray(coefficients, np.float64))
