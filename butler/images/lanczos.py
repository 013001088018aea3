"""Lanczos sampling of small images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["lanczos_sample"]


def lanczos_sample(
    source: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], *, order: int = 3
) -> NDArray[np.float64]:
    """Sample an array (0 outside) at positions, with normalised Lanczos taps.

    Parameters
    ----------
    source
        Array ``(n_y, n_x)``.
    x, y
        Positions as array indices, of any common shape.
    order
        Number of lobes of the kernel on each side.

    Returns
    -------
    values
        In the shape of the positions.
    """
    m = order
    padded = np.pad(source, 2 * m)
    ix, iy = np.floor(x).astype(int), np.floor(y).astype(int)
    offsets = np.arange(1 - m, m + 1)
    taps = []
    for fraction in (x - ix, y - iy):
        u = offsets - fraction[..., np.newaxis]
        lanczos = np.sinc(u) * np.sinc(u / m) * (np.abs(u) < m)
        taps.append(lanczos / lanczos.sum(axis=-1, keepdims=True))
    n_y, n_x = padded.shape
    columns = np.clip(ix[..., np.newaxis] + offsets + 2 * m, 0, n_x - 1)
    rows = np.clip(iy[..., np.newaxis] + offsets + 2 * m, 0, n_y - 1)
    values = padded[rows[..., :, np.newaxis], columns[..., np.newaxis, :]]
    sampled: NDArray[np.float64] = np.einsum("...ij,...i,...j->...", values, taps[1], taps[0])
    return sampled
