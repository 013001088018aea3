"""Region reads touch only the rows of the box: a file may be larger than the memory there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from small_repository import CALEXP, insert_records

from butler import Butler, DatasetRef, FileDataset, RepositoryConfig

N_X, N_Y = 30_000, 27_000
ROW, COLUMN = 26_000, 20_000
PLANES = {"IMAGE": ">f4", "MASK": ">i4", "VARIANCE": ">f4"}


def write_sparse_exposure(path: Path) -> None:
    """Write an exposure of 9.7 GB that takes up almost no disk; one square of 4 x 4 pixels is not 0."""
    with path.open("wb") as stream:
        stream.write(fits.PrimaryHDU().header.tostring().encode())
        for number, (name, dtype) in enumerate(PLANES.items(), start=1):
            header = fits.ImageHDU(np.zeros((1, 1), dtype), name=name).header
            header["NAXIS1"], header["NAXIS2"] = N_X, N_Y
            header["LTV1"], header["LTV2"] = -100.0, 200.0
            if name == "MASK":
                header["MP_BAD"] = 0
            stream.write(header.tostring().encode())
            start = stream.tell()
            for row in range(ROW, ROW + 4):
                stream.seek(start + 4 * (row * N_X + COLUMN))
                stream.write((np.arange(1, 5) * number + row - ROW).astype(dtype).tobytes())
            end = start + 4 * N_X * N_Y
            stream.seek(-(-end // 2880) * 2880)
            stream.truncate()


READ = """
import resource, sys
from butler import Butler, ButlerUserError
from butler.images import Box2I, Extent2I, Point2I

def address_space():
    with open("/proc/self/statm") as status:
        return int(status.read().split()[0]) * resource.getpagesize()

butler = Butler(sys.argv[1], collections="run", instrument="CAM")
handle = butler.getDeferred("calexp", visit=1, detector=0)
assert handle.get(component="bbox").dimensions == (30_000, 27_000)
box = Box2I(Point2I(19_844 + 100, 25_872 - 200), Extent2I(256, 256))
handle.get(component="mask", parameters={"bbox": box})
# One row of a plane is 120 kB, 256 rows 31 MB; a whole plane is 3.2 GB.
limit = address_space() + 100_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for component in ("image", "mask", "variance"):
    part = handle.get(component=component, parameters={"bbox": box})
    assert part.bbox == box
    print(int(part.array.sum()), int(part.array[128, 156]), int(part.array[131, 159]))
try:
    handle.get(component="image")
except ButlerUserError as error:
    print("Cannot allocate memory" in str(error))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to know the memory in use")
def test_a_box_of_a_huge_file_needs_only_its_rows(tmp_path: Path) -> None:
    """With 100 MB to spare, 256 x 256 pixels of each plane of a 9.7 GB file are read; the whole is not."""
    path = tmp_path / "huge.fits"
    write_sparse_exposure(path)
    if path.stat().st_blocks * 512 > 100_000_000:
        pytest.skip("the file system has no sparse files")
    Butler.makeRepo(tmp_path / "repository", RepositoryConfig(checksum=False))
    with Butler(tmp_path / "repository", run="run") as butler:
        insert_records(butler)
        ref = DatasetRef(CALEXP, {"instrument": "CAM", "visit": 1, "detector": 0}, "run")
        butler.ingest(FileDataset(path, ref), transfer="direct")
    command = [sys.executable, "-c", READ, str(tmp_path / "repository")]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    # The sum of rows 1..4 times the plane's number, plus 0..3 for each row.
    expected = [f"{40 * n + 24} {n} {4 * n + 3}" for n in (1, 2, 3)]
    assert result.stdout.splitlines() == [*expected, "True"]
