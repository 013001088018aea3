"""Warping one exposure onto a patch: our three planes against SWarp's two and reproject's one.

``python bench/warp.py [--repeats N] [--report FILE] [--reproject-python PATH]``; the SWarp command must be
installed. Every figure is of a whole process, which reads FITS files and writes one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from scipy.special import erf
from warp_sides import N_OUT, PIXEL_SCALE, target_cards

SHAPE = (4096, 2048)
SOURCE_SCALE, ROTATION = 0.263, 0.09
FWHM, SPACING = 3.6, 60
SIDES = Path(__file__).with_name("warp_sides.py")
METHODS = ("interp", "adaptive", "exact")
APERTURE = 16
OURS = "ours, Lanczos-3, three planes"
SWARP = "SWarp, Lanczos-3, image and weight"
SWARP_PARTS = "SWarp, the same, not laid into 4200²"


@dataclass
class Run:
    """What one process took: CPU and wall seconds, and its largest resident set in MiB."""

    cpu: float
    wall: float
    memory: float
    told: str


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--reproject-python", default=sys.executable, help="interpreter that has reproject")
    parser.add_argument(
        "--reproject", nargs="*", default=METHODS, choices=METHODS, help="its methods to time"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        places = make_exposure(directory)
        commands = sides(directory)
        for method in arguments.reproject:
            side = [arguments.reproject_python, str(SIDES), f"reproject-{method}", str(directory)]
            commands[f"reproject {method}, image"] = side
        report = measure(directory, commands, places, arguments.repeats)
    print(report)
    if arguments.report:
        arguments.report.write_text(report)


def make_exposure(directory: Path) -> np.ndarray:
    """Write the exposure as all sides want it; return the places of its stars, shape (n, 2)."""
    from butler.formatters import get_formatter
    from butler.images import Box2I, Exposure, Extent2I, Image, Mask, MaskedImage, PhotoCalib, Point2I, SkyWcs

    rng = np.random.default_rng(4)
    cos, sin = SOURCE_SCALE / 3600 * np.cos(ROTATION), SOURCE_SCALE / 3600 * np.sin(ROTATION)
    wcs = SkyWcs.make_tan(
        crval=(150.0, 2.0), crpix=(SHAPE[1] / 2, SHAPE[0] / 2), cd=[[-cos, -sin], [-sin, cos]]
    )
    image, places = np.zeros(SHAPE, dtype=np.float32), []
    reach, sigma = 14, FWHM / 2.3548
    for y in range(SPACING, SHAPE[0] - SPACING, SPACING):
        for x in range(SPACING, SHAPE[1] - SPACING, SPACING):
            dx, dy = rng.uniform(-0.5, 0.5, 2)
            edges = np.arange(-reach - 0.5, reach + 1)
            profiles = [np.diff(erf((edges - d) / sigma / 2**0.5)) / 2 for d in (dy, dx)]
            image[y - reach : y + reach + 1, x - reach : x + reach + 1] += 1e4 * np.outer(*profiles)
            places.append((x + dx, y + dy))
    variance = rng.uniform(90.0, 110.0, SHAPE).astype(np.float32)
    box = Box2I(Point2I(0, 0), Extent2I(SHAPE[1], SHAPE[0]))
    mask = Mask.from_bbox(box)
    mask.set_where("CR", rng.random(SHAPE) < 1e-3)
    edge = np.ones(SHAPE, dtype=bool)
    edge[8:-8, 8:-8] = False
    mask.set_where("EDGE", edge)
    exposure = Exposure(
        MaskedImage(Image(image, unit="nJy"), mask, Image(variance, unit="nJy**2")),
        wcs=wcs,
        photoCalib=PhotoCalib(),
    )
    get_formatter("ExposureFits").write(exposure, directory / "exposure.fits")
    header = fits.Header(wcs.to_header())
    fits.writeto(directory / "image.fits", image, header)
    fits.writeto(directory / "variance.fits", variance, header)
    return np.stack(wcs.pixelToSky(*np.transpose(places)), axis=1)


def sides(directory: Path) -> dict[str, list[str]]:
    """Return the commands of our sides and SWarp's."""
    swarp = shutil.which("SWarp") or shutil.which("swarp")
    if swarp is None:
        raise SystemExit("SWarp is not installed: apt-get install swarp")
    head = {**target_cards(), "NAXIS": 2, "NAXIS1": N_OUT, "NAXIS2": N_OUT}
    commands = {}
    for name, kernel in (("Lanczos-3", "lanczos3"), ("Lanczos-5", "lanczos5")):
        commands[f"ours, {name}, three planes"] = [
            sys.executable,
            str(SIDES),
            f"ours-{kernel}",
            str(directory),
        ]
    settings = {
        "COMBINE": "N",
        "SUBTRACT_BACK": "N",
        "NTHREADS": "1",
        "WEIGHT_TYPE": "MAP_VARIANCE",
        "WEIGHT_IMAGE": str(directory / "variance.fits"),
        "RESAMPLING_TYPE": "LANCZOS3",
        "FSCALASTRO_TYPE": "VARIABLE",
        "CENTER_TYPE": "MANUAL",
        "CENTER": f"{head['CRVAL1']},{head['CRVAL2']}",
        "PIXELSCALE_TYPE": "MANUAL",
        "PIXEL_SCALE": str(PIXEL_SCALE),
        "IMAGE_SIZE": f"{N_OUT},{N_OUT}",
        "RESAMPLE_DIR": str(directory),
        "WRITE_XML": "N",
        "VERBOSE_TYPE": "QUIET",
    }
    options = [text for name, value in settings.items() for text in (f"-{name}", value)]
    command = [swarp, "-c", os.devnull, str(directory / "image.fits"), *options]
    # Without combination it removes the output that it has announced.
    for name, output_name, combine in ((SWARP, "swarp", "Y"), (SWARP_PARTS, "none", "N")):
        files = [
            *("-IMAGEOUT_NAME", str(directory / f"{output_name}.fits")),
            *("-WEIGHTOUT_NAME", str(directory / f"{output_name}.weight.fits")),
        ]
        commands[name] = [*command, *files, "-COMBINE", combine]
    return commands


def measure(directory: Path, commands: dict[str, list[str]], places: np.ndarray, repeats: int) -> str:
    """Let the sides take turns; return the report."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for command in commands.values():
        if "ours" in command[2]:
            run(command, directory)  # The loops are compiled once, and kept.
    for turn in range(repeats):
        for name, command in commands.items():
            if turn < 1 or "reproject" not in name:
                runs[name].append(run(command, directory))
    ours_many = json.loads(run([*commands[OURS], "6"], directory).told)
    errors = {name: flux_error(output(directory, command), places) for name, command in commands.items()}
    return report(runs, errors, ours_many)


def run(command: list[str], directory: Path) -> Run:
    """Run a process to its end."""
    root = str(SIDES.parents[1])
    # An installed package is compiled; so is ours after the first, unmeasured run, unless that is forbidden.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPATH": root, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if "reproject-" in command[2]:
        environment.pop("PYTHONPATH")
    told = directory / "told.txt"
    start = time.perf_counter()
    with told.open("w") as file:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    wall = time.perf_counter() - start
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, told.read_text())


def output(directory: Path, command: list[str]) -> Path:
    """Return the file that a side has written."""
    if "-COMBINE" in command:
        return directory / ("swarp.fits" if command[-1] == "Y" else "image.resamp.fits")
    return directory / f"{command[2].replace('-', '_')}.fits"


def flux_error(path: Path, places: np.ndarray) -> float:
    """Return the relative rms error of the flux of stars within squares."""
    from butler.images import SkyWcs

    with fits.open(path) as hdus:
        hdu = hdus[0] if hdus[0].data is not None else hdus[1]
        x, y = SkyWcs(hdu.header).skyToPixel(*places.T)
        pixels = np.asarray(hdu.data, dtype=float)
    # Reproject interpolates surface brightness; its fluxes come with the ratio of the areas of the pixels.
    level = (
        (PIXEL_SCALE / SOURCE_SCALE) ** 2
        if path.name in ("reproject_interp.fits", "reproject_exact.fits")
        else 1.0
    )
    fluxes = []
    for i, j in zip(x.round().astype(int), y.round().astype(int), strict=True):
        stamp = pixels[max(j - APERTURE, 0) : j + APERTURE + 1, max(i - APERTURE, 0) : i + APERTURE + 1]
        if stamp.shape == (2 * APERTURE + 1, 2 * APERTURE + 1) and np.isfinite(stamp).all():
            fluxes.append(stamp.sum() * level / 1e4)
    return float(np.sqrt(np.mean((np.array(fluxes) - 1.0) ** 2)))


def report(runs: dict[str, list[Run]], errors: dict[str, float], many: dict[str, float]) -> str:
    """Return the report as Markdown."""
    lines = [
        "| side | CPU, s | wall, s | peak memory, MiB | flux rms | CPU of SWarp over this |",
        "|---|---|---|---|---|---|",
    ]
    medians: dict[str, Any] = {
        name: [statistics.median(getattr(r, field) for r in each) for field in ("cpu", "wall", "memory")]
        for name, each in runs.items()
    }
    swarp = medians[SWARP][0]
    for name, (cpu, wall, memory) in medians.items():
        lines.append(
            f"| {name} | {cpu:.2f} | {wall:.2f} | {memory:.0f} | {errors[name]:.1e} | {swarp / cpu:.1f} |"
        )
    told = [json.loads(each.told) for each in runs[OURS]]
    steps = {step: statistics.median(times[step] for times in told) for step in told[0]}
    settled = {step: seconds for step, seconds in many.items() if step != "before"}
    return "\n".join(
        [
            "# Warping one exposure, measured",
            "",
            f"Written by `bench/warp.py`. Python {platform.python_version()}, {os.cpu_count()} processors, "
            f"one thread each. An exposure of {SHAPE[1]} x {SHAPE[0]} is resampled onto {N_OUT}² pixels. "
            "Each line is a whole process, which reads and writes FITS: medians of "
            f"{len(told)} turns (reproject: one). The machine was shared with other work, "
            "so CPU seconds are the figure to trust.",
            "",
            *lines,
            "",
            f"Ours, Lanczos-3, CPU seconds of the steps: {_shown(steps)}.",
            "",
            f"The last of six exposures warped by one process: {_shown(settled)}; "
            f"{swarp / sum(settled.values()):.1f} times less than SWarp.",
            "",
            _LIMITS,
        ]
    )


def _shown(steps: dict[str, float]) -> str:
    """Return times of steps as text, with their sum."""
    listed = ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items())
    return f"{listed}; in all {sum(steps.values()):.2f}"


_LIMITS = """\
What limits it: in a process of its own, about half is not the warp, but starting Python and importing
numpy, pydantic and what loads machine code; workers that make many warps pay for it once. Of the
pixels, about a fifth of the time is the coordinate map; most of the rest are the products of taps with
values and variances, of which a Lanczos-3 pixel has 72. Memory is that of the libraries, of the file's
three planes, which are mapped and not copied, and of the three planes of the warp.
"""


if __name__ == "__main__":
    main()
