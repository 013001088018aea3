"""A repository with the visits, detectors and patch of LSST's ci_hsc: small simulated exposures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from calexps import make_calexp
from ccd_frames import add_gaussian_star
from scipy.ndimage import binary_dilation

from butler import Butler, DatasetType, Timespan
from butler.images import Box2I, FilterLabel, VisitInfo
from butler.ingest import register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig

# fmt: off
DETECTORS = {
    "HSC-I": {
        903986: (16, 22, 23, 100), 904014: (1, 6, 12), 903990: (18, 25), 904010: (4, 10, 100),
        903988: (16, 17, 23, 24),
    },
    "HSC-R": {
        903334: (16, 22, 23, 100), 903336: (17, 24), 903338: (18, 25), 903342: (4, 10, 100),
        903344: (0, 5, 11), 903346: (1, 6, 12),
    },
}
# fmt: on
BANDS = {"HSC-I": "i", "HSC-R": "r", "HSC-I2": "i"}
TRAILS = {903986: 244, 903336: 238}
"""Row of the tract on which a satellite crosses a visit."""

SKY_MAP = DiscreteSkyMap(
    DiscreteSkyMapConfig(
        raList=(320.0,),
        decList=(-0.3,),
        radiusList=(0.11,),
        tractOverlap=0.0,
        pixelScale=1.0,
        projection="TAN",
        patchInnerDimensions=(50, 50),
        patchBorder=8,
    )
)
PATCH = 69
"""Number of the patch 5,4 in 16 columns."""

CALEXP = DatasetType("calexp", ("instrument", "visit", "detector"), "ExposureF")
AREA = Box2I.from_corners((238, 188), (313, 263))
"""Pixels of the tract that each visit covers: the patch, and a little more."""


def scene() -> np.ndarray:
    """Return the sky without noise on `AREA`, in nJy."""
    rng = np.random.default_rng(5)
    sky = np.zeros(AREA.shape)
    for x, y, flux in zip(*rng.uniform(5.0, 70.0, (2, 6)), rng.uniform(300.0, 2000.0, 6), strict=True):
        add_gaussian_star(sky, x, y, flux, 4.0)
    return sky


def observed(visit: int) -> np.ndarray:
    """Return what a visit sees of `scene`, with noise of 1 nJy, and with its trail."""
    image = scene() + np.random.default_rng(visit).normal(0.0, 1.0, AREA.shape)
    if visit in TRAILS:
        row = TRAILS[visit] - AREA.minY
        image[row - 1 : row + 2] += 60.0
    return image


def strips(detectors: tuple[int, ...]) -> dict[int, Box2I]:
    """Return the part of `AREA` that each detector sees: columns side by side."""
    edges = np.linspace(AREA.minX, AREA.maxX + 1, len(detectors) + 1).astype(int)
    return {
        detector: Box2I.from_corners((edges[i], AREA.minY), (edges[i + 1] - 1, AREA.maxY))
        for i, detector in enumerate(detectors)
    }


def make_ci_hsc(root: Path) -> None:
    """Make the repository: records, the sky map ``discrete/ci_hsc``, and a calexp for each detector image."""
    Butler.makeRepo(root)
    with Butler(root, writeable=True) as butler:
        register_sky_map(butler, "discrete/ci_hsc", SKY_MAP)
        _insert_camera(butler)
        butler.collections.register("calexps")
        butler.registry.registerDatasetType(CALEXP)
        for name, visits in DETECTORS.items():
            for visit, detectors in visits.items():
                _add_visit(butler, visit, name, detectors)


def _insert_camera(butler: Butler) -> None:
    insert = butler.registry.insertDimensionData
    insert("instrument", {"name": "HSC", "detector_max": 112})
    for name, band in BANDS.items():
        insert("physical_filter", {"instrument": "HSC", "name": name, "band": band})
    numbers = sorted({n for visits in DETECTORS.values() for found in visits.values() for n in found})
    insert("detector", *({"instrument": "HSC", "id": n, "full_name": f"0_{n:02d}"} for n in numbers))
    insert("day_obs", {"instrument": "HSC", "id": 20131102, "timespan": Timespan.from_day_obs(20131102)})


def _add_visit(butler: Butler, visit: int, physical_filter: str, detectors: tuple[int, ...]) -> None:
    insert, wcs = butler.registry.insertDimensionData, SKY_MAP[0].wcs
    record = {"instrument": "HSC", "id": visit, "name": str(visit), "physical_filter": physical_filter}
    values = {"day_obs": 20131102, "exposure_time": 30.0, "target_name": "STRIPE82L"}
    insert("visit", {**record, **values, "region": SkyRegion.from_wcs(wcs, AREA)})
    image = observed(visit)
    for detector, box in strips(detectors).items():
        key = {"instrument": "HSC", "visit": visit, "detector": detector}
        insert("visit_detector_region", {**key, "region": SkyRegion.from_wcs(wcs, box)})
        columns = slice(box.minX - AREA.minX, box.maxX + 1 - AREA.minX)
        pixels = image[:, columns]
        calexp = make_calexp(pixels, wcs, xy0=box.minimum)
        calexp.mask.set_where("DETECTED", binary_dilation(pixels > 5.0, iterations=6))
        calexp.filter = FilterLabel(BANDS[physical_filter], physical_filter)
        calexp.visitInfo = VisitInfo(visit, instrument="HSC")
        butler.put(calexp, CALEXP, key, run="calexps")
