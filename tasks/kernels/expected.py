"""What an image is expected to differ by from a template, and how far it may be from that."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .loops.jit import part

__all__ = ["Expectation", "TemplateRows", "difference_rows", "expected_rows", "knot_places", "look_up"]

_Plane = NDArray[np.float32]
_Places = NDArray[np.uint16]

_PARTS: Final = 64
"""Parts of the way from one knot to the next that are told apart; tables of all parts fit into the cache."""
_MAX_KNOTS: Final = 1024


class TemplateRows(NamedTuple):
    """Rows of a template and of what it shows."""

    padded: _Plane
    """The template without its sky level, and one more pixel on each side, ``(n_y + 2, n_x + 2)``."""

    variance: _Plane
    """Its variance, ``(n_y, n_x)``; NaN where the template is not known."""

    brightness: _Places
    """Place of the brightness among its knots, as from `knot_places`, ``(n_y, n_x)``."""

    surroundings: _Places
    """The same of the surroundings."""

    sharpness: _Places
    """The same of the sharpness."""

    standing: _Plane
    """Brightness where it counts as a source's, else 0, ``(n_y, n_x)``."""


class Expectation(NamedTuple):
    """What was fitted to an image."""

    stencil: _Plane
    """What the template is correlated with, ``(3, 3)``."""

    factor: float
    """By what the noise exceeds the variances."""

    excess: _Plane
    """Scatter beyond the noise at each knot of the brightness."""

    share: _Plane
    """Scatter as a part of the brightness at each knot of the sharpness."""

    stretch: _Plane
    """By what noise and scatter grow, at each knot of the surroundings."""

    floor: float = 0.0
    """Square of the error of the sky over that of the noise."""


def knot_places(values: _Plane, knots: _Plane) -> _Places:
    """Return where values lie among knots, in 64th parts of the way from one to the next.

    Parameters
    ----------
    values
        Values of any shape; those beyond the first or last knot are taken for these.
    knots
        Increasing; at most 1024.

    Raises
    ------
    ValueError
        Raised if there are no knots, or too many.
    """
    if not 0 < len(knots) <= _MAX_KNOTS:
        raise ValueError(f"there may be 1 to {_MAX_KNOTS} knots, not {len(knots)}")
    places = np.empty(values.shape, np.uint16)
    _find_places(np.ascontiguousarray(values, np.float32).ravel(), knots, places.ravel())
    return places


def look_up(table: _Plane, places: _Places) -> _Plane:
    """Return what a table, which has a value at each knot, says at some places."""
    return _at_parts(table)[places]


def expected_rows(
    rows: TemplateRows, found: Expectation, surface: _Plane, variance: _Plane
) -> tuple[_Plane, _Plane]:
    """Return the expected difference, and the square of the scatter about it beyond the noise.

    Parameters
    ----------
    rows
        The template.
    found
        What was fitted.
    surface
        Sky of the difference, ``(n_y, n_x)``.
    variance
        Variance of the image, ``(n_y, n_x)``; where it or that of the template is not finite, the other one
        counts alone.
    """
    model, scatter = np.empty(surface.shape, np.float32), np.empty(surface.shape, np.float32)
    _expect(rows, *_numbers(found), surface, variance, model, scatter)
    return model, scatter


def difference_rows(
    rows: TemplateRows,
    found: Expectation,
    surface: _Plane,
    pixels: tuple[_Plane, _Plane, NDArray[np.bool_]],
    *,
    level: float,
    alike: float,
    correlation: float = 1.0,
) -> tuple[_Plane, _Plane]:
    """Return what an image has beyond the template and the expected difference, and its error's square.

    Both are 0 where nothing is known.

    Parameters
    ----------
    rows
        The template.
    found
        What was fitted.
    surface
        Sky of the difference, ``(n_y, n_x)``.
    pixels
        The image, its variance, and where it is bad.
    level
        Sky level of the template.
    alike
        Number of pixels whose scatter beyond the noise is alike; it counts as often.
    correlation
        By what the noise of a sum exceeds that of independent pixels.
    """
    difference, error = np.empty(surface.shape, np.float32), np.empty(surface.shape, np.float32)
    sizes = np.float32(alike), np.float32(correlation)
    _subtract(rows, np.float32(level), *_numbers(found), surface, *pixels, *sizes, difference, error)
    return difference, error


def _numbers(found: Expectation) -> tuple[_Plane, np.float32, tuple[_Plane, _Plane, _Plane], np.float32]:
    """Return stencil, factor, tables and floor of a fit.

    The tables are excess squared, share squared, and the square of the stretch minus 1, part by part.
    """
    excess, share, stretch = map(_at_parts, (found.excess, found.share, found.stretch))
    tables = np.square(excess), np.square(share), np.square(stretch) - np.float32(1)
    return found.stencil, np.float32(found.factor), tables, np.float32(found.floor)


def _at_parts(table: _Plane) -> _Plane:
    """Return what a table says at all parts of the way between its knots."""
    where = np.arange(len(table) * _PARTS) / _PARTS
    return np.interp(where, np.arange(len(table)), table).astype(np.float32)


@njit(cache=True, nogil=True)
def _find_places(values: _Plane, knots: _Plane, places: _Places) -> None:
    last = knots.size - 1
    for i in range(values.size):
        value = values[i]
        k = 0
        while k < last and value >= knots[k + 1]:
            k += 1
        part_of_way = np.float32(0)
        if k < last and value > knots[k]:
            part_of_way = (value - knots[k]) / (knots[k + 1] - knots[k])
        places[i] = _PARTS * k + int(part_of_way * _PARTS + np.float32(0.5))


@part
def _expect_row(
    padded: _Plane, y: int, stencil: _Plane, surface: NDArray[np.float32], model: NDArray[np.float32]
) -> None:
    """Set one row of the expected difference."""
    below, own, above = padded[y], padded[y + 1], padded[y + 2]
    a, b, c = stencil[0]
    d, e, f = stencil[1]
    g, h, i = stencil[2]
    for x in range(model.size):
        lower = a * below[x] + b * below[x + 1] + c * below[x + 2]
        middle = d * own[x] + e * own[x + 1] + f * own[x + 2]
        upper = g * above[x] + h * above[x + 1] + i * above[x + 2]
        model[x] = surface[x] + lower + middle + upper


@part
def _scatter_row(
    places: tuple[_Places, _Places, _Places],
    standing: _Plane,
    tables: tuple[_Plane, _Plane, _Plane],
    floor: np.float32,
    noise: _Plane,
    scatter: _Plane,
) -> None:
    """Set one row of the square of the scatter beyond the noise, whose square is given."""
    brightness, surroundings, sharpness = places
    excess, share, stretch = tables
    for x in range(scatter.size):
        height = standing[x]
        own = max(excess[brightness[x]], share[sharpness[x]] * height * height)
        scatter[x] = own + stretch[surroundings[x]] * (noise[x] + own) + floor * noise[x]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _expect(
    rows: TemplateRows,
    stencil: _Plane,
    factor: np.float32,
    tables: tuple[_Plane, _Plane, _Plane],
    floor: np.float32,
    surface: _Plane,
    variance: _Plane,
    model: _Plane,
    scatter: _Plane,
) -> None:
    n_y, n_x = surface.shape
    noise, none = np.empty(n_x, np.float32), np.float32(0)
    for y in range(n_y):
        _expect_row(rows.padded, y, stencil, surface[y], model[y])
        for x in range(n_x):
            warps, templates = variance[y, x], rows.variance[y, x]
            known = (warps if np.isfinite(warps) else none) + (templates if np.isfinite(templates) else none)
            noise[x] = factor * known
        places = rows.brightness[y], rows.surroundings[y], rows.sharpness[y]
        _scatter_row(places, rows.standing[y], tables, floor, noise, scatter[y])


@njit(cache=True, nogil=True, fastmath={"contract"})
def _subtract(
    rows: TemplateRows,
    level: np.float32,
    stencil: _Plane,
    factor: np.float32,
    tables: tuple[_Plane, _Plane, _Plane],
    floor: np.float32,
    surface: _Plane,
    image: _Plane,
    variance: _Plane,
    bad: NDArray[np.bool_],
    alike: np.float32,
    correlation: np.float32,
    difference: _Plane,
    error: _Plane,
) -> None:
    n_y, n_x = surface.shape
    model, noise, scatter = np.empty((3, n_x), np.float32)
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
