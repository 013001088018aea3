"""What an image is expected to differ by from a template, and how far it may be from that."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["Expectation", "TemplateRows", "difference_rows", "expected_rows", "knot_places", "look_up"]

Plane = NDArray[np.float32]
Places = NDArray[np.uint16]

PARTS: Final = 64
"""Parts of the way from one knot to the next that are told apart; tables of all parts fit into the cache."""
_MAX_KNOTS: Final = 1024

_find_places = NativeLoop("tasks.kernels.loops.expected", "find_places")
_expect = NativeLoop("tasks.kernels.loops.expected", "expect")
_subtract = NativeLoop("tasks.kernels.loops.expected", "subtract")


class TemplateRows(NamedTuple):
    """Rows of a template and of what it shows."""

    padded: Plane
    """The template without its sky level, and one more pixel on each side, ``(n_y + 2, n_x + 2)``."""

    variance: Plane
    """Its variance, ``(n_y, n_x)``; NaN where the template is not known."""

    brightness: Places
    """Place of the brightness among its knots, as from `knot_places`, ``(n_y, n_x)``."""

    surroundings: Places
    """The same of the surroundings."""

    sharpness: Places
    """The same of the sharpness."""

    standing: Plane
    """Brightness where it counts as a source's, else 0, ``(n_y, n_x)``."""


class Expectation(NamedTuple):
    """What was fitted to an image."""

    stencil: Plane
    """What the template is correlated with, ``(3, 3)``."""

    factor: float
    """By what the noise exceeds the variances."""

    excess: Plane
    """Scatter beyond the noise at each knot of the brightness."""

    share: Plane
    """Scatter as a part of the brightness at each knot of the sharpness."""

    stretch: Plane
    """By what noise and scatter grow, at each knot of the surroundings."""

    floor: float = 0.0
    """Square of the error of the sky over that of the noise."""


def knot_places(values: Plane, knots: Plane) -> Places:
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


def look_up(table: Plane, places: Places) -> Plane:
    """Return what a table, which has a value at each knot, says at some places."""
    return _at_parts(table)[places]


def expected_rows(
    rows: TemplateRows, found: Expectation, surface: Plane, variance: Plane
) -> tuple[Plane, Plane]:
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
    noise = np.empty(surface.shape[1], np.float32)
    _expect(rows, *_numbers(found), surface, variance, noise, model, scatter)
    return model, scatter


def difference_rows(
    rows: TemplateRows,
    found: Expectation,
    surface: Plane,
    pixels: tuple[Plane, Plane, NDArray[np.bool_]],
    *,
    level: float,
    alike: float,
    correlation: float = 1.0,
) -> tuple[Plane, Plane]:
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
    row = np.empty((3, surface.shape[1]), np.float32)
    _subtract(rows, np.float32(level), *_numbers(found), surface, *pixels, *sizes, row, difference, error)
    return difference, error


def _numbers(found: Expectation) -> tuple[Plane, np.float32, tuple[Plane, Plane, Plane], np.float32]:
    """Return stencil, factor, tables and floor of a fit.

    The tables are excess squared, share squared, and the square of the stretch minus 1, part by part.
    """
    excess, share, stretch = map(_at_parts, (found.excess, found.share, found.stretch))
    tables = np.square(excess), np.square(share), np.square(stretch) - np.float32(1)
    return found.stencil, np.float32(found.factor), tables, np.float32(found.floor)


def _at_parts(table: Plane) -> Plane:
    """Return what a table says at all parts of the way between its knots."""
    where = np.arange(len(table) * PARTS) / PARTS
    return np.interp(where, np.arange(len(table)), table).astype(np.float32)
