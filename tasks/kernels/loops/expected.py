"""Loops of `tasks.kernels.expected`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..expected import PARTS, Places, Plane, TemplateRows
from .jit import fused_part, part


@part
def find_places(values: Plane, knots: Plane, places: Places) -> None:
    """Set places, which are counted in parts of the way."""
    last = knots.size - 1
    for i in range(values.size):
        value = values[i]
        k = 0
        while k < last and value >= knots[k + 1]:
            k += 1
        part_of_way = np.float32(0)
        if k < last and value > knots[k]:
            part_of_way = (value - knots[k]) / (knots[k + 1] - knots[k])
        places[i] = PARTS * k + int(part_of_way * PARTS + np.float32(0.5))


@part
def _expect_row(
    padded: Plane, y: int, stencil: Plane, surface: NDArray[np.float32], model: NDArray[np.float32]
) -> None:
    """Set one row of the expected difference."""
    below, own, above = padded[y], padded[y + 1], padded[y + 2]
    a, b, c = stencil[0, 0], stencil[0, 1], stencil[0, 2]
    d, e, f = stencil[1, 0], stencil[1, 1], stencil[1, 2]
    g, h, i = stencil[2, 0], stencil[2, 1], stencil[2, 2]
    for x in range(model.size):
        lower = a * below[x] + b * below[x + 1] + c * below[x + 2]
        middle = d * own[x] + e * own[x + 1] + f * own[x + 2]
        upper = g * above[x] + h * above[x + 1] + i * above[x + 2]
        model[x] = surface[x] + lower + middle + upper


@part
def _scatter_row(
    places: tuple[Places, Places, Places],
    standing: Plane,
    tables: tuple[Plane, Plane, Plane],
    floor: np.float32,
    noise: Plane,
    scatter: Plane,
) -> None:
    """Set one row of the square of the scatter beyond the noise, whose square is given."""
    brightness, surroundings, sharpness = places
    excess, share, stretch = tables
    for x in range(scatter.size):
        height = standing[x]
        own = max(excess[brightness[x]], share[sharpness[x]] * height * height)
        scatter[x] = own + stretch[surroundings[x]] * (noise[x] + own) + floor * noise[x]


@fused_part
def expect(
    rows: TemplateRows,
    stencil: Plane,
    factor: np.float32,
    tables: tuple[Plane, Plane, Plane],
    floor: np.float32,
    surface: Plane,
    variance: Plane,
    noise: Plane,
    model: Plane,
    scatter: Plane,
) -> None:
    """Set model and scatter row by row; ``noise`` is scratch for a row."""
    n_y, n_x = surface.shape
    none = np.float32(0)
    for y in range(n_y):
        _expect_row(rows.padded, y, stencil, surface[y], model[y])
        for x in range(n_x):
            warps, templates = variance[y, x], rows.variance[y, x]
            known = (warps if np.isfinite(warps) else none) + (templates if np.isfinite(templates) else none)
            noise[x] = factor * known
        places = rows.brightness[y], rows.surroundings[y], rows.sharpness[y]
        _scatter_row(places, rows.standing[y], tables, floor, noise, scatter[y])


@fused_part
def subtract(
    rows: TemplateRows,
    level: np.float32,
    stencil: Plane,
    factor: np.float32,
    tables: tuple[Plane, Plane, Plane],
    floor: np.float32,
    surface: Plane,
    image: Plane,
    variance: Plane,
    bad: NDArray[np.bool_],
    alike: np.float32,
    correlation: np.float32,
    scratch: Plane,
    difference: Plane,
    error: Plane,
) -> None:
    """Set difference and error row by row; ``scratch`` has three rows."""
    n_y, n_x = surface.shape
    model, noise, scatter = scratch[0], scratch[1], scratch[2]
    for y in range(n_y):
        _expect_row(rows.padded, y, stencil, surface[y], model)
        template_variance, own_variance = rows.variance[y], variance[y]
        for x in range(n_x):
            noise[x] = factor * (own_variance[x] + template_variance[x])
        places = rows.brightness[y], rows.surroundings[y], rows.sharpness[y]
        _scatter_row(places, rows.standing[y], tables, floor, noise, scatter)
        template, own, out = rows.padded[y + 1], image[y], bad[y]
        for x in range(n_x):
            beyond = own[x] - level - template[x + 1] - model[x]
            size = correlation * noise[x] + alike * scatter[x]
            known = np.isfinite(beyond) and np.isfinite(size) and not out[x]
            difference[y, x] = beyond if known else np.float32(0)
            error[y, x] = size if known else np.float32(0)
