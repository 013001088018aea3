"""How well artifacts were left out of a coadd, and what that cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rejection_scene import BOX, NOISE, WCS, Scene, Visit, handle
from scipy.ndimage import binary_dilation, label

from butler.images import Exposure
from tasks.coadd import AssembleCoaddConfig, AssembleCoaddTask
from tasks.struct import Struct

__all__ = ["BAD", "COMMON", "SKY_INFO", "Coadded", "mean_of", "score", "weights_of"]

BAD: Final = ["NO_DATA", "BAD", "SAT", "CR"]
SKY_INFO: Final = Struct(bbox=BOX, wcs=WCS)
COMMON: Final = {"sigmaClip": 3.0, "clipIter": 2, "doInterp": False, "badMaskPlanes": BAD}
"""The same weights for all, so that coadds differ only where something was left out."""
Planes = list[NDArray[np.bool_]]


class Coadded(NamedTuple):
    """A coadd, and for each visit what was clipped and what could not be used; None if that is not known."""

    image: NDArray[np.float32]
    clipped: Planes | None = None
    unused: Planes | None = None


_BRIGHT: Final = 3000.0
_MIDDLE: Final = 300.0
"""Least peaks of bright and of other stars that are looked at, counts."""


def weights_of(scene: Scene) -> list[float]:
    """Return the weights of the visits, which are the same for all methods and for the reference."""
    task = AssembleCoaddTask(AssembleCoaddConfig().updated(COMMON))
    warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
    weights: list[float] = task.prepareInputs(warps, BOX).weightList
    return weights


def mean_of(warps: list[Exposure], weights: list[float]) -> Struct:
    """Combine warps by their weighted mean."""
    task = AssembleCoaddTask(AssembleCoaddConfig().updated({**COMMON, "statistic": "MEAN"}))
    handles = [handle(warp, i) for i, warp in enumerate(warps, 1)]
    return task.run(SKY_INFO, handles, [None] * len(warps), weights)


def score(scene: Scene, method: Callable[[Scene], Coadded]) -> dict[str, float]:
    """Return the figures of one method on one scene."""
    image, clipped, unused = method(scene)
    weights = weights_of(scene)
    truth = mean_of([visit.twin for visit in scene.visits], weights).coaddExposure
    sigma = np.sqrt(truth.variance.array)
    strong = [_strong(visit) for visit in scene.visits]
    touched = np.any([visit.strength > 0.1 * NOISE for visit in scene.visits], axis=0)
    contaminated = np.any(strong, axis=0)
    bright = np.zeros(BOX.shape, dtype=bool)
    rows, columns = np.mgrid[: BOX.height, : BOX.width]
    for x, y in zip(scene.star_x, scene.star_y, strict=True):
        bright |= np.hypot(columns - x, rows - y) < 25
    sky = ~bright & ~binary_dilation(touched, iterations=8)
    pull = (image - truth.image.array) / sigma
    figures = {"residual": float(np.nanmean(np.abs(pull[contaminated])))}
    if np.count_nonzero(sky) > 1000:
        figures["sky"] = float(np.nanstd(image[sky]) / np.nanstd(truth.image.array[sky]))
    figures |= _star_bias(scene, image, truth.image.array, touched)
    if clipped is not None:
        out = [a | b for a, b in zip(clipped, unused, strict=True)] if unused else clipped
        figures |= _rejection(scene, strong, out) | _stars_clipped(scene, clipped)
        left = _left_in(scene, out, weights) / sigma
        figures["left"] = float(np.nanmean(np.abs(left[contaminated])))
    return figures


def _strong(visit: Visit) -> NDArray[np.bool_]:
    """Return where a visit has an artifact of more than 3 sigma, or half of the peak of one that has less."""
    noise = np.sqrt(visit.twin[BOX].variance.array)
    strong: NDArray[np.bool_] = visit.strength > 3 * noise
    for signal in visit.artifacts.values():
        if NOISE < signal.max() < 3 * NOISE:
            strong |= (signal > 0.5 * signal.max()) & np.isfinite(noise)
    return strong


def _left_in(scene: Scene, clipped: Planes, weights: list[float]) -> NDArray[np.float64]:
    """Return what the artifacts add to a mean from which some pixels are left out."""
    total, weight_sum = np.zeros(BOX.shape), np.zeros(BOX.shape)
    for visit, out, weight in zip(scene.visits, clipped, weights, strict=True):
        flagged = visit.warp[BOX].mask.any_of(visit.warp.mask.known_bit_mask(BAD))
        share = weight * ~(out | flagged)
        total += share * visit.signal
        weight_sum += share
    result: NDArray[np.float64] = np.divide(
        total, weight_sum, out=np.full(BOX.shape, np.nan), where=weight_sum > 0
    )
    return result


def _rejection(scene: Scene, strong: Planes, clipped: Planes) -> dict[str, float]:
    """Return completeness and purity: of what is left out, as flagged before or clipped."""
    flagged = [v.warp[BOX].mask.any_of(v.warp.mask.known_bit_mask(BAD)) for v in scene.visits]
    out = [a | b for a, b in zip(flagged, clipped, strict=True)]
    hit = sum(int((o & s).sum()) for o, s in zip(out, strong, strict=True))
    near = [binary_dilation(visit.strength > 0.5 * NOISE, iterations=2) for visit in scene.visits]
    figures = {
        "complete": hit / sum(int(s.sum()) for s in strong),
        "pure": sum(int((o & s).sum()) for o, s in zip(out, near, strict=True))
        / max(1, sum(int(o.sum()) for o in out)),
    }
    figures["artifacts"] = _artifacts_found(scene, strong, out)
    for kind in scene.visits[0].artifacts:
        own = [
            s & (np.abs(visit.artifacts[kind]) > 0.5 * visit.strength)
            for s, visit in zip(strong, scene.visits, strict=True)
        ]
        total = sum(int(o.sum()) for o in own)
        if total:
            figures[kind] = sum(int((o & w).sum()) for o, w in zip(out, own, strict=True)) / total
    return figures


def _artifacts_found(scene: Scene, strong: Planes, out: Planes) -> float:
    """Return the share of the artifacts more than half of whose strong pixels are left out."""
    found = total = 0
    for visit, above, gone in zip(scene.visits, strong, out, strict=True):
        for signal in visit.artifacts.values():
            labels, n = label(above & (np.abs(signal) > 0.5 * visit.strength), np.ones((3, 3)))
            area, taken = (
                np.bincount(labels.ravel(), which.ravel(), n + 1)[1:] for which in (labels > 0, gone)
            )
            found += int(np.count_nonzero(taken > 0.5 * area))
            total += n
    return found / max(1, total)


def _stars(scene: Scene, least: float) -> list[tuple[int, int, float, bool]]:
    """Return row, column and peak of the stars that are bright enough, and whether they vary."""
    found = []
    places = zip(scene.star_x, scene.star_y, scene.star_peak, strict=True)
    for number, (x, y, peak) in enumerate(places):
        column, row = round(x), round(y)
        if peak > least and 10 < column < BOX.width - 10 and 10 < row < BOX.height - 10:
            found.append((row, column, peak, number < scene.n_variable))
    return found


def _star_bias(
    scene: Scene, image: NDArray[np.float32], truth: NDArray[np.float32], touched: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the median relative error of the peaks of stars that no artifact touches, by brightness."""
    errors: dict[str, list[float]] = defaultdict(list)
    for row, column, peak, varies in _stars(scene, _MIDDLE):
        error = image[row, column] / truth[row, column] - 1
        if varies or not np.isfinite(error):
            continue
        if touched[row - 6 : row + 7, column - 6 : column + 7].any():
            continue
        errors["bright" if peak > _BRIGHT else "middle"].append(error)
    return {f"bias {group}": float(np.median(found)) for group, found in errors.items()}


def _stars_clipped(scene: Scene, clipped: Planes) -> dict[str, float]:
    """Return the share of stars, of each visit, of which a pixel near the peak was clipped without reason."""
    hurt: dict[str, list[bool]] = defaultdict(list)
    for visit, out in zip(scene.visits, clipped, strict=True):
        touched, unusable = (
            visit.strength > 0.1 * NOISE,
            visit.twin[BOX].mask.any_of(visit.twin.mask.known_bit_mask(BAD)),
        )
        for row, column, _, varies in _stars(scene, _MIDDLE):
            around = np.s_[row - 6 : row + 7, column - 6 : column + 7]
            if not touched[around].any() and not unusable[row, column]:
                near = out[row - 3 : row + 4, column - 3 : column + 4].any()
                hurt["variables hurt" if varies else "stars hurt"].append(bool(near))
    return {name: float(np.mean(found)) for name, found in hurt.items()}
