"""Sky maps that several tests look at, and the plainest way to count a ring."""

import math

from butler.images import Box2I
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig, RingsSkyMap, RingsSkyMapConfig


def survey(pixel_scale, inner=4000):
    """Make a rings map with the settings that all Rubin-like surveys share."""
    return RingsSkyMap(
        RingsSkyMapConfig(
            numRings=120,
            projection="TAN",
            tractOverlap=1.0 / 60,
            pixelScale=pixel_scale,
            patchInnerDimensions=(inner, inner),
        )
    )


def cells_survey(cell_border):
    """Make a rings map of LSST's coadds in cells."""
    return RingsSkyMap(
        RingsSkyMapConfig(
            numRings=120,
            projection="TAN",
            tractOverlap="1/60",
            pixelScale=0.2,
            tractBuilder="cells",
            cellBorder=cell_border,
        )
    )


HSC = survey(0.168)
OLD_HSC = RingsSkyMap(HSC.config, version=0)
CELLS_V1 = cells_survey(50)
CELLS_V2 = cells_survey(0)
CI_HSC = DiscreteSkyMap(
    DiscreteSkyMapConfig(
        raList=[320.36749197602893],
        decList=[0.3131554006070023],
        radiusList=[1.4388796242707318],
        tractOverlap=0,
        pixelScale=0.168,
        projection="TAN",
    )
)


def small_map(**fields):
    """Make a discrete map of few, coarse pixels."""
    config = {
        "raList": [10, 12.5, 200],
        "decList": [20, 20, -60],
        "radiusList": [1, 1.5, 0.7],
        "tractOverlap": 0.1,
        "pixelScale": 120,
        "projection": "TAN",
        "patchInnerDimensions": (13, 11),
        "patchBorder": 4,
    }
    return DiscreteSkyMap(DiscreteSkyMapConfig(**{**config, **fields}))


def box(x0, x1, y0, y1):
    return Box2I.from_corners((x0, y0), (x1, y1))


def n_in_ring(ring, n_rings=120):
    """Count the tracts of a ring, in plain scalars."""
    height = math.pi / (n_rings + 1)
    edges = [abs(height * (ring + half) - math.pi / 2) for half in (0.5, 1.5)]
    return math.floor(2 * math.pi * math.cos(min(edges)) / height) + 1
