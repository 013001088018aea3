"""How long a whole-sky map takes to register, and how quickly it answers.

    python bench/sky_maps.py [--rings 120]

Prints one line for each measurement. The sky map is that of the Hyper Suprime-Cam survey (120 rings, 18938
tracts of 81 patches), in a new repository in a temporary place.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from butler import Butler
from butler.ingest import register_sky_map
from butler.regions import SkyRegion
from butler.skymaps import RingsSkyMap, RingsSkyMapConfig

N_POSITIONS = 1_000_000
N_AREAS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rings", type=int, default=120, help="number of rings; 120 is that of the surveys")
    arguments = parser.parse_args()
    config = RingsSkyMapConfig(
        numRings=arguments.rings, projection="TAN", tractOverlap="1/60", pixelScale=0.168
    )
    sky_map = RingsSkyMap(config)
    look_up(sky_map)
    register(sky_map)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'largest memory of this process':55s} {peak:9.0f} MiB")


def look_up(sky_map: RingsSkyMap) -> None:
    """Time answers to where positions and areas lie."""
    rng = np.random.default_rng(1)
    ra = rng.uniform(0, 360, N_POSITIONS)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, N_POSITIONS)))
    sky_map.findTractIdArray(ra[:10], dec[:10])
    with timed(f"findTractIdArray, {N_POSITIONS} positions on the whole sky"):
        sky_map.findTractIdArray(ra, dec)
    with timed(f"find_patch_ids, {N_POSITIONS} positions in 20 x 20 degrees"):
        sky_map.find_patch_ids(rng.uniform(140, 160, N_POSITIONS), rng.uniform(-10, 10, N_POSITIONS))
    centers = rng.uniform(140, 160, N_AREAS), rng.uniform(-10, 10, N_AREAS)
    areas = [SkyRegion.from_box(a, d, 0.2, 0.1) for a, d in zip(*centers, strict=True)]
    areas = [SkyRegion.from_polygon(*(v[:-1] for v in area.outline(1.0))) for area in areas]
    with timed(f"find_overlaps, {N_AREAS} detectors in 20 x 20 degrees"):
        pairs = sky_map.find_overlaps(areas)[0].size
    print(f"{'  pairs of detector and patch':55s} {pairs:9d}")
    with timed("findTract, 1000 times"):
        for a, d in zip(*centers, strict=True):
            sky_map.findTract(a, d)


def register(sky_map: RingsSkyMap) -> None:
    """Time the registration of all tracts and patches, once and again, and a query for patches."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "repo"
        Butler.makeRepo(root)
        with Butler(root, writeable=True) as butler:
            with timed(f"register {len(sky_map)} tracts"):
                register_sky_map(butler, "sky", sky_map)
            with timed("register them again"):
                register_sky_map(butler, "sky", sky_map)
            with butler.query() as query:
                rows = query.dimension_records("patch").where(skymap="sky").count()
            print(f"{'  patches':55s} {rows:9d}")
            where = "patch.region OVERLAPS CIRCLE(150.1163, 2.2009, 0.1)"
            with timed("patches in a circle, of all"):
                butler.query_dimension_records("patch", where=where, skymap="sky")
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        print(f"{'  size of the repository':55s} {size / 2**20:9.0f} MiB")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long a block takes, on the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(
        f"{what:55s} {time.perf_counter() - wall:9.3f} s {time.process_time() - cpu:9.3f} s CPU", flush=True
    )


if __name__ == "__main__":
    main()
