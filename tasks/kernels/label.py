"""Connected components of binary images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["component_areas", "label_components", "spans_of_labels"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def label_components(binary: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Give each 8-connected component of a binary image a number.

    Parameters
    ----------
    binary
        The image ``(n_y, n_x)``.

    Returns
    -------
    labels
        Number of the component of each pixel, ``(n_y, n_x)``; 1 to n in the order in which a raster
        scan meets them, 0 elsewhere.
    n
        Number of components.
    """
    from scipy import ndimage

    labels, n = ndimage.label(binary, _EIGHT_NEIGHBOURS, output=np.int32)
    return labels, int(n)


def component_areas(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return the number of pixels of each of the labels 1 to n, ``(n,)``."""
    # Most pixels belong to nothing, and bincount would widen them all to 64 bits.
    areas: NDArray[np.int64] = np.bincount(labels[labels != 0], minlength=n + 1)[1:]
    return areas


def spans_of_labels(
    labels: NDArray[np.int32], n: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Return the runs of each of the labels 1 to n.

    Parameters
    ----------
    labels
        Label of each pixel, ``(n_y, n_x)``; 0 belongs to nothing.
    n
        Number of labels.

    Returns
    -------
    spans
        For each label its runs ``(y, x0, x1)`` in raster order; both ends inclusive, in array indices.
    """
    n_y, n_x = labels.shape
    changes = np.ones((n_y, n_x + 1), dtype=bool)
    np.not_equal(labels[:, 1:], labels[:, :-1], out=changes[:, 1:-1])
    inside = labels != 0
    starts = np.flatnonzero(changes[:, :-1] & inside)
    ends = np.flatnonzero(changes[:, 1:] & inside)
    label = labels.ravel()[starts]
    order = np.argsort(label, kind="stable")
    y, x0 = np.divmod(starts[order], n_x)
    x1 = ends[order] % n_x
    bounds = np.searchsorted(label[order], np.arange(2, n + 1))
    return list(zip(np.split(y, bounds), np.split(x0, bounds), np.split(x1, bounds), strict=True))[:n]
