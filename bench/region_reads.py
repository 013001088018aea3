"""Region reads of one warp: handles of ours against astropy and fitsio on the bare file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from registry_report import Row

__all__ = ["region_rows"]

N_PIXELS = 4200
PLANES = ("IMAGE", "MASK", "VARIANCE")


def region_rows(directory: Path, repeats: int) -> list[Row]:
    """Time reads of a small box, a large one and everything; the file is opened anew each time."""
    import fitsio
    from astropy.io import fits

    from butler.images import Box2I, Extent2I, Point2I

    butler, ref, path = stored_warp(directory)
    handle = butler.getDeferred(ref)
    origin = handle.get(component="bbox").minimum
    rows = []
    for n in (256, 1000, N_PIXELS):
        low = (N_PIXELS - n) // 3
        box = Box2I(Point2I(origin[0] + low, origin[1] + low), Extent2I(n, n))
        window = slice(low, low + n)

        def ours(box: Box2I = box, component: str | None = "maskedImage") -> object:
            return butler.getDeferred(ref).get(component=component, parameters={"bbox": box})

        def with_astropy(window: slice = window) -> object:
            with fits.open(path, memmap=True) as hdus:
                planes = [hdus[name].data[window, window] for name in PLANES]
                # A view of the map, in the order of bytes of another age; ours are arrays in memory.
                return [plane.astype(plane.dtype.newbyteorder("=")) for plane in planes]

        def with_fitsio(window: slice = window) -> object:
            with fitsio.FITS(path) as hdus:
                return [hdus[name][window, window] for name in PLANES]

        calls: list[Callable[[], object]] = [
            ours,
            lambda f=ours: f(component=None),
            with_astropy,
            with_fitsio,
        ]
        planes, exposure, astropy, cfitsio = in_turn(calls, repeats, 20 if n == 256 else 3)
        goal = "≤ 0.7 ms, ≥ 6x" if n == 256 else "-"
        rows += [
            Row(f"{n}², pixels of three planes, peer astropy (memory map)", planes, astropy, goal),
            Row(f"{n}², pixels of three planes, peer fitsio", planes, cfitsio, goal),
            Row(f"{n}², whole Exposure, peer astropy's pixels", exposure, astropy, goal),
        ]
    rows += tile_rows(butler, repeats)
    butler.close()
    return rows


def tile_rows(butler: Any, repeats: int) -> list[Row]:
    """Time what it takes to open the file, and reads from one with compressed tiles."""
    import fitsio
    from astropy.io import fits

    from butler.images import Box2I, Extent2I, Point2I

    plain = butler.find_dataset("warp")
    path = str(butler.getURI(plain))

    def size() -> object:
        with fitsio.FITS(path) as hdus:
            return hdus[1].get_dims()

    opened = in_turn(
        [
            lambda: butler.getDeferred(plain).get(component="bbox"),
            lambda: fits.open(path)[1].header["NAXIS1"],
            size,
        ],
        repeats,
        20,
    )
    rows = [
        Row("opening, and the size of the image, peer astropy", opened[0], opened[1], "-"),
        Row("opening, and the size of the image, peer fitsio", opened[0], opened[2], "-"),
    ]
    tiled = butler.find_dataset("tiled")
    path = str(butler.getURI(tiled))
    origin = butler.getDeferred(tiled).get(component="bbox").minimum
    for n in (256, 1000):
        low = (N_PIXELS - n) // 3
        box = Box2I(Point2I(origin[0] + low, origin[1] + low), Extent2I(n, n))
        window = slice(low, low + n)

        def ours(box: Box2I = box) -> object:
            return butler.getDeferred(tiled).get(component="maskedImage", parameters={"bbox": box})

        def with_fitsio(window: slice = window) -> object:
            with fitsio.FITS(path) as hdus:
                return [hdus[name][window, window] for name in PLANES]

        def with_astropy(window: slice = window) -> object:
            with fits.open(path) as hdus:
                return [hdus[name].section[window, window] for name in PLANES]

        mine, cfitsio, astropy = in_turn([ours, with_fitsio, with_astropy], repeats, 3)
        rows += [
            Row(f"{n}² of lossless tiles, three planes, peer astropy (section)", mine, astropy, "-"),
            Row(f"{n}² of lossless tiles, three planes, peer fitsio", mine, cfitsio, "-"),
        ]
    return rows


def in_turn(calls: list[Callable[[], object]], repeats: int, n: int) -> list[tuple[float, float]]:
    """Return the median CPU and wall seconds of several callables, which take turns."""
    turns: list[list[tuple[float, float]]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(repeats):
        for call, times in zip(calls, turns, strict=True):
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(n):
                call()
            times.append(((time.process_time() - cpu) / n, (time.perf_counter() - wall) / n))
    return [
        (statistics.median(cpu for cpu, _ in times), statistics.median(wall for _, wall in times))
        for times in turns
    ]


def stored_warp(directory: Path) -> tuple[Any, Any, Path]:
    """Put a warp of 4200², plain and compressed; return the butler, and the plain one's ref and file."""
    from butler import Butler, DatasetType, RepositoryConfig
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
        Mask,
        MaskedImage,
        PhotoCalib,
        Point2I,
        SkyWcs,
        VisitInput,
    )

    scale = 0.2 / 3600
    wcs = SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(9000.0, 9000.0), cd=[[-scale, 0.0], [0.0, scale]])
    box = Box2I(Point2I(8000, 7000), Extent2I(N_PIXELS, N_PIXELS))
    generator = np.random.default_rng(1)
    planes = [generator.standard_normal(box.shape, dtype=np.float32) for _ in range(2)]
    mask = Mask.from_bbox(box)
    mask.array[:] = generator.integers(0, 512, box.shape, dtype=np.int32)
    pixels = MaskedImage(
        Image(planes[0], box.minimum, "nJy"), mask, Image(planes[1] ** 2, box.minimum, "nJy**2")
    )
    ccds = tuple(
        CcdInput(7, detector, box, box.area, 1.0, "HSC-R2", wcs, GaussianPsf(2.0)) for detector in range(4)
    )
    exposure = Exposure(
        pixels,
        wcs=wcs,
        psf=CoaddPsf(ccds, wcs),
        photoCalib=PhotoCalib(1.0),
        filter=FilterLabel("r", "HSC-R2"),
        coaddInputs=CoaddInputs((VisitInput(7, box, box.area, 1.0, "HSC-R2"),), ccds),
    )
    root = directory / "region_reads"
    Butler.makeRepo(root, RepositoryConfig(compression={"tiled": "lossless"}))
    butler = Butler(root, run="run")
    warp, tiled = (DatasetType(name, (), "ExposureF") for name in ("warp", "tiled"))
    for kind in (warp, tiled):
        butler.registry.registerDatasetType(kind)
    ref = butler.put(exposure, warp)
    butler.put(exposure, tiled)
    return butler, ref, Path(str(butler.getURI(ref)))
