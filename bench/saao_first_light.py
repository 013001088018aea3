"""What clipping does to the trail in frame 0070 of the crowded SAAO field, and to its stars.

    python bench/saao_first_light.py ../shared/data/saao_mb13475/images [--pictures DIR]

For 6, 10 and all visits and each way of clipping: the excess along the trail, how much of it was clipped,
how many cores of stars were, and what was clipped by which rule.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from butler import Butler
from butler.images import Exposure, Image, SkyWcs
from butler.ingest import expand_paths, ingest_exposures, observed_regions, register_sky_map
from butler.skymaps import discrete_sky_map_around
from connections import build_graph
from tasks.demo.measures import Line, clipped_mask, strip_excess
from tasks.execution import run_graph
from tasks.ready_pipelines import load_pipeline

TRAIL_VISIT = 70
TRAIL = Line((470.5, 511.0), (511.0, 340.0))
"""Axis of the trail in the pixels of frame 0070, by eye."""
SUBSETS = {
    "6": (56, 61, 65, 70, 72, 77),
    "10": (47, 53, 54, 56, 61, 65, 70, 72, 77, 91),
    "all": None,
}
KEY = {"tract": 0, "patch": 0, "band": "I"}
INPUTS = ["warps", "skymaps"]


@dataclass(frozen=True)
class Method:
    """A pipeline whose assembleCoadd is run on the same warps, and what it sets otherwise."""

    pipeline: str
    settings: dict[str, Any]


METHODS = {
    "MEAN": Method("coadd-direct", {}),
    "SafeClip by detections": Method("coadd-safeclip", {"clipEvidence": "detections"}),
    "SafeClip, shipped": Method("coadd-safeclip", {}),
    "CompareWarp, shipped": Method("coadd-comparewarp", {}),
}


def execute(butler: Butler, pipeline: str, inputs: list[str], run: str, where: str, settings: Any) -> None:
    """Run a pipeline, and stop if anything fails."""
    overrides = {"assembleCoadd": settings} if settings else None
    graph = build_graph(load_pipeline(pipeline, overrides), butler, collections=inputs, run=run, where=where)
    report = run_graph(graph, butler)
    if report.failures:
        raise SystemExit("\n".join(f"{f.quantum}: {f.message}" for f in report.failures))


def coadd(butler: Butler, method: Method, run: str, where: str) -> Exposure:
    """Assemble a coadd."""
    execute(butler, f"{method.pipeline}#assembleCoadd", INPUTS, run, where, method.settings)
    found: Exposure = butler.get("deepCoadd", KEY, collections=run)
    return found


def make_warps(repo: Path, data: Path) -> None:
    """Make a repository with the direct and the PSF-matched warps of all frames."""
    Butler.makeRepo(repo)
    butler = Butler(repo, writeable=True)
    mask = data.parent / "bpm.fits"
    ingest_exposures(butler, expand_paths([data]), run="raw", bad_pixel_mask=mask)
    sky_map = discrete_sky_map_around(
        observed_regions(butler), pixel_scale=0.31, projection="TAN", patch_inner_dimensions=(1000, 1000)
    )
    register_sky_map(butler, "saao", sky_map)
    execute(butler, "from-exposures#processCcd", ["raw", "skymaps"], "calibrated", "", None)
    inputs = ["calibrated", "skymaps"]
    execute(butler, "coadd-comparewarp#makeWarp,makePsfMatchedWarp", inputs, "warps", "", None)


def report_subset(butler: Butler, name: str, visits: tuple[int, ...] | None, pictures: Path | None) -> None:
    """Print a row for each method."""
    where = f"visit IN ({', '.join(map(str, visits))})" if visits else ""
    without = f"({where}) AND visit != {TRAIL_VISIT}" if where else f"visit != {TRAIL_VISIT}"
    raw = butler.get("postISRCCD.wcs", exposure=TRAIL_VISIT, detector=0, collections="raw")
    assert isinstance(raw, SkyWcs)
    used = [
        ref.dataId["visit"] for ref in butler.query_datasets("deepCoadd_directWarp", "warps", where=where)
    ]
    warp: Exposure | None = None
    for label, method in METHODS.items():
        run = f"{name}/{label.replace(' ', '_').replace(',', '')}"
        result = coadd(butler, method, run, where)
        reference = coadd(butler, method, f"{run}/without", without)
        assert result.wcs is not None
        line = TRAIL.mapped(raw, result.wcs)
        if warp is None:
            # Warps have a border about the patch.
            warp = butler.get("deepCoadd_directWarp", KEY, visit=TRAIL_VISIT, collections="warps")[
                result.bbox
            ]
            cores = star_cores(result) & ~line.strip(warp.image, width=40)
        alone = trail_change(result, reference, line)
        cells = [name, label, f"{alone:.2f}", f"{strip_excess(result, reference, line):.2f}"]
        if method.pipeline != "coadd-direct":
            record = butler.get("deepCoadd_clipped", KEY, collections=run)
            strip = line.strip(warp.image, width=8) & comparable(butler, method, result)
            cells += clipping(record, used, strip, cores, warp.image)
        print("| " + " | ".join(cells) + " |", flush=True)
        if pictures is not None:
            save_pictures(pictures / run.replace("/", "_"), result, reference)


def comparable(butler: Butler, method: Method, like: Exposure) -> NDArray[np.bool_]:
    """Return where the trail's visit may go into a coadd; CompareWarp needs its PSF-matched warp for that."""
    kind = "psfMatched" if method.pipeline == "coadd-comparewarp" else "direct"
    mask = butler.get(f"deepCoadd_{kind}Warp.mask", KEY, visit=TRAIL_VISIT, collections="warps")
    known: NDArray[np.bool_] = ~mask[like.bbox].isSet("NO_DATA")
    return known


def trail_change(result: Exposure, reference: Exposure, line: Line) -> float:
    """Return the mean difference of two coadds on the trail over its error; nothing beside it counts."""
    difference = result.image.array.astype(float) - reference.image.array
    inside = line.strip(result.image, width=12) & np.isfinite(difference) & ~result.mask.isSet("NO_DATA")
    error = np.sqrt(result.variance.array[inside].sum(dtype=float)) / np.count_nonzero(inside)
    return float(difference[inside].mean() / error)


def clipping(
    record: Any, visits: list[int], strip: NDArray[np.bool_], cores: NDArray[np.bool_], like: Image
) -> list[str]:
    """Return how much of the trail was clipped, of the cores of stars, of everything, and by which rules."""
    masks = {visit: clipped_mask(record, visit, like) for visit in visits}
    on_trail = masks[TRAIL_VISIT][strip].mean()
    on_cores = np.mean([mask[cores].mean() for mask in masks.values()])
    everywhere = np.mean([mask.mean() for mask in masks.values()])
    rules = Counter(str(rule) for rule in record["rule"])
    return [
        f"{100 * on_trail:.1f} %",
        f"{100 * on_cores:.2f} %",
        f"{100 * everywhere:.2f} %",
        ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items())),
    ]


def star_cores(exposure: Exposure) -> NDArray[np.bool_]:
    """Return the local maxima that rise more than 30 sigma above the median."""
    image, level = exposure.image.array, np.nanmedian(exposure.image.array)
    highest = image == ndimage.maximum_filter(image, 7)
    bright = image - level > 30 * np.sqrt(exposure.variance.array)
    peaks: NDArray[np.bool_] = highest & bright & np.isfinite(image) & ~exposure.mask.isSet("NO_DATA")
    return peaks


def save_pictures(stem: Path, result: Exposure, reference: Exposure) -> None:
    """Draw a coadd, and what it has beyond that without the trail's visit."""
    from matplotlib import pyplot

    stem.parent.mkdir(parents=True, exist_ok=True)
    image = result.image.array
    difference = (image - reference.image.array) / np.sqrt(result.variance.array)
    low, high = np.nanpercentile(image, [5, 99])
    pyplot.imsave(
        f"{stem}.png", np.nan_to_num(image, nan=low), vmin=low, vmax=high, cmap="gray", origin="lower"
    )
    pyplot.imsave(
        f"{stem}_difference.png", np.nan_to_num(difference), vmin=-5, vmax=5, cmap="RdBu_r", origin="lower"
    )


def main() -> None:
    """Make the warps once, then the coadds of each subset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="directory with the frames; bpm.fits is beside it")
    parser.add_argument("--visits", nargs="+", choices=list(SUBSETS), default=list(SUBSETS))
    parser.add_argument("--pictures", type=Path, help="directory for pictures")
    parser.add_argument("--repo", type=Path, help="repository to make, or with the warps of an earlier call")
    parser.add_argument("--label", default="", help="put before the names of the runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        repo = given.repo or Path(folder) / "repo"
        if not repo.exists():
            make_warps(repo, given.data)
        butler = Butler(repo, writeable=True)
        masks = [butler.get(ref).mask for ref in butler.query_datasets("calexp", "calibrated")]
        detected = [float(mask.isSet("DETECTED").mean()) for mask in masks]
        print(f"DETECTED covers {100 * np.median(detected):.0f} % of a visit in the median, ", end="")
        print(f"{100 * min(detected):.0f} to {100 * max(detected):.0f} %\n")
        columns = (
            "visits | method | on the trail, sigma | less beside it, sigma | trail clipped | cores clipped"
        )
        print(f"| {columns} | all clipped | rows by rule |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for name in given.visits:
            report_subset(butler, given.label + name, SUBSETS[name], given.pictures)


if __name__ == "__main__":
    main()
