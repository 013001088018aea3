"""The picture of first light: a visit, two coadds, the number of inputs, and the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from butler import Butler
from butler.images import Box2I, Image
from butler.pictures import Scaling, draw_image, new_figure_class, save_figure, scale_limits, sky_axes

__all__ = ["draw_first_light"]


def draw_first_light(butler: Butler, path: Path, *, tract: int, patch: int, band: str, visit: int) -> None:
    """Draw one visit and what was clipped of it, both coadds, their difference, and the number of inputs.

    Parameters
    ----------
    butler
        Repository with the chains ``safeclip`` and ``mean``.
    path
        Picture to write.
    tract, patch, band
        Which coadd.
    visit
        Which visit.

    Raises
    ------
    ButlerUserError
        Raised if matplotlib is not installed.
    """
    key: dict[str, Any] = {"tract": tract, "patch": patch}
    warp = butler.get("deepCoadd_directWarp", key, visit=visit, collections="safeclip")
    mean = butler.get("deepCoadd", key, band=band, collections="mean")
    clipped = butler.get("deepCoadd", key, band=band, collections="safeclip")
    n_image = butler.get("deepCoadd_nImage", key, band=band, collections="safeclip")
    figure = new_figure_class()(figsize=(15, 9.5), layout="constrained")
    _mark_clipped(warp, butler.get("deepCoadd_clipped", key, band=band, collections="safeclip"), visit)
    box = _box_with_data(n_image)
    warp, mean, clipped, n_image = (item[box] for item in (warp, mean, clipped, n_image))
    has_data = ~clipped.mask.isSet("NO_DATA")
    limits = scale_limits(clipped.image.array[has_data])
    difference = Image(mean.image.array - clipped.image.array, box.minimum, "nJy")
    spread = 5 * float(np.sqrt(np.median(clipped.variance.array[has_data])))
    bare: dict[str, Any] = {"scaling": Scaling(limits=limits), "mask": clipped.mask, "planes": ()}
    panels: list[tuple[str, Image, dict[str, Any]]] = [
        (f"visit {visit}", warp.image, {"mask": warp.mask, "planes": ("BAD", "SAT", "CR")}),
        (f"visit {visit}, clipped pixels", warp.image, {"mask": warp.mask}),
        ("number of visits (nImage)", Image(n_image.array, n_image.xy0, "visits"), {}),
        ("MEAN coadd", mean.image, bare),
        ("SafeClip coadd", clipped.image, bare),
        (
            "MEAN - SafeClip",
            difference,
            {**bare, "cmap": "RdBu_r", "scaling": Scaling(limits=(-spread, spread))},
        ),
    ]
    for number, (title, image, options) in enumerate(panels, start=1):
        axes = sky_axes(figure, (2, 3, number), clipped.wcs, box.minimum)
        draw_image(figure, axes, image, **options)
        axes.set_title(title, fontsize=10)
    save_figure(figure, path)


def _mark_clipped(warp: Any, record: Any, visit: int) -> None:
    """Set CLIPPED in a warp's mask where the record says that the visit was clipped."""
    from ..coadd import spans_of_row

    warp.mask.addMaskPlane("CLIPPED")
    for row in record:
        if int(row["visit"]) == visit:
            spans_of_row(row).clippedTo(warp.mask.bbox).setMask(
                warp.mask, warp.mask.getPlaneBitMask("CLIPPED")
            )


def _box_with_data(n_image: Image) -> Box2I:
    """Return the smallest box that holds all pixels with an input."""
    rows, columns = np.nonzero(n_image.array)
    if not rows.size:
        return n_image.bbox
    first = (n_image.xy0.x + int(columns.min()), n_image.xy0.y + int(rows.min()))
    last = (n_image.xy0.x + int(columns.max()), n_image.xy0.y + int(rows.max()))
    return Box2I.from_corners(first, last)
