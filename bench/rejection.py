"""Artifact rejection against known truth: which method leaves artifacts out, and what it costs.

Each scene is made with artifacts and, with the same noise, without them. The reference is the weighted mean
of the warps without artifacts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from rejection_scene import BOX, NOISE, SCENES, WCS, Scene, handle, make_scene
from scipy.ndimage import binary_dilation, label

from butler.images import Mask
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddTask,
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    spans_of_visit,
)
from tasks.ready_pipelines import load_pipeline
from tasks.struct import Struct
from tasks.warp import MakePsfMatchedWarpTask

BAD = ["NO_DATA", "BAD", "SAT", "CR"]
SKY_INFO = Struct(bbox=BOX, wcs=WCS)
# The same weights for all, so that coadds differ only where something was left out.
COMMON = {"sigmaClip": 3.0, "clipIter": 2, "doInterp": False, "badMaskPlanes": BAD}
Coadded = tuple[NDArray[np.float32], list[NDArray[np.bool_]] | None]
"""A coadd, and for each visit what was left out of it; None if that is not known."""


def simple(statistic: str) -> Callable[[Scene], Coadded]:
    """Return the method that combines pixels by a statistic."""

    def method(scene: Scene) -> Coadded:
        task = AssembleCoaddTask(AssembleCoaddConfig().updated({**COMMON, "statistic": statistic}))
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        prepared = task.prepareInputs(warps, BOX)
        run = task.run(SKY_INFO, prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList)
        return run.coaddExposure.image.array, None

    return method


def safe_clip(config: SafeClipAssembleCoaddConfig) -> Callable[[Scene], Coadded]:
    """Return the method that clips artifacts of single visits."""

    def method(scene: Scene) -> Coadded:
        # The weights are those of all methods.
        same = {"doInterp": False, "badMaskPlanes": BAD}
        task = SafeClipAssembleCoaddTask(config.updated(same))
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        plain = AssembleCoaddTask(AssembleCoaddConfig().updated(COMMON)).prepareInputs(warps, BOX)
        return _left_out(scene, task.run(SKY_INFO, warps, plain.imageScalerList, plain.weightList))

    return method


def compare_warp(config: CompareWarpAssembleCoaddConfig) -> Callable[[Scene], Coadded]:
    """Return the method that compares PSF-matched warps."""

    def method(scene: Scene) -> Coadded:
        matching = MakePsfMatchedWarpTask()
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        matched = [
            handle(matching.run(visit.warp, BOX).psf_matched_warp, i)
            for i, visit in enumerate(scene.visits, 1)
        ]
        task = CompareWarpAssembleCoaddTask(config.updated(COMMON))
        prepared = task.prepareInputs(warps, BOX)
        sky = task.makeStaticSkyModel(SKY_INFO, matched)
        lists = prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList
        return _left_out(scene, task.run(SKY_INFO, *lists, supplementaryData=sky))

    return method


def shipped(pipeline: str) -> Any:
    """Return how a ready pipeline assembles coadds."""
    [node] = [n for n in load_pipeline(pipeline).nodes if n.label == "assembleCoadd"]
    return node.config


def swarp_clipped(scene: Scene) -> Coadded:
    """Coadd with SWarp, COMBINE_TYPE CLIPPED, on the same pixels and weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        header = fits.Header(WCS.to_header(BOX.minimum))
        names = []
        for number, visit in enumerate(scene.visits):
            part = visit.warp[BOX]
            bad = part.mask.any_of(part.mask.known_bit_mask(BAD))
            weight = np.where(bad, 0.0, 1.0 / part.variance.array).astype(np.float32)
            path = folder / f"v{number}.fits"
            fits.writeto(path, part.image.array.astype(np.float32), header)
            fits.writeto(folder / f"v{number}.weight.fits", weight, header)
            names.append(str(path))
        options = {
            "COMBINE_TYPE": "CLIPPED",
            "WEIGHT_TYPE": "MAP_WEIGHT",
            "RESAMPLE": "N",
            "SUBTRACT_BACK": "N",
            "IMAGEOUT_NAME": "out.fits",
            "WEIGHTOUT_NAME": "out.weight.fits",
            "VERBOSE_TYPE": "QUIET",
            "WRITE_XML": "N",
            "NTHREADS": "1",
            "FSCALASTRO_TYPE": "NONE",
            "CLIP_SIGMA": "4.0",
            "CLIP_AMPFRAC": "0.3",
        }
        words = [word for key, value in options.items() for word in (f"-{key}", value)]
        subprocess.run(
            ["SWarp", *names, "-c", "/dev/null", *words], cwd=folder, check=True, capture_output=True
        )
        return fits.getdata(folder / "out.fits").astype(np.float32), None


def perfect(scene: Scene) -> Coadded:
    """Coadd with masks that are the truth: what no method can do better."""
    task = AssembleCoaddTask(AssembleCoaddConfig().updated({**COMMON, "statistic": "MEAN"}))
    warps, masked = [], []
    for i, visit in enumerate(scene.visits, 1):
        twin = visit.twin[BOX]
        twin.maskedImage.mask = Mask(twin.mask.array.copy(), BOX.minimum, twin.mask.planes)
        masked.append(visit.signal > 0.1 * NOISE)
        twin.mask.set_where("CR", masked[-1])
        warps.append(handle(twin, i))
    prepared = task.prepareInputs(warps, BOX)
    run = task.run(SKY_INFO, prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList)
    return run.coaddExposure.image.array, masked


METHODS: dict[str, Callable[[Scene], Coadded]] = {
    "perfect masks": perfect,
    "MEAN": simple("MEAN"),
    "MEANCLIP": simple("MEANCLIP"),
    "MEDIAN": simple("MEDIAN"),
    "SWarp CLIPPED": swarp_clipped,
    "SafeClip, LSST's settings": safe_clip(SafeClipAssembleCoaddConfig()),
    "SafeClip, shipped pipeline": safe_clip(shipped("coadd-safeclip")),
    "CompareWarp, LSST's settings": compare_warp(CompareWarpAssembleCoaddConfig()),
    "CompareWarp, shipped pipeline": compare_warp(shipped("coadd-comparewarp")),
}


def _left_out(scene: Scene, result: Any) -> Coadded:
    clipped = [spans_of_visit(result.clipRecord, i).asArray(BOX) for i in range(1, len(scene.visits) + 1)]
    return result.coaddExposure.image.array, clipped


def score(scene: Scene, method: Callable[[Scene], Coadded]) -> dict[str, float]:
    """Return the figures of one method on one scene."""
    image, clipped = method(scene)
    warps = [handle(visit.twin, i) for i, visit in enumerate(scene.visits, 1)]
    task = AssembleCoaddTask(AssembleCoaddConfig().updated({**COMMON, "statistic": "MEAN"}))
    prepared = task.prepareInputs(warps, BOX)
    lists = prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList
    truth = task.run(SKY_INFO, *lists).coaddExposure
    sigma = np.sqrt(truth.variance.array)
    signal = [visit.signal for visit in scene.visits]
    noise = [np.sqrt(visit.twin[BOX].variance.array) for visit in scene.visits]
    strong = [s > 3 * n for s, n in zip(signal, noise, strict=True)]
    touched = np.any([s > 0.1 * NOISE for s in signal], axis=0)
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
        figures |= _rejection(scene, strong, signal, clipped)
        left = _left_in(scene, clipped, prepared.weightList) / sigma
        figures["left"] = float(np.nanmean(np.abs(left[contaminated])))
    return figures


def _left_in(scene: Scene, clipped: list[NDArray[np.bool_]], weights: list[float]) -> NDArray[np.float64]:
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


def _rejection(
    scene: Scene,
    strong: list[NDArray[np.bool_]],
    signal: list[NDArray[np.float64]],
    clipped: list[NDArray[np.bool_]],
) -> dict[str, float]:
    """Return completeness and purity: of what is left out, as flagged before or clipped."""
    flagged = [v.warp[BOX].mask.any_of(v.warp.mask.known_bit_mask(BAD)) for v in scene.visits]
    out = [a | b for a, b in zip(flagged, clipped, strict=True)]
    hit = sum(int((o & s).sum()) for o, s in zip(out, strong, strict=True))
    near = [binary_dilation(s > 0.5 * NOISE, iterations=2) for s in signal]
    figures = {
        "complete": hit / sum(int(s.sum()) for s in strong),
        "pure": sum(int((o & s).sum()) for o, s in zip(out, near, strict=True))
        / max(1, sum(int(o.sum()) for o in out)),
    }
    figures["artifacts"] = _artifacts_found(scene, strong, out)
    for kind in scene.visits[0].artifacts:
        own = [
            s & (visit.artifacts[kind] > 0.5 * visit.signal)
            for s, visit in zip(strong, scene.visits, strict=True)
        ]
        total = sum(int(o.sum()) for o in own)
        if total:
            figures[kind] = sum(int((o & w).sum()) for o, w in zip(out, own, strict=True)) / total
    return figures


def _artifacts_found(scene: Scene, strong: list[NDArray[np.bool_]], out: list[NDArray[np.bool_]]) -> float:
    """Return the share of the artifacts more than half of whose strong pixels are left out."""
    found = total = 0
    for visit, above, gone in zip(scene.visits, strong, out, strict=True):
        for signal in visit.artifacts.values():
            labels, n = label(above & (signal > 0.5 * visit.signal), np.ones((3, 3)))
            area, taken = (
                np.bincount(labels.ravel(), which.ravel(), n + 1)[1:] for which in (labels > 0, gone)
            )
            found += int(np.count_nonzero(taken > 0.5 * area))
            total += n
    return found / max(1, total)


def _star_bias(
    scene: Scene, image: NDArray[np.float32], truth: NDArray[np.float32], touched: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the median relative error of the peaks of stars that no artifact touches, by brightness."""
    errors: dict[str, list[float]] = defaultdict(list)
    # The first three vary.
    for x, y, peak in list(zip(scene.star_x, scene.star_y, scene.star_peak, strict=True))[3:]:
        column, row = round(x), round(y)
        if not (10 < column < BOX.width - 10 and 10 < row < BOX.height - 10):
            continue
        if touched[row - 6 : row + 7, column - 6 : column + 7].any():
            continue
        group = "bright" if peak > 3000 else "middle" if peak > 300 else ""
        if group:
            errors[group].append(image[row, column] / truth[row, column] - 1)
    return {f"bias {group}": float(np.median(found)) for group, found in errors.items()}


def _cell(column: str, values: list[float]) -> str:
    """Return the mean over the seeds; of a bias the one farthest from 0."""
    if not values:
        return "-"
    if column.startswith("bias"):
        return f"{100 * max(values, key=abs):+.2f} %"
    return f"{np.mean(values):.3f}"


def main() -> None:
    """Print a table for each kind of scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--flag", type=int, nargs="+", default=[0, 1], help="1: with flagged cosmic rays")
    given = parser.parse_args()
    columns = ["complete", "artifacts", "pure", "residual", "left", "sky", "bias bright", "bias middle"]
    columns += ["cosmic rays", "trail", "moving", "ghost"]
    for kind in given.scenes:
        for flag in given.flag:
            for n_visits in given.visits:
                title = (
                    f"{kind} seeing, {n_visits} visits, cosmic rays {'flagged' if flag else 'not flagged'}"
                )
                print(f"\n### {title}\n\n| method | " + " | ".join(columns) + " |")
                print("|---|" + "---|" * len(columns), flush=True)
                scenes = [
                    make_scene(kind, n_visits, seed, flag_cosmic_rays=bool(flag)) for seed in given.seeds
                ]
                for name in given.methods:
                    found = [score(scene, METHODS[name]) for scene in scenes]
                    cells = []
                    for column in columns:
                        values = [figures[column] for figures in found if column in figures]
                        cells.append(_cell(column, values))
                    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
