"""Bright objects: circles and boxes of a catalog, drawn into a mask."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from butler.images import Mask, SkyWcs, SpanSet

from ..errors import BrightObjectError

__all__ = ["mask_bright_objects"]

_SHAPES: Final = ("circle", "box")
_NEEDED: Final = {"circle": ("radius",), "box": ("width", "height")}


def mask_bright_objects(mask: Mask, wcs: SkyWcs, catalog: Any, plane: str) -> int:
    """Set a plane on the shapes of a catalog, in place.

    A circle is the disc of ``int(radius / pixel scale)`` pixels about the pixel nearest to its centre; a box
    reaches from ``int(centre - half size)`` to ``int(centre + half size)`` along the pixels' axes, whatever
    its angle.

    Parameters
    ----------
    mask
        Mask of the coadd; gets the plane if it lacks it.
    wcs
        Its WCS.
    catalog
        Table with ``ra``, ``dec``, and ``radius`` or ``width`` and ``height``: degrees, or the unit of the
        column. ``type`` says which of the two a row is, ``circle`` or ``box``; without it, all are circles.
    plane
        Name of the plane.

    Returns
    -------
    n_shapes
        Number of shapes that touch the mask.

    Raises
    ------
    BrightObjectError
        Raised for a catalog without a column that is needed, an unknown type, or a size that is not finite
        and positive.
    """
    shapes = _types(catalog)
    wanted = {"ra", "dec", *(name for shape in set(shapes) for name in _NEEDED[shape])}
    columns = {name: _degrees(catalog, name) for name in sorted(wanted)}
    value = 1 << mask.addMaskPlane(plane)
    scale = wcs.pixel_scale / 3600
    n_shapes = 0
    for i, shape in enumerate(shapes):
        x, y = (float(v[0]) for v in wcs.skyToPixel([columns["ra"][i]], [columns["dec"][i]]))
        if not (np.isfinite(x) and np.isfinite(y)):
            continue  # on the other side of the sky
        sizes = [_pixels(columns[name][i], scale, f"row {i}, {name}") for name in _NEEDED[shape]]
        limit = max(sizes) + max(mask.bbox.width, mask.bbox.height)
        if max(abs(x - mask.bbox.center[0]), abs(y - mask.bbox.center[1])) > 2 * limit:
            continue
        spans = _disc(x, y, sizes[0]) if shape == "circle" else _box(x, y, *sizes)
        inside = spans.clippedTo(mask.bbox)
        if inside:
            inside.setMask(mask, value)
            n_shapes += 1
    return n_shapes


def _types(catalog: Any) -> list[str]:
    if "type" not in catalog.colnames:
        return ["circle"] * len(catalog)
    shapes = [str(word).lower() for word in catalog["type"]]
    for i, shape in enumerate(shapes):
        if shape not in _SHAPES:
            raise BrightObjectError(f"bright objects: row {i} has type {shape!r}, not one of {_SHAPES}")
    return shapes


def _degrees(catalog: Any, name: str) -> NDArray[np.float64]:
    """Return a column in degrees."""
    if name not in catalog.colnames:
        raise BrightObjectError(
            f"the catalog of bright objects has no column {name!r}, only {catalog.colnames}"
        )
    column = catalog[name]
    if getattr(column, "unit", None) is None:
        return np.asarray(column, dtype=float)
    try:
        return np.asarray(column.to("deg").value, dtype=float)
    except ValueError as error:
        raise BrightObjectError(f"column {name!r} of the bright objects is no angle: {error}") from error


def _pixels(degrees: float, scale: float, what: str) -> float:
    if not (np.isfinite(degrees) and degrees > 0):
        raise BrightObjectError(
            f"bright objects, {what}: a size is finite and positive, not {degrees} degrees"
        )
    return float(degrees / scale)


def _disc(x: float, y: float, radius: float) -> SpanSet:
    return SpanSet.fromShape(int(radius), offset=(round(x), round(y)))


def _box(x: float, y: float, width: float, height: float) -> SpanSet:
    rows = np.arange(int(y - height / 2), int(y + height / 2) + 1)
    first, last = int(x - width / 2), int(x + width / 2)
    return SpanSet.from_arrays(rows, np.full_like(rows, first), np.full_like(rows, last))
