"""Pictures of images: sky axes, a colour bar, mask planes on top."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from .errors import ButlerUserError, StorageClassError
from .images import Exposure, Image, Mask, MaskedImage, SkyWcs

__all__ = ["MASK_COLORS", "draw_dataset", "draw_image", "save_figure", "sky_axes"]

MASK_COLORS: Final[Mapping[str, str]] = {
    "CLIPPED": "#e6194b",
    "CR": "#f58231",
    "SAT": "#42d4f4",
    "BAD": "#911eb4",
    "STREAK": "#bfef45",
    "DETECTED": "#4363d8",
}
"""Colours of the planes that a picture shows, those on top first."""


def draw_dataset(obj: Any, path: Path, *, title: str = "", with_mask: bool = True) -> None:
    """Draw an exposure, masked image, image or mask into a file.

    Parameters
    ----------
    obj
        What to draw; sky axes are drawn if it has a WCS.
    path
        PNG, PDF or SVG file.
    title
        Text above the picture.
    with_mask
        Whether to lay the mask planes over the image.

    Raises
    ------
    StorageClassError
        Raised for another kind of object.
    ButlerUserError
        Raised if matplotlib is not installed, or the file cannot be written.
    """
    figure_class = new_figure_class()
    figure = figure_class(figsize=(8, 7), layout="constrained")
    wcs = obj.wcs if isinstance(obj, Exposure) else None
    if isinstance(obj, Exposure | MaskedImage):
        image, mask = obj.image, obj.mask if with_mask else None
    elif isinstance(obj, Image):
        image, mask = obj, None
    elif isinstance(obj, Mask):
        image, mask = Image(np.zeros(obj.array.shape, dtype=np.float32), obj.xy0), obj
    else:
        raise StorageClassError(f"cannot draw a {type(obj).__name__}; an image, mask or exposure is needed")
    axes = sky_axes(figure, (1, 1, 1), wcs, image.xy0)
    draw_image(figure, axes, image, mask=mask)
    axes.set_title(title, fontsize=8, wrap=True)
    save_figure(figure, path)


def sky_axes(figure: Any, position: tuple[int, int, int], wcs: SkyWcs | None, xy0: tuple[int, int]) -> Any:
    """Add axes to a figure, in right ascension and declination if there is a WCS.

    Parameters
    ----------
    figure
        matplotlib figure.
    position
        Rows, columns and number of the subplot.
    wcs
        WCS in parent pixels; None for pixel axes.
    xy0
        Parent coordinates of the first pixel of what will be drawn.
    """
    if wcs is None:
        return figure.add_subplot(*position)
    axes = figure.add_subplot(*position, projection=WCS(wcs.to_header(xy0)))
    axes.coords[0].set_axislabel("RA (ICRS)")
    axes.coords[1].set_axislabel("Dec (ICRS)", minpad=0.4)
    for coordinate in axes.coords:
        coordinate.set_ticklabel(size=7)
    return axes


def draw_image(
    figure: Any,
    axes: Any,
    image: Image,
    *,
    mask: Mask | None = None,
    planes: Collection[str] | None = None,
    limits: tuple[float, float] | None = None,
    cmap: str = "gray_r",
) -> None:
    """Draw an image with a colour bar, and its mask planes with a legend.

    Parameters
    ----------
    figure, axes
        Where to draw.
    image
        Pixels.
    mask
        Planes to lay over it; pixels with NO_DATA stay blank.
    planes
        Planes to show; all that have a colour if None.
    limits
        Values of the two ends of the colour scale; chosen from the noise if None.
    cmap
        Name of a matplotlib colour map.
    """
    shown = image.array.astype(np.float32)
    if mask is not None and "NO_DATA" in mask.planes:
        shown[mask.isSet("NO_DATA")] = np.nan
    low, high = limits or scale_limits(shown)
    drawn = axes.imshow(shown, origin="lower", vmin=low, vmax=high, cmap=cmap, interpolation="nearest")
    figure.colorbar(drawn, ax=axes, shrink=0.8, label=image.unit or "value")
    if mask is not None:
        _overlay(axes, mask, MASK_COLORS if planes is None else planes)


def scale_limits(array: NDArray[Any]) -> tuple[float, float]:
    """Return a range from a little below the sky to well above its noise."""
    finite = array[np.isfinite(array)]
    if not finite.size:
        return 0.0, 1.0
    low, middle = np.percentile(finite, [16, 50])
    spread = float(middle - low) or 1.0
    return float(middle - 3 * spread), float(middle + 12 * spread)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure to a file.

    Raises
    ------
    ButlerUserError
        Raised if the file cannot be written, or its ending names no kind of picture.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise ButlerUserError(f"cannot write the picture {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ButlerUserError(f"cannot draw {path}: {error}") from error


def _overlay(axes: Any, mask: Mask, planes: Collection[str]) -> None:
    """Colour the pixels of the known planes, and say which colour is which."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    layer = np.zeros((*mask.array.shape, 4))
    entries = []
    for plane, color in reversed(list(MASK_COLORS.items())):
        if plane not in mask.planes or plane not in planes:
            continue
        where = mask.isSet(plane)
        if where.any():
            layer[where] = to_rgba(color, alpha=0.25 if plane == "DETECTED" else 0.6)
            entries.append(Patch(color=color, label=plane))
    axes.imshow(layer, origin="lower", interpolation="nearest")
    if entries:
        axes.legend(handles=entries[::-1], fontsize=6, loc="upper right", framealpha=0.8)


def new_figure_class() -> Any:
    """Return matplotlib's figure; it needs no display.

    Raises
    ------
    ButlerUserError
        Raised if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ButlerUserError("pictures need matplotlib: pip install 'coadd-butler[viz]'") from error
    return Figure
