"""A patch of sky on many warps, as a repository and as the files that SWarp and ccdproc read."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time
from numpy.typing import NDArray

from butler import Butler, DatasetType
from butler.dimensions import Timespan
from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    FilterLabel,
    GaussianPsf,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    SkyWcs,
    VisitInfo,
    VisitInput,
)
from butler.ingest import register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import DiscreteSkyMap, DiscreteSkyMapConfig

__all__ = ["KEY", "write_scene"]

KEY = {"skymap": "bench", "tract": 0, "patch": 0, "band": "i"}
"""The patch that is coadded."""

_CAMERA = {"instrument": "BenchCam"}
_FILTER = "Bench-I"
_STARS_PER_PIXEL = 2000 / 4200**2
_BAD_SHARE = 0.05
_NOISE = 1.0
_MODEL_SIGMA = 2.4
"""Size of the PSF of the matched warps, pixels."""


def write_scene(directory: Path, n_visits: int, size: int) -> None:
    """Write warps of stars in changing seeing, 5 % of their pixels bad, every fourth with a trail.

    Parameters
    ----------
    directory
        Gets the repository ``repo``, with direct and PSF-matched warps, and the folder ``peers``: an image
        and a weight map of each direct warp, the weight 0 where a pixel is bad, and the same image with NaN
        there.
    n_visits
        Number of warps.
    size
        Width and height of the patch, pixels.
    """
    sky_map = DiscreteSkyMap(
        DiscreteSkyMapConfig(
            raList=[150.0],
            decList=[2.0],
            radiusList=[size * 0.2 / 3600 / 2 / math.sqrt(2) * 0.98],
            pixelScale=0.2,
            tractOverlap=0.0,
            patchInnerDimensions=(size, size),
            patchBorder=0,
        )
    )
    patch = sky_map[0].getPatchInfo(0)
    bbox, wcs = patch.getOuterBBox(), sky_map[0].getWcs()
    assert bbox.shape == (size, size), bbox
    (directory / "peers").mkdir(parents=True)
    Butler.makeRepo(directory / "repo")
    with Butler(directory / "repo", run="warps") as butler:
        _insert_records(butler, n_visits, bbox, wcs)
        register_sky_map(butler, "bench", sky_map)
        direct, matched = (
            DatasetType(
                f"deepCoadd_{kind}Warp", ("tract", "patch", "skymap", "instrument", "visit"), "ExposureF"
            )
            for kind in ("direct", "psfMatched")
        )
        butler.registry.registerDatasetType(direct)
        butler.registry.registerDatasetType(matched)
        for visit in range(1, n_visits + 1):
            butler.put(_make_warp(visit, bbox, wcs, _MODEL_SIGMA), matched, KEY, **_CAMERA, visit=visit)
            warp = _make_warp(visit, bbox, wcs)
            butler.put(warp, direct, KEY, **_CAMERA, visit=visit)
            _write_for_peers(directory / "peers", visit, warp)


def _insert_records(butler: Butler, n_visits: int, bbox: Box2I, wcs: SkyWcs) -> None:
    insert = butler.registry.insertDimensionData
    insert("instrument", {"name": "BenchCam", "detector_max": 1})
    insert("physical_filter", {**_CAMERA, "name": _FILTER, "band": "i"})
    insert("day_obs", {**_CAMERA, "id": 20240101, "timespan": Timespan.from_day_obs(20240101)})
    region = SkyRegion.from_wcs(wcs, bbox)
    for visit in range(1, n_visits + 1):
        values = {"id": visit, "name": str(visit), "physical_filter": _FILTER, "day_obs": 20240101}
        insert("visit", {**_CAMERA, **values, "region": region})


def _make_warp(visit: int, bbox: Box2I, wcs: SkyWcs, model_sigma: float | None = None) -> Exposure:
    """Make the warp of a visit, with its own seeing unless it is matched to a model PSF."""
    rng = np.random.default_rng(visit)
    seeing = 1.5 + 0.6 * rng.random()
    sigma = model_sigma or seeing
    sources = _stars(bbox.shape, sigma)
    if visit % 4 == 0:
        sources += _trail(bbox.shape, rng)
    image = sources + rng.standard_normal(bbox.shape, dtype=np.float32) * np.float32(_NOISE)
    mask = Mask.from_bbox(bbox)
    mask.set_where("DETECTED", sources > _NOISE)
    mask.set_where("BAD", _blots(bbox.shape, rng))
    variance = np.full(bbox.shape, _NOISE**2, np.float32)
    pixels = MaskedImage(Image(image, bbox.minimum, "nJy"), mask, Image(variance, bbox.minimum, "nJy**2"))
    ccd = CcdInput(visit, 1, bbox, bbox.area, 1.0, _FILTER, wcs, GaussianPsf(sigma))
    inputs = CoaddInputs((VisitInput(visit, bbox, bbox.area, math.nan, _FILTER),), (ccd,))
    return Exposure(
        pixels,
        wcs=wcs,
        psf=GaussianPsf(model_sigma) if model_sigma else CoaddPsf(inputs.ccds, wcs),
        photoCalib=PhotoCalib(1.0),
        filter=FilterLabel("i", _FILTER),
        visitInfo=VisitInfo(visit, Time(60000.0 + visit, format="mjd", scale="tai"), 30.0, "BenchCam"),
        coaddInputs=inputs,
    )


def _stars(shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Draw the same stars on every visit, as wide as its seeing."""
    rng = np.random.default_rng(0)
    n_y, n_x = shape
    image = np.zeros(shape, np.float32)
    half = 12
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    for _ in range(int(_STARS_PER_PIXEL * n_y * n_x)):
        x, y = rng.uniform(half, n_x - half - 1), rng.uniform(half, n_y - half - 1)
        flux = 100.0 * (1.0 - rng.random()) ** (-1 / 0.9)
        column, row = int(x), int(y)
        profile = np.exp(-((u + column - x) ** 2 + (v + row - y) ** 2) / (2 * sigma**2))
        profile *= min(flux, 1e5) / (2 * math.pi * sigma**2)
        image[row - half : row + half + 1, column - half : column + half + 1] += profile.astype(np.float32)
    return image


def _trail(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a straight trail from side to side."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle, offset = rng.uniform(0, math.pi), rng.uniform(-0.3, 0.3) * shape[1]
    distance = (x - shape[1] / 2) * math.sin(angle) - (y - shape[0] / 2) * math.cos(angle) - offset
    trail: NDArray[np.float32] = (10 * _NOISE * np.exp(-(distance**2) / (2 * 2.0**2))).astype(np.float32)
    return trail


def _blots(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose bad pixels, in runs of 16 along a row."""
    runs = rng.random((shape[0], -(-shape[1] // 16))) < _BAD_SHARE
    return np.repeat(runs, 16, axis=1)[:, : shape[1]]


def _write_for_peers(directory: Path, visit: int, warp: Exposure) -> None:
    assert warp.wcs is not None
    bad = warp.mask.isSet("BAD")
    header = fits.Header(warp.wcs.to_header(warp.xy0))
    holes = np.where(bad, np.float32(np.nan), warp.image.array)
    weight = np.where(bad, np.float32(0), 1 / warp.variance.array).astype(np.float32)
    for suffix, array in (("", warp.image.array), (".weight", weight), (".holes", holes)):
        fits.writeto(directory / f"warp{visit:03d}{suffix}.fits", array, header)
