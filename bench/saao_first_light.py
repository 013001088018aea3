"""What SafeClip does to the trail in frame 0070 of the crowded SAAO field, with both kinds of evidence.

    python bench/saao_first_light.py ../shared/data/saao_mb13475/images

Prints, for 6, 10 and all visits, the excess along the trail in MEAN and in SafeClip, how much of it was
clipped, and what that did to the peaks of stars.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from butler import Butler
from butler.images import Exposure, SkyWcs
from butler.ingest import expand_paths, ingest_exposures, observed_regions, register_sky_map
from butler.skymaps import discrete_sky_map_around
from connections import build_graph
from tasks.demo.measures import Line, clipped_mask, strip_excess
from tasks.execution import run_graph
from tasks.ready_pipelines import load_pipeline

TRAIL_VISIT = 70
TRAIL = Line((470.5, 511.0), (511.0, 340.0))
"""Axis of the trail in the pixels of frame 0070, by eye."""
EVIDENCE = ("detections", "differences")
SUBSETS = {
    "6 visits": (56, 61, 65, 70, 72, 77),
    "10 visits": (47, 53, 54, 56, 61, 65, 70, 72, 77, 91),
    "all visits": None,
}
KEY = {"tract": 0, "patch": 0, "band": "I"}
SAME_WEIGHTS = {"assembleCoadd": {"sigmaClip": 1.5, "clipIter": 3}}
"""Clipping of the variance plane as SafeClip has it, so that only what is clipped differs."""


def execute(
    butler: Butler, pipeline: str, inputs: list[str], run: str, where: str = "", evidence: str = ""
) -> None:
    overrides = SAME_WEIGHTS if pipeline.startswith("coadd-direct") else None
    if evidence:
        overrides = {"assembleCoadd": {"clipEvidence": evidence}}
    graph = build_graph(load_pipeline(pipeline, overrides), butler, collections=inputs, run=run, where=where)
    report = run_graph(graph, butler)
    for failure in report.failures:
        print(f"failed: {failure.quantum}: {failure.message}", file=sys.stderr)


def coadd(butler: Butler, run: str) -> Exposure:
    found: Exposure = butler.get("deepCoadd", KEY, collections=run)
    return found


def report_subset(butler: Butler, name: str, visits: tuple[int, ...] | None) -> None:
    where = f"visit IN ({', '.join(map(str, visits))})" if visits else ""
    without = f"({where}) AND visit != {TRAIL_VISIT}" if where else f"visit != {TRAIL_VISIT}"
    inputs = ["warps", "skymaps"]
    for evidence in EVIDENCE:
        execute(butler, "coadd-safeclip#assembleCoadd", inputs, f"{name}/{evidence}", where, evidence)
    execute(butler, "coadd-direct#assembleCoadd", inputs, f"{name}/mean", where)
    execute(butler, "coadd-direct#assembleCoadd", inputs, f"{name}/without", without)
    reference = coadd(butler, f"{name}/without")
    raw = butler.get("postISRCCD.wcs", exposure=TRAIL_VISIT, detector=0, collections="raw")
    assert isinstance(raw, SkyWcs)
    assert reference.wcs is not None
    line = TRAIL.mapped(raw, reference.wcs)
    warp = butler.get("deepCoadd_directWarp", KEY, visit=TRAIL_VISIT, collections="warps")
    strip = line.strip(warp.image, width=8) & ~warp.mask.isSet("NO_DATA")
    mean = coadd(butler, f"{name}/mean")
    peaks = star_peaks(mean) & ~line.strip(warp.image, width=40)
    print(f"{name}: excess in MEAN {strip_excess(mean, reference, line):.1f} sigma; {peaks.sum()} star peaks")
    for evidence in EVIDENCE:
        result = coadd(butler, f"{name}/{evidence}")
        record = butler.get("deepCoadd_clipped", KEY, collections=f"{name}/{evidence}")
        clipped = clipped_mask(record, TRAIL_VISIT, warp.image)
        height = mean.image.array[peaks] - np.nanmedian(mean.image.array)
        change = (result.image.array - mean.image.array)[peaks] / height
        print(
            f"  {evidence:12s} excess {strip_excess(result, reference, line):6.2f} sigma; "
            f"trail clipped {100 * np.count_nonzero(clipped & strip) / np.count_nonzero(strip):5.1f} %; "
            f"clip rows {len(record)}; footprints on {100 * record.meta['footprint_fraction']:.1f} % of the "
            f"patch; peaks changed by {100 * np.median(change):.3f} % in the median, "
            f"{np.count_nonzero(np.abs(change) > 0.01)} by over 1 %"
        )


def star_peaks(exposure: Exposure) -> NDArray[np.bool_]:
    """Return the local maxima that rise more than 30 sigma above the median."""
    image, level = exposure.image.array, np.nanmedian(exposure.image.array)
    highest = image == ndimage.maximum_filter(image, 7)
    bright = image - level > 30 * np.sqrt(exposure.variance.array)
    peaks: NDArray[np.bool_] = highest & bright & np.isfinite(image) & ~exposure.mask.isSet("NO_DATA")
    return peaks


def main(data: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Butler.makeRepo(folder)
        butler = Butler(folder, writeable=True)
        ingest_exposures(butler, expand_paths([data]), run="raw", bad_pixel_mask=data.parent / "bpm.fits")
        sky_map = discrete_sky_map_around(
            observed_regions(butler), pixel_scale=0.31, projection="TAN", patch_inner_dimensions=(1000, 1000)
        )
        register_sky_map(butler, "saao", sky_map)
        execute(butler, "from-exposures#processCcd,makeWarp", ["raw", "skymaps"], "warps")
        masks = [butler.get(ref).mask for ref in butler.query_datasets("calexp", "warps")]
        detected = [float(mask.isSet("DETECTED").mean()) for mask in masks]
        print(f"DETECTED covers {100 * np.median(detected):.0f} % of a visit in the median, ", end="")
        print(f"{100 * min(detected):.0f} to {100 * max(detected):.0f} %")
        for name, visits in SUBSETS.items():
            report_subset(butler, name.replace(" ", "_"), visits)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
