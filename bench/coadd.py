"""Coadding, measured: ours against SWarp and ccdproc on the same warps, each a process of its own.

    python bench/coadd.py [--visits 20] [--size 4200] [--markdown docs/coadd_benchmark.md]

Needs SWarp (``apt-get install swarp``) and ccdproc (the extra ``bench``); a peer that is missing is left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coadd_kernels import kernel_lines
from coadd_scene import write_scene

HERE = Path(__file__).parent
PIPETASK = (sys.executable, "-c", "from tasks.cli import main; main()")
PLAIN = ("-c", "assembleCoadd:doNImage=false", "-c", "assembleCoadd:doInputMap=false")


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    cpu: float
    """User and system seconds."""

    wall: float
    """Seconds."""

    memory: float
    """Greatest anonymous memory, MiB."""


def measure(command: Sequence[str], threads: int, directory: Path) -> Cost:
    """Run a command and watch it; its output is shown only if it fails."""
    # An installed package is compiled; so is ours after the first, unmeasured turn, unless that is forbidden.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
        **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)),
    }
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(child.pid, peak), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        watcher.join()
        if child.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, peak[0])


def _watch(pid: int, peak: list[float]) -> None:
    """Note the greatest anonymous memory of a process until it ends; in MiB."""
    path = Path(f"/proc/{pid}/status")
    while True:
        try:
            lines = path.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        found = [int(line.split()[1]) for line in lines if line.startswith("RssAnon")]
        if not found:
            return
        peak[0] = max(peak[0], found[0] / 1024)
        time.sleep(0.02)


def our_commands(directory: Path, n_visits: int) -> dict[str, list[str]]:
    """Return the commands of ours by name, on the first visits; each writes into a run of its own."""
    stamp = str(time.monotonic_ns())

    def pipetask(pipeline: str, *settings: str) -> list[str]:
        run = f"{pipeline}-{'-'.join(settings[1::2])}-{stamp}".replace(":", "_").replace("=", "_")
        where = ["-b", "repo", "-p", f"{pipeline}#assembleCoadd", "-i", "warps,skymaps", "--output-run", run]
        return [*PIPETASK, "run", *where, "-d", f"visit <= {n_visits}", *settings]

    child = [sys.executable, str(HERE / "coadd_child.py")]
    return {
        "start": [*child, "start"],
        "Python and numpy": [*child, "nothing"],
        "read limit": [
            *child,
            "limit",
            *sorted(map(str, (directory / "repo" / "warps").rglob("*.fits")))[:n_visits],
        ],
        "MEAN": pipetask("coadd-direct", *PLAIN),
        "MEANCLIP": pipetask("coadd-direct", *PLAIN, "-c", "assembleCoadd:statistic=MEANCLIP"),
        "MEDIAN": pipetask("coadd-direct", *PLAIN, "-c", "assembleCoadd:statistic=MEDIAN"),
        "SafeClip": pipetask("coadd-safeclip"),
        "SafeClip by detections": pipetask("coadd-safeclip", "-c", "assembleCoadd:clipEvidence=detections"),
        "CompareWarp": pipetask("coadd-comparewarp"),
    }


def peer_commands(directory: Path, threads: int, n_visits: int) -> dict[str, list[str]]:
    """Return the commands of the peers that are installed, by name."""
    commands: dict[str, list[str]] = {}
    swarp = shutil.which("SWarp") or shutil.which("swarp")
    images = sorted(str(p) for p in (directory / "peers").glob("warp???.fits"))[:n_visits]
    if swarp:
        for kind in ("WEIGHTED", "MEDIAN", "CLIPPED"):
            options = {
                "COMBINE_TYPE": kind,
                "RESAMPLE": "N",
                "SUBTRACT_BACK": "N",
                "WEIGHT_TYPE": "MAP_WEIGHT",
                "NTHREADS": str(threads),
                "MEM_MAX": "2048",
                "COMBINE_BUFSIZE": "1024",
                "WRITE_XML": "N",
                "VERBOSE_TYPE": "QUIET",
                "IMAGEOUT_NAME": f"swarp_{kind}.fits",
                "WEIGHTOUT_NAME": f"swarp_{kind}.weight.fits",
            }
            flat = [word for key, value in options.items() for word in (f"-{key}", value)]
            commands[f"SWarp {kind}"] = [swarp, *images, "-c", os.devnull, *flat]
    try:
        importlib.metadata.version("ccdproc")
    except importlib.metadata.PackageNotFoundError:
        return commands
    holes = sorted(str(p) for p in (directory / "peers").glob("warp???.holes.fits"))[:n_visits]
    for kind in ("average", "sigma_clip"):
        commands[f"ccdproc {kind}"] = [sys.executable, str(HERE / "coadd_child.py"), kind, *holes]
    return commands


def medians(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(getattr(c, name) for c in costs) for name in ("cpu", "wall", "memory")))


def run_all(
    directory: Path, threads: int, n_visits: int, repeats: int, left_out: Sequence[str]
) -> dict[str, Cost]:
    """Run every contestant, in turns; before them each of ours unmeasured, so that it is compiled."""
    for name, command in our_commands(directory, n_visits).items():
        if name not in left_out:
            measure(command, threads, directory)
    costs: dict[str, list[Cost]] = {}
    for turn in range(repeats):
        peers = {
            name: command
            for name, command in peer_commands(directory, threads, n_visits).items()
            # ccdproc knows no threads, and takes minutes.
            if not name.startswith("ccdproc") or (threads == 1 and turn == 0)
        }
        for name, command in {**our_commands(directory, n_visits), **peers}.items():
            if name in left_out:
                continue
            costs.setdefault(name, []).append(measure(command, threads, directory))
            print(f"{threads} threads: {name}: {costs[name][-1]}", file=sys.stderr)
    return {name: medians(found) for name, found in costs.items()}


def table(costs: Mapping[str, Cost], megapixels: float, plane: float) -> list[str]:
    """Return the table of one number of threads; ``plane`` is the size of an output plane, MiB."""
    start = costs["start"]
    reading = max(costs["read limit"].cpu - costs["Python and numpy"].cpu, 1e-3)
    lines = [
        "| what | CPU | wall | Mpv per CPU-s | reading once / CPU above start | memory above start |",
        "|---|---|---|---|---|---|",
    ]
    for name, cost in costs.items():
        peer = name.startswith(("SWarp", "ccdproc"))
        bare = name in ("start", "Python and numpy", "read limit")
        above = cost.cpu - start.cpu
        share = "" if peer or bare or above <= 0 else f"{reading / above:.2f}"
        memory = cost.memory - (0 if peer else start.memory)
        told = "" if bare else f"{memory:.0f} MiB = {memory / plane:.1f} planes"
        speed = "" if bare else f"{megapixels / cost.cpu:.1f}"
        lines.append(f"| {name} | {cost.cpu:.2f} s | {cost.wall:.2f} s | {speed} | {share} | {told} |")
    return lines


def goals(costs: Mapping[str, Cost], plane: float) -> list[str]:
    """Return how the goals of speed and memory were met; those of absent peers are left out."""
    cpu = {name: cost.cpu for name, cost in costs.items()}
    above = {name: cost.memory - costs["start"].memory for name, cost in costs.items()}
    lines = ["| goal | measured |", "|---|---|"]
    for name, peer, wanted in (
        ("MEAN", "SWarp WEIGHTED", "≥ 5x, stretch 7x"),
        ("MEANCLIP", "SWarp CLIPPED", "≥ 6x, stretch 8x"),
        ("MEDIAN", "SWarp MEDIAN", "none"),
        ("SafeClip", "SWarp CLIPPED", "≥ 3x"),
        ("SafeClip by detections", "SWarp CLIPPED", "≥ 3x"),
    ):
        if peer in cpu and name in cpu:
            lines.append(f"| {name}: CPU less than {peer}, {wanted} | {cpu[peer] / cpu[name]:.1f}x |")
    for name in ("SafeClip", "SafeClip by detections"):
        if name in cpu and "MEAN" in cpu:
            lines.append(f"| {name}: CPU of our MEAN, ≤ 3x | {cpu[name] / cpu['MEAN']:.1f}x |")
    for name, planes in (("MEAN", 4), ("SafeClip", 8)):
        limit = planes * plane + 64
        lines.append(f"| {name}: memory ≤ {planes} planes + 64 MiB | {above[name]:.0f} of {limit:.0f} MiB |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--size", type=int, default=4200)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--without", nargs="*", default=[], help="contestants to leave out")
    parser.add_argument("--scene", type=Path, help="directory to keep the warps in, and to find them again")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.scene or Path(temporary) / "scene"
        if not directory.exists():
            write_scene(directory, arguments.visits, arguments.size)
        megapixels = arguments.visits * arguments.size**2 / 1e6
        plane = arguments.size**2 * 4 / 2**20
        load = os.getloadavg()[0]
        sections = []
        for threads in arguments.threads:
            costs = run_all(directory, threads, arguments.visits, arguments.repeats, arguments.without)
            heading = f"## Whole processes, {threads} thread{'s' * (threads > 1)}"
            sections += [heading, "", *table(costs, megapixels, plane), "", *goals(costs, plane), ""]
        sections += [
            "## Kernels alone, 1 thread",
            "",
            *kernel_lines(directory, arguments.visits, arguments.repeats),
        ]
        versions = {name: _version(name) for name in ("numpy", "numba", "ccdproc")}
        head = [
            f"{arguments.visits} warps of {arguments.size}², {megapixels:.0f} Mpv (megapixels x visits). "
            f"Python {platform.python_version()}, {json.dumps(versions)}; median of {arguments.repeats}, "
            f"{os.cpu_count()} processors with a load of {load:.1f} at the start.",
            "",
        ]
        report = "\n".join([*head, *sections])
        print(report)
        if arguments.markdown:
            arguments.markdown.write_text(report + "\n")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    main()
