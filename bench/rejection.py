"""Artifact rejection against known truth: which method leaves artifacts out, and what it costs.

Each scene is made with artifacts and, with the same noise, without them. The reference is the weighted mean
of the warps without artifacts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from rejection_kinds import SCENES
from rejection_scene import BOX, NOISE, WCS, Scene, handle, make_scene
from rejection_score import BAD, COMMON, SKY_INFO, Coadded, mean_of, score, weights_of

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
from tasks.warp import MakePsfMatchedWarpTask


def simple(statistic: str) -> Callable[[Scene], Coadded]:
    """Return the method that combines pixels by a statistic."""

    def method(scene: Scene) -> Coadded:
        task = AssembleCoaddTask(AssembleCoaddConfig().updated({**COMMON, "statistic": statistic}))
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        prepared = task.prepareInputs(warps, BOX)
        run = task.run(SKY_INFO, prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList)
        return Coadded(run.coaddExposure.image.array)

    return method


def safe_clip(config: SafeClipAssembleCoaddConfig) -> Callable[[Scene], Coadded]:
    """Return the method that clips artifacts of single visits."""

    def method(scene: Scene) -> Coadded:
        same = {"doInterp": False, "badMaskPlanes": BAD}
        task = SafeClipAssembleCoaddTask(config.updated(same))
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        return _left_out(scene, task.run(SKY_INFO, warps, [None] * len(warps), weights_of(scene)))

    return method


def compare_warp(config: CompareWarpAssembleCoaddConfig) -> Callable[[Scene], Coadded]:
    """Return the method that compares PSF-matched warps."""

    def method(scene: Scene) -> Coadded:
        matching = MakePsfMatchedWarpTask(shipped("coadd-comparewarp", "makePsfMatchedWarp"))
        warps = [handle(visit.warp, i) for i, visit in enumerate(scene.visits, 1)]
        matched = [
            handle(matching.run(visit.warp, BOX).psf_matched_warp, i)
            for i, visit in enumerate(scene.visits, 1)
        ]
        task = CompareWarpAssembleCoaddTask(config.updated(COMMON))
        prepared = task.prepareInputs(warps, BOX)
        sky = task.makeStaticSkyModel(SKY_INFO, matched)
        lists = prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList
        unused = [~np.isfinite(one.get(component="image").array) for one in matched]
        return _left_out(scene, task.run(SKY_INFO, *lists, supplementaryData=sky))._replace(unused=unused)

    return method


def shipped(pipeline: str, label: str = "assembleCoadd") -> Any:
    """Return how a ready pipeline configures one of its tasks."""
    [node] = [n for n in load_pipeline(pipeline).nodes if n.label == label]
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
        return Coadded(fits.getdata(folder / "out.fits").astype(np.float32))


def perfect(scene: Scene) -> Coadded:
    """Coadd with masks that are the truth: what no method can do better."""
    warps, masked = [], []
    for visit in scene.visits:
        twin = visit.twin[BOX]
        twin.maskedImage.mask = Mask(twin.mask.array.copy(), BOX.minimum, twin.mask.planes)
        masked.append(visit.strength > 0.1 * NOISE)
        twin.mask.set_where("CR", masked[-1])
        warps.append(twin)
    return Coadded(mean_of(warps, weights_of(scene)).coaddExposure.image.array, masked)


METHODS: dict[str, Callable[[Scene], Coadded]] = {
    "perfect masks": perfect,
    "MEAN": simple("MEAN"),
    "MEANCLIP": simple("MEANCLIP"),
    "MEDIAN": simple("MEDIAN"),
    "SWarp CLIPPED": swarp_clipped,
    "SafeClip by detections": safe_clip(SafeClipAssembleCoaddConfig()),
    "SafeClip, shipped pipeline": safe_clip(shipped("coadd-safeclip")),
    "CompareWarp, LSST's settings": compare_warp(CompareWarpAssembleCoaddConfig()),
    "CompareWarp, shipped pipeline": compare_warp(shipped("coadd-comparewarp")),
}


def _left_out(scene: Scene, result: Any) -> Coadded:
    clipped = [spans_of_visit(result.clipRecord, i).asArray(BOX) for i in range(1, len(scene.visits) + 1)]
    return Coadded(result.coaddExposure.image.array, clipped)


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
    columns += ["stars hurt", "variables hurt", "cosmic rays", "trail", "moving", "ghost"]
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
