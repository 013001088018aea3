"""A repository of 3 visits x 2 detectors and a sky map of 2 x 1 patches, and an exposure to put there.

::

    RA 10.0225               10.0                 9.9775
       +----------------------+----------------------+    Dec +0.0225
       | visit 1: 0, 1        |                      |
       | visit 2: 0           |          visit 2: 1  |    visit 3 lies 10 degrees away
       +----------------------+----------------------+    Dec -0.0225
              patch 0                 patch 1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from butler import Butler, DatasetType, Timespan
from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    Extent2I,
    FilterLabel,
    GaussianPsf,
    Image,
    KernelPsf,
    Mask,
    MaskedImage,
    PhotoCalib,
    Point2I,
    SkyWcs,
    VisitInfo,
    VisitInput,
)
from butler.ingest import register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig

CALEXP = DatasetType("calexp", ("instrument", "visit", "detector"), "ExposureF")
NOTE = DatasetType("note", ("instrument", "visit"), "StructuredDataDict")
TOTAL = DatasetType("total", (), "StructuredDataDict")
WARP = DatasetType("warp", ("instrument", "visit", "skymap", "tract", "patch"), "StructuredDataDict")
COADD = DatasetType("coadd", ("skymap", "tract", "patch", "band"), "StructuredDataDict")

SKY_MAP = DiscreteSkyMap(
    DiscreteSkyMapConfig(
        raList=(10.0,),
        decList=(0.0,),
        radiusList=(0.0245,),
        tractOverlap=0.0,
        pixelScale=1.8,
        projection="TAN",
        patchInnerDimensions=(50, 100),
        patchBorder=4,
    )
)

# Centres (ra, dec) of the detectors, degrees; each is a square of DETECTOR_SIZE.
DETECTORS = {
    (1, 0): (10.020, 0.01),
    (1, 1): (10.010, 0.01),
    (2, 0): (10.015, -0.01),
    (2, 1): (9.985, -0.01),
    (3, 0): (20.0, 0.0),
    (3, 1): (20.01, 0.0),
}
DETECTOR_SIZE = 0.008
VISITS: dict[int, dict[str, Any]] = {
    1: {"physical_filter": "CAM-g", "day_obs": 20240101, "exposure_time": 30.0, "target_name": "M31"},
    2: {"physical_filter": "CAM-r", "day_obs": 20240101, "exposure_time": 45.5, "target_name": "M33"},
    3: {"physical_filter": "CAM-g", "day_obs": 20240102, "exposure_time": 60.0, "target_name": None},
}


def fill_repository(root: Path) -> None:
    """Fill a new repository: dimension records, dataset types and the sky map, but no other dataset."""
    with Butler(root, run="run") as butler:
        insert_records(butler)
        register_sky_map(butler, "sky", SKY_MAP)
        for dataset_type in (CALEXP, NOTE, TOTAL, WARP, COADD):
            butler.registry.registerDatasetType(dataset_type)


def insert_records(butler: Butler) -> None:
    """Insert the records of the instrument and its visits."""
    insert = butler.registry.insertDimensionData
    camera = {"instrument": "CAM"}
    insert("instrument", {"name": "CAM", "detector_max": 2})
    for band in ("g", "r"):
        insert("physical_filter", {**camera, "name": f"CAM-{band}", "band": band})
    for day in (20240101, 20240102):
        insert("day_obs", {**camera, "id": day, "timespan": Timespan.from_day_obs(day)})
    for detector, purpose in enumerate(["SCIENCE", "WAVEFRONT"]):
        insert("detector", {**camera, "id": detector, "full_name": f"S{detector}0", "purpose": purpose})
    for number, values in VISITS.items():
        squares = {d: square(*centre) for (v, d), centre in DETECTORS.items() if v == number}
        span = visit_timespan(number)
        group = str(number)
        insert("group", {**camera, "name": group})
        exposure = {**values, "id": number, "obs_id": f"exp{number}", "group": group, "timespan": span}
        insert("exposure", {**camera, **exposure, "can_see_sky": number != 3})
        region = SkyRegion.convex_hull_of(squares.values())
        visit = {**values, "id": number, "name": f"v{number}", "timespan": span, "region": region}
        insert("visit", {**camera, **visit})
        insert("visit_definition", {**camera, "exposure": number, "visit": number})
        for detector, own in squares.items():
            key = {**camera, "visit": number, "detector": detector}
            insert("visit_detector_region", {**key, "region": own})


def visit_timespan(number: int) -> Timespan:
    """Return when a visit was taken: the n-th hour of its day."""
    night = Timespan.from_day_obs(VISITS[number]["day_obs"])
    assert night.begin_ns is not None
    begin = night.begin_ns + number * 3_600_000_000_000
    return Timespan(begin, begin + round(VISITS[number]["exposure_time"] * 1e9))


def square(ra: float, dec: float, size: float = DETECTOR_SIZE) -> SkyRegion:
    """Make a square on the equator."""
    half = size / 2
    return SkyRegion.from_polygon(
        [ra - half, ra + half, ra + half, ra - half], [dec - half, dec - half, dec + half, dec + half]
    )


def make_masked_image(xy0: tuple[int, int] = (0, 0), shape: tuple[int, int] = (12, 17)) -> MaskedImage:
    """Make planes in which every pixel differs from its neighbours, with NaN, infinities and mask bit 31."""
    n_y, n_x = shape
    origin = Point2I(*xy0)
    pixels = np.arange(n_y * n_x, dtype=np.float32).reshape(shape) / 7
    pixels[1, 2], pixels[2, 1], pixels[0, 3] = np.nan, np.inf, -np.inf
    bits = np.arange(n_y * n_x, dtype=np.uint32).reshape(shape) % 2048
    bits[3, 4] |= np.uint32(1 << 31)
    mask = Mask(bits.view(np.int32), origin)
    mask.planes["CLIPPED"], mask.planes["LAST"] = 11, 31
    variance = np.full(shape, 4.0, dtype=np.float32)
    variance[1, 2] = np.inf
    return MaskedImage(Image(pixels, origin, "nJy"), mask, Image(variance, origin, "nJy**2"))


def make_wcs(crpix: tuple[float, float] = (3.25, -7.5)) -> SkyWcs:
    """Make a gnomonic WCS whose numbers need all their digits."""
    cd = [[-5.0000000000000123e-4, 1.0 / 3e6], [1.0 / 7e6, 5e-4]]
    return SkyWcs.make_tan(crval=(10.000000000000123, 1.0 / 30.0), crpix=crpix, cd=cd)


def make_exposure(xy0: tuple[int, int] = (0, 0), shape: tuple[int, int] = (12, 17)) -> Exposure:
    """Make an exposure that has every component."""
    return Exposure(
        make_masked_image(xy0, shape),
        wcs=make_wcs(),
        psf=GaussianPsf(1.7),
        photoCalib=PhotoCalib(57.543993734, 0.25),
        filter=FilterLabel("g", "CAM-g"),
        visitInfo=VisitInfo(1, visit_timespan(1).begin, 30.0, "CAM"),
        metadata={"AIRMASS": 1.25, "OBSERVER": "N. N.", "N": 3, "DARK": True},
    )


def make_coadd_inputs() -> CoaddInputs:
    """Make coadd inputs of two visits, three detector images and both kinds of PSF."""
    kernel = np.outer([1.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0])
    box = Box2I(Point2I(-5, 3), Extent2I(40, 30))
    polygon = ((0.5, 1.5), (30.25, 1.0), (20.0, 28.0))
    return CoaddInputs(
        visits=(
            VisitInput(1, box, 1000, 0.25, "CAM-g"),
            VisitInput(2, box.dilatedBy(2), 7, float("nan"), "a longer filter name"),
        ),
        ccds=(
            CcdInput(1, 0, box, 600, 0.25, "CAM-g", make_wcs(), GaussianPsf(1.5), polygon),
            CcdInput(1, 1, box, 400, 0.25, "CAM-g", make_wcs((9.0, 9.0)), KernelPsf(kernel)),
            CcdInput(2, 0, box, 7, 0.5, "CAM-r", make_wcs((1.0, 2.0)), GaussianPsf(2.25)),
        ),
    )


def make_coadd() -> Exposure:
    """Make an exposure whose PSF follows from its coadd inputs."""
    inputs = make_coadd_inputs()
    coadd = make_exposure()
    coadd.coaddInputs = inputs
    assert coadd.wcs is not None
    coadd.psf = CoaddPsf(inputs.ccds, coadd.wcs)
    coadd.filter = FilterLabel("g")
    return coadd


_Entered = TypeVar("_Entered")


class BrokenOffError(Exception):
    """Ends a block of `broken_off`."""


@contextmanager
def broken_off(transaction: AbstractContextManager[_Entered]) -> Iterator[_Entered]:
    """Run a block in a transaction that fails at the block's end."""
    try:
        with transaction as entered:
            yield entered
            raise BrokenOffError
    except BrokenOffError:
        pass
