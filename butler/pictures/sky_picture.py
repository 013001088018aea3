"""SkyPicture: tracts, patches, what was observed and how deep, on the sky."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..skymaps import DiscreteSkyMap, SkyMap
from .depth_map import DEPTH_KINDS
from .drawing import new_figure_class, save_figure
from .sky_frame import SkyFrame
from .sky_labels import SkyLabel, place_labels
from .sky_outline import SkyOutline

__all__ = ["BAND_STYLES", "SkyPicture", "draw_sky"]

BAND_STYLES: Final = {
    "u": ("#0072b2", "-"),
    "g": ("#009e73", "-"),
    "r": ("#d55e00", "-"),
    "i": ("#882255", "-"),
    "z": ("#e69f00", "-"),
    "y": ("#000000", "-"),
}
"""Colour and line of each band, after M. Okabe and K. Ito and P. Tol: told apart by all eyes."""

_OTHER_STYLES: Final = tuple((color, "--") for color, _ in BAND_STYLES.values())
_TRACT: Final = "#222222"
_PATCH: Final = "#888888"
_CHOSEN: Final = "#cc79a7"
_DEPTH_COLORS: Final = "YlGnBu"
_LONG_SIDE: Final = 8.0
"""Inches of the longer side of the axes."""
_MAX_TRACTS_WITH_PATCHES: Final = 60
_MAX_LABELLED_VISITS: Final = 12
_LABEL_GRID: Final = 8
"""Every so-many-th pixel is looked at for the places of labels."""
_FEW_DEPTHS: Final = 16
_LABEL_PLACES: Final = (
    *((a, b) for b in (0.45, -0.45) for a in (-0.38, 0.38)),
    *((0.0, 0.4), (0.0, -0.4), (-0.25, 0.2), (0.25, 0.2), (-0.25, -0.2), (0.25, -0.2), (0.0, 0.0)),
)
"""Where in an outline its label may be, in units of its size: in the corners first, where outlines differ."""


@dataclass(frozen=True, slots=True)
class SkyPicture:
    """What a picture of the sky shows.

    Parameters
    ----------
    frame
        Part of the sky.
    outlines
        What was observed.
    sky_map
        Whose tracts and patches to draw.
    chosen
        Numbers ``(tract, patch)`` of patches to mark.
    chosen_label
        What is special about them, for the legend.
    depth
        HealSparse map to draw below all, as `depth_map` makes it.
    title
        Text above the picture.
    """

    frame: SkyFrame
    outlines: Sequence[SkyOutline] = ()
    sky_map: SkyMap | None = None
    chosen: Collection[tuple[int, int]] = ()
    chosen_label: str = "chosen patches"
    depth: Any = None
    title: str = ""


def draw_sky(picture: SkyPicture, path: Path) -> None:
    """Draw a picture of the sky into a file, north up and east to the left.

    Parameters
    ----------
    picture
        What to draw. Tracts are drawn where they are in charge, patches without borders and only as far as
        their tract is in charge; labels that would cover others are left out.
    path
        PNG, PDF or SVG file.

    Raises
    ------
    ButlerUserError
        Raised if matplotlib is not installed or the file cannot be written.
    """
    figure_class = new_figure_class()
    rows, columns = picture.frame.shape
    scale = _LONG_SIDE / max(rows, columns)
    figure = figure_class(figsize=(columns * scale + 1.6, rows * scale + 1.5), layout="constrained")
    axes = picture.frame.axes(figure)
    entries: list[Any] = []
    if picture.depth is not None:
        _draw_depth(figure, axes, picture)
    if picture.sky_map is not None:
        entries += _draw_sky_map(axes, picture, picture.sky_map)
    entries += _draw_outlines(axes, picture)
    if entries:
        figure.legend(handles=entries, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    if picture.title:
        figure.suptitle(picture.title, fontsize=10)
    # Lines may have changed what is shown.
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(-0.5, rows - 0.5)
    place_labels(figure, axes, _labels(picture))
    save_figure(figure, path)


def _draw_depth(figure: Any, axes: Any, picture: SkyPicture) -> None:
    """Draw the depth map, with a shade for each number if they are few."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

    values = _depth_at(picture)
    if not np.any(np.isfinite(values)):
        return
    kind = picture.depth.metadata.get("KIND", "") if picture.depth.metadata else ""
    label = DEPTH_KINDS.get(kind, kind or "depth")
    highest = float(np.nanmax(values))
    is_counted = picture.depth.dtype.kind in "iu" and np.nanmin(values) >= 1 and highest <= _FEW_DEPTHS
    # Dark shades would hide what is drawn over them; few numbers need none.
    n_shades = round(highest) if is_counted else 256
    shades = colormaps[_DEPTH_COLORS](np.linspace(0.05, min(0.75, 0.05 + 0.12 * n_shades), n_shades))
    colors = ListedColormap(shades).with_extremes(bad="none")
    norm = (
        BoundaryNorm(np.arange(0.5, highest + 1), colors.N) if is_counted else Normalize(0.0, highest or 1.0)
    )
    drawn = axes.imshow(values, origin="lower", cmap=colors, norm=norm, interpolation="nearest", zorder=0)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.75, pad=0.02, aspect=30, label=label)
    bar.ax.tick_params(labelsize=7)
    if is_counted:
        bar.set_ticks(list(range(1, int(highest) + 1, 1 + int(highest) // 11)))
        bar.ax.minorticks_off()


def _depth_at(picture: SkyPicture) -> NDArray[np.float64]:
    """Return the depth at each pixel of the frame; NaN where nothing was observed."""
    ra, dec = picture.frame.grid()
    known = np.isfinite(ra)
    values = np.full(ra.shape, np.nan)
    found = picture.depth.get_values_pos(ra[known], dec[known])
    valid = picture.depth.get_values_pos(ra[known], dec[known], valid_mask=True)
    values[known] = np.where(valid, found, np.nan)
    return values


def _draw_sky_map(axes: Any, picture: SkyPicture, sky_map: SkyMap) -> list[Any]:
    """Draw tracts and patches; return their entries of the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    frame = picture.frame
    near = sky_map.tracts_near(*frame.center, frame.radius)
    if not frame.is_whole_sky:
        near = [number for number in near if sky_map.inner_sky_region(number).overlaps(frame.region)]
    entries: list[Any] = []
    with_patches = len(near) <= _MAX_TRACTS_WITH_PATCHES and not frame.is_whole_sky
    if with_patches:
        lines = [line for tract_id in near for line in _patch_lines(frame, sky_map, tract_id)]
        if lines:
            _add_lines(axes, lines, _PATCH, 0.5, zorder=2)
            entries.append(Line2D([], [], color=_PATCH, linewidth=0.8, label="patches"))
    edges = [line for tract_id in near for line in frame.outline(sky_map.inner_sky_region(tract_id))]
    # A map of many tracts stays a texture, not a dark area.
    width, color = (1.4, _TRACT) if len(near) <= 200 else (0.25, _PATCH)
    _add_lines(axes, edges, color, width, zorder=4 if len(near) <= 200 else 1)
    label = "tracts" if len(near) <= _MAX_TRACTS_WITH_PATCHES else f"{len(near)} tracts"
    if any(_is_seen(frame, line) for line in edges):
        entries.insert(0, Line2D([], [], color=color, linewidth=max(width, 0.8), label=label))
    if picture.chosen:
        _mark_patches(axes, picture, sky_map)
        number = f"{picture.chosen_label} ({len(set(picture.chosen))})"
        entries.append(Patch(facecolor="none", edgecolor=_CHOSEN, hatch="///", label=number))
    return entries


def _is_seen(frame: SkyFrame, line: NDArray[np.float64]) -> bool:
    """Tell whether part of a curve lies within the frame."""
    rows, columns = frame.shape
    return bool(np.any(np.all((line >= -0.5) & (line <= (columns - 0.5, rows - 0.5)), axis=1)))


def _patch_lines(frame: SkyFrame, sky_map: SkyMap, tract_id: int) -> Iterator[NDArray[np.float64]]:
    """Yield the lines between a tract's patches, as far as the tract is in charge."""
    tract = sky_map[tract_id]
    width, height = tract.patch_inner_dimensions
    n_x, n_y = tract.num_patches
    far_x, far_y = n_x * width - 0.5, n_y * height - 0.5
    lines = [(np.full(101, i * width - 0.5), np.linspace(-0.5, far_y, 101)) for i in range(n_x + 1)]
    lines += [(np.linspace(-0.5, far_x, 101), np.full(101, j * height - 0.5)) for j in range(n_y + 1)]
    for x, y in lines:
        ra, dec = tract.wcs.pixelToSky(x, y)
        known = np.isfinite(ra)
        own = np.zeros(known.shape, dtype=bool)
        own[known] = sky_map.findTractIdArray(ra[known], dec[known]) == tract_id
        if own.any():
            yield from frame.curves(np.where(own, ra, np.nan), np.where(own, dec, np.nan))


def _mark_patches(axes: Any, picture: SkyPicture, sky_map: SkyMap) -> None:
    """Hatch some patches, without their borders."""
    from matplotlib.collections import PolyCollection

    shapes = []
    for tract_id, patch_id in sorted(set(picture.chosen)):
        curves = picture.frame.outline(sky_map[tract_id].getPatchInfo(patch_id).inner_sky_polygon)
        shapes += [curve for curve in curves if len(curve) > 2]
    axes.add_collection(
        PolyCollection(shapes, facecolors="none", edgecolors=_CHOSEN, hatch="///", linewidths=1.2, zorder=3)
    )


def _draw_outlines(axes: Any, picture: SkyPicture) -> list[Any]:
    """Draw what was observed, each band in its style; return the entries of the legend."""
    from matplotlib.lines import Line2D

    styles = _styles(picture.outlines)
    crowd = len(picture.outlines)
    width, alpha = (1.2, 1.0) if crowd <= 60 else (0.5, 0.6) if crowd <= 1000 else (0.3, 0.4)
    entries = []
    for band, (color, dashes) in styles.items():
        members = [outline for outline in picture.outlines if outline.band == band]
        lines = [line for member in members for line in picture.frame.outline(member.region)]
        _add_lines(axes, lines, color, width, zorder=3, linestyle=dashes, alpha=alpha)
        n_visits = len({member.visit for member in members})
        n_detectors = sum(member.detector is not None for member in members)
        what = f"{n_visits} visit{'s' * (n_visits != 1)}"
        if n_detectors:
            what += f", {n_detectors} detector image{'s' * (n_detectors != 1)}"
        name = "" if band is None else f"{band}: "
        entries.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.2, label=name + what))
    return entries


def _styles(outlines: Sequence[SkyOutline]) -> dict[str | None, tuple[str, Any]]:
    """Return colour and line of each band, in the order of their wavelengths where that is known."""
    present = {outline.band for outline in outlines}
    known: dict[str | None, tuple[str, Any]] = {
        band: style for band, style in BAND_STYLES.items() if band in present
    }
    others = sorted(present - known.keys(), key=lambda band: (band is not None, band or ""))
    return {**known, **{band: _OTHER_STYLES[i % len(_OTHER_STYLES)] for i, band in enumerate(others)}}


def _add_lines(
    axes: Any, lines: list[NDArray[np.float64]], color: str, width: float, *, zorder: int, **style: Any
) -> None:
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, colors=color, linewidths=width, zorder=zorder, **style))


def _labels(picture: SkyPicture) -> list[SkyLabel]:
    """Return the labels of tracts, visits, detectors and patches, the most important first."""
    visits = [SkyLabel(text, places, "#555555", 7.0) for text, places in picture.frame.marks()]
    visits += _visit_labels(picture)
    if picture.sky_map is None or not len(picture.sky_map):
        return visits
    tracts, patches = _sky_map_labels(picture.frame, picture.sky_map)
    return [*tracts, *visits, *patches]


def _sky_map_labels(frame: SkyFrame, sky_map: SkyMap) -> tuple[list[SkyLabel], list[SkyLabel]]:
    """Return labels of the tracts and of the patches that can be seen."""
    ra, dec = frame.grid(_LABEL_GRID)
    known = np.isfinite(ra)
    if isinstance(sky_map, DiscreteSkyMap):
        # Outside its tracts the nearest one is in charge, but there is nothing of it.
        known[known] = sky_map.find_patch_ids(ra[known], dec[known])[1] >= 0
    y, x = (np.flatnonzero(known) // ra.shape[1], np.flatnonzero(known) % ra.shape[1])
    tract_ids = sky_map.findTractIdArray(ra[known], dec[known])
    areas = _middles(tract_ids, x, y, ra.shape[1])
    tracts = [
        SkyLabel(f"tract {tract_id}", [middle], _TRACT, 9.0, room)
        for tract_id, (middle, room) in sorted(areas.items(), key=lambda item: -item[1][1][0])
    ]
    if len(areas) > _MAX_TRACTS_WITH_PATCHES or frame.is_whole_sky:
        short = [
            SkyLabel(f"{label.text.split()[1]}", label.places, _TRACT, 6.0, label.room) for label in tracts
        ]
        return short, []
    tract_ids, patch_ids = sky_map.find_patch_ids(ra[known], dec[known])
    numbers = tract_ids * (1 << 32) + patch_ids
    inside = patch_ids >= 0
    found = _middles(numbers[inside], x[inside], y[inside], ra.shape[1])
    patches = [
        SkyLabel(
            str(number % (1 << 32)),
            [(middle[0], middle[1] + offset * room[1]) for offset in (0.0, -0.25, 0.25)],
            "#555555",
            7.0,
            (0.8 * room[0], 0.8 * room[1]),
        )
        for number, (middle, room) in found.items()
    ]
    return tracts, patches


def _middles(
    ids: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64], n_x: int
) -> dict[int, tuple[tuple[float, float], tuple[float, float]]]:
    """Return, of each number, the middle of the pixels that have it, and their extent in x and y."""
    found = {}
    for number in np.unique(ids).tolist():
        members = np.flatnonzero(ids == number)
        if np.ptp(x[members]) > n_x / 2 and not np.any(np.abs(x[members] - n_x / 2) < n_x / 20):
            # On both ends of the whole sky, and not between them.
            members = members[x[members] > n_x / 2]
        places = [float(np.mean(v[members])) * _LABEL_GRID for v in (x, y)]
        extents = [float(np.ptp(v[members]) + 1) * _LABEL_GRID for v in (x, y)]
        found[number] = ((places[0], places[1]), (extents[0], extents[1]))
    return found


def _visit_labels(picture: SkyPicture) -> list[SkyLabel]:
    """Return labels of the visits, if they are few, and of their detectors."""
    visits = {outline.visit for outline in picture.outlines}
    if len(visits) > _MAX_LABELLED_VISITS:
        return []
    styles = _styles(picture.outlines)
    one_detector = len(visits) > 1 and len({outline.detector for outline in picture.outlines}) == 1
    labels = []
    for outline in picture.outlines:
        points = np.concatenate(picture.frame.outline(outline.region) or [np.empty((0, 2))])
        if not len(points):
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        middle, size = (low + high) / 2, high - low
        text = f"visit {outline.visit[1]}"
        if outline.detector is not None and not one_detector:
            text += f"\ndetector {outline.detector}"
        places = [(middle[0] + a * size[0], middle[1] + b * size[1]) for a, b in _LABEL_PLACES]
        color = styles[outline.band][0]
        labels.append(SkyLabel(text, places, color, 7.0, (float(size[0]), float(size[1]))))
    return labels
