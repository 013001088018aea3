"""Tests of the coordinate map that resampling uses."""

import math

import numpy as np
import pytest
from astropy.wcs import WCS
from numpy.typing import NDArray
from resample_oracle import interpolated_map

from tasks.kernels import map_nodes


@pytest.mark.parametrize(("n", "step"), [(1, 1), (1, 64), (64, 64), (65, 64), (100, 7)])
def test_nodes_surround_every_pixel(n: int, step: int) -> None:
    """Nodes are a step apart and every pixel has two of them on either side, or lies on the second."""
    nodes = map_nodes(n, step)
    np.testing.assert_array_equal(np.diff(nodes), step)
    assert nodes[1] == 0
    assert nodes[-2] > n - 1
    assert nodes[-3] <= n - 1


def test_cubic_distortion_is_interpolated_exactly() -> None:
    """A distortion of 1 % at 10 000 px, cubic in the radius, costs nothing but rounding."""

    def distorted(i: NDArray[np.float64], j: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        x, y = i + 8000.3, j - 7000.1
        r2 = x**2 + y**2
        return x * (1 + 1e-10 * r2), y * (1 + 1e-10 * r2)

    shape, step = (150, 500), 64
    x, y, area = interpolated_map(distorted, shape, step)
    j, i = np.indices(shape, dtype=np.float64)
    exact_x, exact_y = distorted(i, j)
    r2 = (i + 8000.3) ** 2 + (j - 7000.1) ** 2
    assert np.abs(x - exact_x).max() < 1e-9
    assert np.abs(y - exact_y).max() < 1e-9
    # Radial and tangential stretch of r (1 + k r^2).
    np.testing.assert_allclose(area, (1 + 3e-10 * r2) * (1 + 1e-10 * r2), rtol=1e-11)


def tan_wcs(ra: float, dec: float, scale: float, angle: float, crpix: float) -> WCS:
    """Return a gnomonic projection with pixels of ``scale`` arcsec, turned by ``angle`` degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [crpix, crpix]
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    return wcs


def test_map_between_rotated_tangent_planes() -> None:
    """Between two tangent planes a degree apart, nodes every 128 px give 1e-7 px and area to 1e-9."""
    patch, detector = tan_wcs(150.0, 2.0, 0.2, 0.0, 15000.0), tan_wcs(150.8, 2.6, 0.168, 31.0, 4000.0)

    def between(i: NDArray[np.float64], j: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        return detector.all_world2pix(*patch.all_pix2world(i, j, 0), 0)

    shape = (300, 1000)
    x, y, area = interpolated_map(between, shape, 128)
    j, i = np.indices(shape, dtype=np.float64)
    exact_x, exact_y = between(i, j)
    assert np.abs(x - exact_x).max() < 1e-7
    assert np.abs(y - exact_y).max() < 1e-7
    h = 4.0
    (x_right, y_right), (x_left, y_left) = between(i + h, j), between(i - h, j)
    (x_up, y_up), (x_down, y_down) = between(i, j + h), between(i, j - h)
    determinant = (x_right - x_left) * (y_up - y_down) - (x_up - x_down) * (y_right - y_left)
    np.testing.assert_allclose(area, np.abs(determinant) / (4 * h * h), rtol=1e-9)
