"""Pictures of images: sky axes, a colour bar, mask planes on top."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.wcs import WCS

from ..errors import ButlerUserError
from ..images import Box2I, Image, Mask, SkyWcs
from .mask_overlay import NO_DATA_COLOR, choose_planes, draw_mask
from .scaling import DEFAULT_SCALING, Scaling, colorbar_ticks

__all__ = ["Picture", "draw_image", "draw_picture", "new_figure_class", "save_figure", "sky_axes"]

_LONG_SIDE: Final = 7.5
"""Inches of the longer side of a picture's axes, without what stands around them."""
_MAX_COUNTS: Final = 20
"""Most values of an image of counts that each get a shade of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a picture shows.

    Parameters
    ----------
    image
        Pixels; integers are taken for counts. None for the mask alone.
    mask
        Planes to lay over it; pixels with NO_DATA have a colour of their own.
    wcs
        For axes in right ascension and declination; None for pixel axes.
    title
        Text above the picture.
    planes
        Mask planes to show, ``all``; those that have a colour if None.
    """

    image: Image | None
    mask: Mask | None = None
    wcs: SkyWcs | None = None
    title: str = ""
    planes: Collection[str] | None = None

    @property
    def bbox(self) -> Box2I:
        """Box shown, in parent coordinates."""
        shown = self.mask if self.image is None else self.image
        if shown is None:
            raise ButlerUserError("a picture needs an image or a mask")
        return shown.bbox


def draw_picture(picture: Picture, path: Path, *, scaling: Scaling, cmap: str | None = None) -> None:
    """Draw a picture into a file.

    Parameters
    ----------
    picture
        What to draw.
    path
        PNG, PDF or SVG file.
    scaling
        How values become shades; images of counts have a shade for each.
    cmap
        Name of a matplotlib colour map; one that suits the image if None.

    Raises
    ------
    ButlerUserError
        Raised if matplotlib is not installed or does not know the colour map, if the mask has no such plane,
        or the file cannot be written.
    """
    figure_class = new_figure_class()
    box = picture.bbox
    scale = _LONG_SIDE / max(box.shape)
    # Narrow strips still need room for their axes.
    width, height = max(box.width * scale, 2.5), max(box.height * scale, 2.0)
    figure = figure_class(figsize=(width + 1.9, height + 1.0), layout="constrained")
    axes = sky_axes(figure, (1, 1, 1), picture.wcs, box.minimum)
    if picture.image is not None:
        draw_image(
            figure, axes, picture.image, mask=picture.mask, planes=picture.planes, scaling=scaling, cmap=cmap
        )
    elif picture.mask is not None:
        draw_mask(axes, picture.mask, choose_planes(picture.mask, picture.planes))
    figure.suptitle(picture.title, fontsize=9)
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
        return _pixel_axes(figure, position, xy0)
    axes = figure.add_subplot(*position, projection=WCS(wcs.to_header(xy0)))
    axes.coords[0].set_axislabel("RA (ICRS)")
    axes.coords[1].set_axislabel("Dec (ICRS)", minpad=0.4)
    for coordinate in axes.coords:
        coordinate.set_ticklabel(size=7, exclude_overlapping=True)
        coordinate.grid(color="gray", alpha=0.35, linestyle=":", linewidth=0.6)
    return axes


def _pixel_axes(figure: Any, position: tuple[int, int, int], xy0: tuple[int, int]) -> Any:
    """Add axes whose labels are parent pixels."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = figure.add_subplot(*position)
    for axis, first, name in ((axes.xaxis, xy0[0], "x"), (axes.yaxis, xy0[1], "y")):
        axis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_major_formatter(FuncFormatter(lambda value, _, first=first: f"{value + first:.0f}"))
        axis.set_label_text(f"{name} (pixels)")
    axes.tick_params(labelsize=7)
    return axes


def draw_image(
    figure: Any,
    axes: Any,
    image: Image,
    *,
    mask: Mask | None = None,
    planes: Collection[str] | None = None,
    scaling: Scaling = DEFAULT_SCALING,
    cmap: str | None = None,
) -> None:
    """Draw an image with a colour bar, and its mask planes with a legend.

    Parameters
    ----------
    figure, axes
        Where to draw.
    image
        Pixels; integers are taken for counts.
    mask
        Planes to lay over it; pixels with NO_DATA have a colour of their own.
    planes
        Planes to show, ``all``; those that have a colour if None.
    scaling
        How values become shades.
    cmap
        Name of a matplotlib colour map; one that suits the image if None.

    Raises
    ------
    ButlerUserError
        Raised if the mask has no such plane, or there is no such colour map.
    """
    shown_planes = [] if mask is None else choose_planes(mask, planes)
    shown = image.array.astype(np.float32)
    if mask is not None and "NO_DATA" in mask.planes:
        shown[mask.isSet("NO_DATA")] = np.nan
    if image.array.dtype.kind in "iu":
        _draw_counts(figure, axes, image, cmap or "viridis")
    else:
        norm = scaling.norm(shown)
        colors = _colors(cmap or "gray_r").with_extremes(bad=NO_DATA_COLOR)
        drawn = axes.imshow(shown, origin="lower", norm=norm, cmap=colors, interpolation="nearest")
        _colorbar(figure, axes, drawn, (image.unit or "value").replace("**2", "²"), colorbar_ticks(norm))
    if mask is not None:
        draw_mask(axes, mask, shown_planes, over_image=True)


def _draw_counts(figure: Any, axes: Any, image: Image, cmap: str) -> None:
    """Draw an image of integers, each with its shade if they are few; 0 is no data."""
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba

    counts = image.array
    highest = max(1, int(counts.max()))
    colors = _colors(cmap)
    few = highest <= _MAX_COUNTS and int(counts.min()) >= 0
    norm = None
    if few:
        colors = ListedColormap([to_rgba(NO_DATA_COLOR), *colors(np.linspace(0.0, 1.0, highest))])
        norm = BoundaryNorm(np.arange(-0.5, highest + 1), colors.N)
    drawn = axes.imshow(counts, origin="lower", norm=norm, cmap=colors, interpolation="nearest")
    ticks = list(range(0, highest + 1, 1 + highest // 10)) if few else None
    _colorbar(figure, axes, drawn, image.unit or "count", ticks)


def _colorbar(figure: Any, axes: Any, drawn: Any, label: str, ticks: list[float] | list[int] | None) -> None:
    bar = figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.02, aspect=30, label=label)
    bar.ax.tick_params(labelsize=7)
    if ticks:
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()


def _colors(name: str) -> Any:
    from matplotlib import colormaps

    try:
        return colormaps[name]
    except KeyError:
        raise ButlerUserError(
            f"matplotlib has no colour map {name!r}; try gray_r, viridis or RdBu_r"
        ) from None


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
