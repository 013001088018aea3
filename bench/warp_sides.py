"""The sides of the warp benchmark: each a process that reads an exposure, resamples it, and writes a warp.

``warp_sides.py SIDE DIRECTORY [REPEATS]``; the directory is one that `bench/warp.py` has filled.
"""

from __future__ import annotations

import atexit
import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_OUT = 4200
PIXEL_SCALE = 0.2


def target_cards() -> dict[str, Any]:
    """Return the WCS of the output as FITS cards."""
    middle = N_OUT / 2 + 0.5
    return {
        **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"},
        **{"CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": middle, "CRPIX2": middle},
        **{"CD1_1": -PIXEL_SCALE / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": PIXEL_SCALE / 3600},
    }


def ours(directory: Path, kernel: str, repeats: int = 1) -> None:
    """Warp image, mask and variance; print the CPU seconds of the steps of the last repeat."""
    # As the commands do.
    gc.set_threshold(400_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
    from butler.datasets import get_storage_class
    from butler.formatters import LocalFile, ReadRequest, get_formatter
    from butler.images import Box2I, Exposure, Extent2I, PhotoCalib, Point2I, SkyWcs
    from tasks.warp.warper import Warper, WarperConfig

    times = {"start and imports": time.process_time()}

    def step(name: str) -> None:
        times[name] = time.process_time() - sum(times.values())

    for _ in range(repeats):
        times = {"before": time.process_time()} if repeats > 1 else times
        formatter = get_formatter("ExposureFits")
        request = ReadRequest(get_storage_class("ExposureF"), parameters={"inPlace": True})
        exposure = formatter.read(LocalFile(directory / "exposure.fits"), request)
        step("read")
        target = SkyWcs(target_cards())
        box = Box2I(Point2I(0, 0), Extent2I(N_OUT, N_OUT))
        warper = Warper(WarperConfig(warpingKernelName=kernel))
        pixels = warper.warp(exposure.maskedImage, exposure.wcs, target, box)
        step("warp")
        warp = Exposure(pixels, wcs=target, photoCalib=PhotoCalib())
        formatter.write(warp, directory / f"ours_{kernel}.fits")
        step("write")
    print(json.dumps(times))


def reproject(directory: Path, method: str) -> None:
    """Warp the image alone with a method of reproject."""
    import reproject as library
    from astropy.io import fits
    from astropy.wcs import WCS

    with fits.open(directory / "image.fits") as hdus:
        source = hdus[0].data.astype("f8"), WCS(hdus[0].header)
        options = {"order": "bicubic"} if method == "interp" else {}
        if method == "adaptive":
            options = {"conserve_flux": True, "kernel": "gaussian"}
        header = fits.Header(target_cards())
        function: Callable[..., Any] = getattr(library, f"reproject_{method}")
        image, _ = function(source, WCS(header), shape_out=(N_OUT, N_OUT), **options)
    fits.writeto(directory / f"reproject_{method}.fits", image.astype("f4"), header, overwrite=True)


if __name__ == "__main__":
    side, place, *rest = sys.argv[1:]
    library, _, which = side.partition("-")
    if library == "ours":
        ours(Path(place), which, *(int(n) for n in rest))
    else:
        reproject(Path(place), which)
