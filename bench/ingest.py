"""Rate and memory of ingest: many generated files, of which nothing but the headers matters.

    python bench/ingest.py --files 10000 --processes 1 2

Files have 340 header cards with a TPV distortion, as DECam's have, and few pixels; they are ingested where
they lie. Beside it: how long the system takes to read the same headers, and a second call, which finds all of
them known.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from butler import Butler
from butler.ingest import CameraMapping, expand_paths, ingest_exposures

CAMERA = {
    "instrument": "BENCH",
    "visit": "EXPNUM",
    "detector": "CCDNUM",
    "band": {"card": "FILTER", "pattern": "^(.)"},
    "physical_filter": "FILTER",
    "exposure_time": "EXPTIME",
    "date": "DATE-OBS",
    "gain": "GAIN",
    "read_noise": "RDNOISE",
    "saturation": "SATURATE",
    "zero_point": "MAGZERO",
}
DETECTORS = 10
"""Detectors of a visit."""
BLOCK = 2880


@dataclass(frozen=True)
class Measured:
    """What a call took: seconds, processor seconds and MiB of memory, of the process without its workers."""

    wall: float
    cpu: float
    memory: float


def cards(number: int) -> dict[str, object]:
    """Return the header of a file."""
    visit, detector = divmod(number, DETECTORS)
    found: dict[str, object] = {
        "EXPNUM": 100000 + visit,
        "CCDNUM": detector,
        "FILTER": f"{'grizY'[visit % 5]} DECam SDSS c0001",
        "EXPTIME": 90.0,
        "DATE-OBS": f"2019-03-{1 + visit // 40 % 28:02d}T{visit % 24:02d}:{visit % 60:02d}:17.25",
        "GAIN": 4.5,
        "RDNOISE": 6.25,
        "SATURATE": 45000.0,
        "MAGZERO": 30.25,
        "CTYPE1": "RA---TPV",
        "CTYPE2": "DEC--TPV",
        "CRVAL1": (7.0 * visit) % 360.0,
        "CRVAL2": -40.0 + 0.05 * detector,
        "CRPIX1": 32.5,
        "CRPIX2": 32.5,
        "CD1_1": 0.0,
        "CD1_2": 7.29e-05,
        "CD2_1": -7.29e-05,
        "CD2_2": 0.0,
        "RADESYS": "ICRS",
    }
    found |= {f"PV{i}_{j}": 1.0 if j == 1 else 1e-4 * j for i in (1, 2) for j in range(11) if j != 3}
    found |= {f"NOTE{i:03d}": f"what else a header says, {i}" for i in range(150)}
    return found | {f"NUMB{i:03d}": 0.25 * i for i in range(150)}


def generate(folder: Path, n: int) -> None:
    """Write the files; the text of a header is put together here, which is faster than by astropy."""
    head = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    2",
    ]
    head += ["NAXIS1  =                   64", "NAXIS2  =                   64"]
    pixels = bytes(-(-64 * 64 // BLOCK) * BLOCK)
    for number in range(n):
        body = [f"{key:<8}= {told_value(value):>20}" for key, value in cards(number).items()]
        text = "".join(card.ljust(80) for card in [*head, *body, "END"])
        size = -(-len(text) // BLOCK) * BLOCK
        (folder / f"f{number:06d}.fits").write_bytes(text.ljust(size).encode() + pixels)


def told_value(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else repr(value).upper()


def read_headers(paths: list[Path]) -> Measured:
    """Read the bytes of all headers, and nothing else."""
    begin, cpu = time.perf_counter(), time.process_time()
    for path in paths:
        with path.open("rb") as stream:
            stream.read(path.stat().st_size - 2 * BLOCK)
    return Measured(time.perf_counter() - begin, time.process_time() - cpu, 0.0)


def ingest(repo: Path, folder: Path, processes: int) -> None:
    """Ingest, in a process of its own, and print what it took."""
    camera = CameraMapping.parse(CAMERA, "the benchmark")
    begin = time.perf_counter()
    with Butler(repo, writeable=True) as butler:
        report = ingest_exposures(
            butler, expand_paths([folder]), run="raw", camera=camera, transfer="direct", processes=processes
        )
    wall = time.perf_counter() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    n_new, n_known = len(report.ingested), len(report.skipped)
    print(wall, cpu, usage.ru_maxrss / 1024, n_new, n_known)
    if report.failed:
        raise SystemExit(f"failed: {report.failed[0]}")


def measure(repo: Path, folder: Path, processes: int, expected: tuple[int, int]) -> Measured:
    """Run `ingest` in a new process."""
    words = [
        sys.executable,
        __file__,
        "--ingest",
        str(repo),
        "--folder",
        str(folder),
        "--processes",
        str(processes),
    ]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    wall, cpu, memory = (float(word) for word in out[:3])
    if tuple(map(int, out[3:])) != expected:
        raise SystemExit(f"ingested and skipped are {out[3:]}, not {expected}")
    return Measured(wall, cpu, memory)


def report(n: int, numbers: list[int]) -> Iterator[str]:
    """Yield the rows of the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        generate(folder, n)
        paths = sorted(folder.iterdir())
        read = read_headers(paths)
        yield f"| headers read as bytes | 1 | {told(read, n)} |"
        for processes in numbers:
            repo = Path(place) / "repo"
            Butler.makeRepo(repo)
            first = measure(repo, folder, processes, (n, 0))
            yield f"| ingest | {processes} | {told(first, n)} |"
            again = measure(repo, folder, processes, (0, n))
            yield f"| the same again: all are known | {processes} | {told(again, n)} |"
            size = sum(path.stat().st_size for path in repo.rglob("*") if path.is_file())
            shutil.rmtree(repo)
        yield f"| size of the repository | | | {size / n:.0f} bytes a file | | |"


def told(found: Measured, n: int) -> str:
    memory = f"{found.memory:.0f} MiB" if found.memory else ""
    return f"{found.wall:.1f} s | {n / found.wall:.0f} | {1e3 * found.cpu / n:.2f} ms | {memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ingest:
        ingest(asked.ingest, asked.folder, *asked.processes)
        return
    print(
        "| what | processes | wall | files per second | CPU per file, main process | memory, main process |"
    )
    print("|---|---|---|---|---|---|")
    for row in report(asked.files, asked.processes):
        print(row, flush=True)


if __name__ == "__main__":
    main()
