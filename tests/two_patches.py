"""A repository with warps of two neighbouring patches in two bands, and what assembles them."""

import numpy as np
from coadd_warps import make_warp

from butler import DatasetType
from butler.dimensions import Timespan
from butler.images import Box2I, FilterLabel
from butler.ingest import register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig
from connections import build_graph
from tasks.execution import run_graph
from tasks.ready_pipelines import load_pipeline

CAMERA = {"instrument": "Cam"}
BANDS = {"i": range(1, 7), "r": range(11, 14)}
TRAIL_VISIT = 3
SKY_MAP = DiscreteSkyMap(
    DiscreteSkyMapConfig(
        raList=[150.0], decList=[2.0], radiusList=[0.0035], pixelScale=0.2, tractOverlap=0.0,
        patchInnerDimensions=(60, 60), patchBorder=8,
    )
)  # fmt: skip
WARP = DatasetType("deepCoadd_directWarp", ("tract", "patch", "skymap", "instrument", "visit"), "ExposureF")
CALEXP = DatasetType("calexp", ("instrument", "visit", "detector"), "ExposureF")
PATCHES = (0, 1)


def visit_image(visit, box):
    """Draw a visit on a box: stars in its seeing, its own noise, and a trail on one visit."""
    rng = np.random.default_rng(visit)
    whole = Box2I.from_corners((-50, -50), (249, 249))
    image = rng.normal(size=whole.shape)
    y, x = np.mgrid[whole.minY : whole.maxY + 1, whole.minX : whole.maxX + 1]
    sigma = 1.5 + 0.1 * (visit % 10)
    for star_x, star_y in ((20, 20), (55, 30), (70, 45)):
        image += 500 / sigma**2 * np.exp(-((x - star_x) ** 2 + (y - star_y) ** 2) / (2 * sigma**2))
    distance = np.abs(y - 50 - 0.1 * x)
    detected = image > 5
    if visit == TRAIL_VISIT:
        image[distance < 2] += 30
        detected |= distance < 7
    where = box.slices_in(whole)
    return image[where], detected[where]


def fill(butler):
    """Insert records, and warps of every visit on two neighbouring patches."""
    insert = butler.registry.insertDimensionData
    tract = SKY_MAP[0]
    insert("instrument", {"name": "Cam", "detector_max": 2})
    insert("detector", {**CAMERA, "id": 1, "full_name": "S1"})
    insert("day_obs", {**CAMERA, "id": 20240101, "timespan": Timespan.from_day_obs(20240101)})
    region = SkyRegion.from_wcs(tract.getWcs(), tract.getBBox())
    register_sky_map(butler, "sky", SKY_MAP)
    butler.registry.registerRun("calexps")
    for kind in (WARP, CALEXP):
        butler.registry.registerDatasetType(kind)
    for band, visits in BANDS.items():
        name = f"Cam-{band}"
        insert("physical_filter", {**CAMERA, "name": name, "band": band})
        for visit in visits:
            values = {"id": visit, "name": str(visit), "physical_filter": name, "day_obs": 20240101}
            insert("visit", {**CAMERA, **values, "region": region})
            key = {**CAMERA, "visit": visit, "detector": 1}
            insert("visit_detector_region", {**key, "region": region})
            small = make_warp(visit, bbox=Box2I.from_corners((0, 0), (3, 3)), wcs=tract.getWcs())
            butler.put(small, CALEXP, key, run="calexps")
            for patch in PATCHES:
                box = tract.getPatchInfo(patch).getOuterBBox()
                image, detected = visit_image(visit, box)
                warp = make_warp(visit, image, bbox=box, wcs=tract.getWcs(), variance=1 + visit % 2)
                warp.filter = FilterLabel(band, name)
                warp.mask.set_where("DETECTED", detected)
                if visit == 2 and patch == 0:
                    warp.mask.array[30, 10:20] |= warp.mask.getPlaneBitMask("SAT")
                    warp.image.array[31, 10] = np.nan
                warp.mask.array[40, 40] |= warp.mask.getPlaneBitMask("NO_DATA")
                where = {"skymap": "sky", "tract": 0, "patch": patch, "visit": visit, **CAMERA}
                butler.put(warp, WARP, where)


def assemble(butler, pipeline, run, **config):
    """Run the coadd task of a ready pipeline on everything there is."""
    plan = load_pipeline(f"{pipeline}#assembleCoadd", {"assembleCoadd": config})
    graph = build_graph(plan, butler, collections=["warps", "skymaps"], run=run)
    report = run_graph(graph, butler)
    assert report.succeeded, report.failures
    return graph


def key(patch=0, band="i"):
    """Return the data ID of a coadd."""
    return {"skymap": "sky", "tract": 0, "patch": patch, "band": band}
