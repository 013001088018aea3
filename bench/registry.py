"""Time the registry against LSST's butler, and region reads against astropy and fitsio, side by side.

``python bench/registry.py --quick`` takes about a minute. The whole of ``docs/registry_benchmark.md`` is that
of ``python bench/registry.py --warps 10000 100000 --grow 1000000 10000000 --output FILE``; its last section
is kept in ``bench/registry_limits.md``. It needs the extras ``peer`` and ``bench``.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from region_reads import region_rows
from registry_report import Row, write_report
from registry_sides import N_PATCHES, WARP, Ours, Peer, Side, registry_bytes, side_of

ROOT = Path(__file__).parents[1]
CACHE = Path(tempfile.gettempdir()) / f"registry_bench_{os.getuid()}"
"""Where compiled modules of both sides are, as neither may be able to write beside its sources."""


@dataclass
class Bench:
    """What is measured, and how often.

    Parameters
    ----------
    directory
        Where repositories are made.
    repeats
        Number of turns; the two sides take turns, and the median counts.
    """

    directory: Path
    repeats: int
    rows: list[Row] = field(default_factory=list)

    def compare(
        self,
        what: str,
        ours: Callable[[], object],
        peer: Callable[[], object],
        *,
        goal: str,
        calls: int = 20,
        repeats: int | None = None,
        per: int = 1,
    ) -> None:
        """Time two callables in turn and add a row; `per` is the number of things that one call does."""
        turns: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for turn in range(repeats or self.repeats):
            # Whoever is first finds the caches of the processor full of the other's.
            for is_ours in (True, False) if turn % 2 else (False, True):
                turns[is_ours].append(timed(ours if is_ours else peer, calls, per))
        self.rows.append(Row(what, median(turns[True]), median(turns[False]), goal))
        print(self.rows[-1].as_markdown(), flush=True)


def timed(call: Callable[[], object], calls: int, per: int = 1) -> tuple[float, float]:
    """Return CPU and wall seconds of one of the things that a callable does."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        call()
    return (time.process_time() - cpu) / calls / per, (time.perf_counter() - wall) / calls / per


def median(turns: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of CPU and wall seconds."""
    cpu, wall = zip(*turns, strict=True)
    return statistics.median(cpu), statistics.median(wall)


def environment() -> dict[str, str]:
    """Return the environment of processes that are timed: modules of both sides are compiled once."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(CACHE)}


def process(*arguments: str) -> Callable[[], tuple[float, float]]:
    """Return what runs a command and tells its CPU and wall seconds."""

    def run() -> tuple[float, float]:
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu, time.perf_counter() - wall

    return run


def start_rows(bench: Bench, ours: Ours, peer: Peer) -> None:
    """Time whole processes: imports and commands."""
    main = "from {}.cli{} import {}; {}(['{}'], standalone_mode=False)"
    cases = [
        ("`import butler`", "import butler", "import lsst.daf.butler", "≥ 4x"),
        (
            "`from butler import Butler`",
            "from butler import Butler",
            "from lsst.daf.butler import Butler",
            "-",
        ),
        (
            "`butler --help`",
            main.format("butler", "", "main", "main", "--help"),
            main.format("lsst.daf.butler", ".butler", "cli", "cli", "--help"),
            "≥ 4x, ≤ 0.5 s",
        ),
        (
            "`butler query-collections`",
            main.format("butler", "", "main", "main", f"query-collections','{ours.root}"),
            main.format("lsst.daf.butler", ".butler", "cli", "cli", f"query-collections','{peer.root}"),
            "≥ 4x",
        ),
    ]
    for what, us, them, goal in cases:
        turns = [(process("-c", us)(), process("-c", them)()) for _ in range(bench.repeats + 1)][1:]
        row = Row(what, median(a for a, _ in turns), median(b for _, b in turns), goal)
        bench.rows.append(row)
        print(row.as_markdown(), flush=True)


def insert_rows(bench: Bench, sides: tuple[Ours, Peer], n_warps: int) -> None:
    """Insert warps: what all later rows look at."""
    n_visits = n_warps // N_PATCHES
    visits = list(range(1, n_visits + 1))
    sizes, inserted = [], []
    data_ids = []
    for side in sides:
        side.add_visits(visits)
        data_ids.append(side.data_ids(visits))
        sizes.append(registry_bytes(side.root))
    calls = [(side, ids) for side, ids in zip(sides, data_ids, strict=True)]

    def insert(which: int) -> Callable[[], object]:
        side, ids = calls[which]
        names = iter(["run", *(f"again/{i}" for i in range(100))])

        def call() -> None:
            refs = side.insert(ids, next(names))
            if len(inserted) < 2:
                inserted.append((which, refs))

        return call

    bench.compare(
        f"bulk insert of {n_warps} warps, data IDs checked (per warp)",
        insert(0),
        insert(1),
        goal="≥ 10x",
        calls=1,
        repeats=1,
        per=n_warps,
    )
    without = [registry_bytes(side.root) - size for side, size in zip(sides, sizes, strict=True)]
    bench.rows.append(
        Row(
            "bytes of registry per warp, without path",
            *[(b / n_warps,) * 2 for b in without],
            "≤ 160",
            "bytes",
        )
    )
    for which, refs in sorted(inserted, key=lambda pair: pair[0]):
        sides[which].add_paths(refs[:5000], "run", bench.directory / "warps")
    with_path = [
        registry_bytes(side.root) - size - less
        for side, size, less in zip(sides, sizes, without, strict=True)
    ]
    n_paths = min(n_warps, 5000)
    both = [(less / n_warps + more / n_paths,) * 2 for less, more in zip(without, with_path, strict=True)]
    bench.rows.append(Row("bytes of registry per warp, with path", *both, "≤ 300", "bytes"))
    for row in bench.rows[-2:]:
        print(row.as_markdown(), flush=True)


def write_rows(bench: Bench, ours: Ours, peer: Peer) -> None:
    """Put and ingest small datasets."""
    n_puts = 40
    first = {ours.name: 10**6, peer.name: 10**6}
    n_files = 400
    for side in (ours, peer):
        side.add_visits(range(10**6, 10**6 + n_puts * (bench.repeats + 1) + n_files * 4), regions=False)

    def fresh(side: Side, n: int) -> range:
        first[side.name] += n
        return range(first[side.name] - n, first[side.name])

    def put(side: Side) -> Callable[[], object]:
        def call() -> None:
            for visit in fresh(side, n_puts):
                side.butler.put({"visit": visit}, "note", instrument="HSC", visit=visit)

        return call

    bench.compare(
        "`put` of a small dataset, one by one", put(ours), put(peer), goal="≥ 15x", calls=1, per=n_puts
    )
    for side in (ours, peer):
        first[side.name] = 10**6
    bench.compare(
        "`put_many` / `put` in a transaction (per dataset)",
        lambda: ours.put_many("note_many", fresh(ours, n_puts)),
        lambda: peer.put_many("note_many", fresh(peer, n_puts)),
        goal="≥ 50x",
        calls=1,
        per=n_puts,
    )
    folder = bench.directory / "files"
    folder.mkdir(exist_ok=True)
    for visit in range(10**6, 10**6 + n_files * 3):
        (folder / f"{visit}.json").write_text('{"visit": 1}')
    for side in (ours, peer):
        first[side.name] = 10**6

    def ingest(side: Side) -> Callable[[], object]:
        return lambda: side.ingest([(folder / f"{v}.json", v) for v in fresh(side, n_files)], "note_file")

    bench.compare(
        "ingest of existing files, direct (per file)",
        ingest(ours),
        ingest(peer),
        goal="≥ 15x",
        calls=1,
        repeats=min(3, bench.repeats),
        per=n_files,
    )


def look_up_rows(bench: Bench, ours: Ours, peer: Peer) -> None:
    """Find, get, and query a few datasets."""
    warp = {"instrument": "HSC", "skymap": "hsc_rings_v1", "tract": 1, "patch": 5, "visit": 7}
    note = {"instrument": "HSC", "visit": 10**6 + 3}
    a, b = ours.butler, peer.butler
    bench.compare(
        "`find_dataset` by data ID",
        lambda: a.find_dataset(WARP, warp),
        lambda: b.find_dataset(WARP, warp),
        goal="≥ 40x",
    )
    bench.compare(
        "`get(name, dataId)` of a small dataset",
        lambda: a.get("note", note),
        lambda: b.get("note", note),
        goal="≥ 20x",
    )
    ref_a, ref_b = a.find_dataset("note", note), b.find_dataset("note", note)
    bench.compare("`get(ref)`", lambda: a.get(ref_a), lambda: b.get(ref_b), goal="≤ 0.1 ms overhead")
    bench.compare(
        "`getDeferred(ref)`",
        lambda: a.getDeferred(ref_a),
        lambda: b.getDeferred(ref_b),
        goal="≤ 0.1 ms",
    )
    handle_a, handle_b = a.getDeferred(ref_a), b.getDeferred(ref_b)
    bench.compare("`handle.get()`", handle_a.get, handle_b.get, goal="≤ 0.1 ms overhead")
    where = "instrument='HSC' AND skymap='hsc_rings_v1' AND tract=1 AND visit IN (2..16) AND patch IN (7, 8)"
    assert len(a.query_datasets(WARP, "run", where=where)) == 30
    bench.compare(
        "`query_datasets` with `where`, 30 refs",
        lambda: a.query_datasets(WARP, "run", where=where),
        lambda: b.query_datasets(WARP, "run", where=where),
        goal="≥ 10x",
        calls=5,
    )


def listing_rows(bench: Bench, ours: Ours, peer: Peer, n_warps: int) -> None:
    """List all warps, each time in a process of its own, and join visits with patches."""
    for what, kind in (("refs", "plain"), ("refs with records", "records")):
        turns: dict[str, list[tuple[float, float, float]]] = {ours.name: [], peer.name: []}
        for _ in range(min(3, bench.repeats)):
            for side in (ours, peer):
                turns[side.name].append(listing(side, kind))
        times = [median((cpu, wall) for cpu, wall, _ in turns[name]) for name in (ours.name, peer.name)]
        bench.rows.append(Row(f"listing {n_warps} {what}", times[0], times[1], "≥ 10x"))
        memory = [statistics.median(mb for _, _, mb in turns[name]) for name in (ours.name, peer.name)]
        bench.rows.append(
            Row(f"memory of listing {n_warps} {what}", *[(mb, mb) for mb in memory], "≤ half", "MB")
        )
        for row in bench.rows[-2:]:
            print(row.as_markdown(), flush=True)
    bench.compare(
        f"visit x patch spatial join, {ours.pairs()} pairs",
        ours.pairs,
        peer.pairs,
        goal="≥ 10x",
        calls=1,
        repeats=min(3, bench.repeats),
    )


def listing(side: Side, kind: str) -> tuple[float, float, float]:
    """Return CPU and wall seconds and megabytes of a listing in a new process."""
    command = [sys.executable, __file__, "--listing", side.name, str(side.root), kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    cpu, wall, megabytes = map(float, done.stdout.split()[-3:])
    return cpu, wall, megabytes


def run_listing(name: str, root: str, kind: str) -> None:
    """Print CPU seconds, wall seconds and megabytes that a listing takes in this process."""
    side: Any = side_of(name)(Path(root))
    side.butler.query_datasets(WARP, "run", limit=10)
    before = peak_megabytes()

    def call() -> object:
        if kind == "records":
            return side.list_with_records()
        return side.butler.query_datasets(WARP, "run", limit=None)

    cpu, wall = timed(call, 1)
    print(cpu, wall, peak_megabytes() - before)


def peak_megabytes() -> float:
    """Return the most memory that this process has held; what getrusage says begins with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024


def growth_rows(directory: Path, sizes: list[int]) -> list[tuple[int, float, float, float, float]]:
    """Return, for ever larger repositories of ours, CPU ms of find, get, a query of 30, and insert rate."""
    ours = Ours.make(directory / "grown")
    found = []
    n_visits = 0
    note = {"instrument": "HSC", "visit": 10}
    warp = {"skymap": "hsc_rings_v1", "tract": 1, "patch": 5, "instrument": "HSC"}
    for size in sizes:
        cpu, n_before = 0.0, n_visits
        while n_visits * N_PATCHES < size:
            visits = range(n_visits + 1, n_visits + 1001)
            with ours.butler.transaction():
                ours.add_visits(visits, regions=False)
            cpu += timed(lambda new=visits: ours.generate(new), 1)[0]
            n_visits += 1000
        if not n_before:
            ours.butler.put({"visit": 10}, "note", note)
        where = f"tract=1 AND visit IN ({n_visits - 20}..{n_visits - 6}) AND patch IN (7, 8)"
        calls: list[tuple[Callable[[], object], int]] = [
            (lambda v=n_visits // 2: ours.butler.find_dataset(WARP, warp, visit=v), 100),
            (lambda: ours.butler.get("note", note), 100),
            (lambda w=where: ours.butler.query_datasets(WARP, "run", where=w), 10),
        ]
        times = [median(timed(call, n) for _ in range(5))[0] * 1e3 for call, n in calls]
        found.append((n_visits * N_PATCHES, *times, (n_visits - n_before) * N_PATCHES / cpu))
        print("grown:", found[-1], flush=True)
    ours.close()
    return found


def peer_rows(directory: Path, n_warps: int, repeats: int) -> list[Row]:
    """Return the rows of a table: both sides with as many warps."""
    directory.mkdir()
    bench = Bench(directory, repeats)
    ours, peer = Ours.make(directory / "ours"), Peer.make(directory / "peer")
    insert_rows(bench, (ours, peer), n_warps)
    write_rows(bench, ours, peer)
    look_up_rows(bench, ours, peer)
    start_rows(bench, ours, peer)
    listing_rows(bench, ours, peer, n_warps)
    ours.close()
    peer.close()
    return bench.rows


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--warps", type=int, nargs="+", default=[10_000], help="sizes of both repositories")
    parser.add_argument("--grow", type=int, nargs="*", default=[], help="sizes of a repository of ours alone")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side")
    parser.add_argument("--directory", type=Path, help="where repositories are made, for example /dev/shm")
    parser.add_argument("--quick", action="store_true", help="small sizes, few turns")
    parser.add_argument(
        "--output", type=Path, help="Markdown file to write, for example docs/registry_benchmark.md"
    )
    parser.add_argument("--listing", nargs=3, metavar=("SIDE", "ROOT", "KIND"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.listing:
        run_listing(*given.listing)
        return
    if given.quick:
        given.warps, given.repeats = [2000], 3
    tables: list[tuple[str, list[Row]]] = []
    with tempfile.TemporaryDirectory(dir=given.directory) as temporary:
        for n_warps in given.warps:
            rows = peer_rows(Path(temporary) / str(n_warps), n_warps, given.repeats)
            tables.append((f"Against lsst-daf-butler, {n_warps} warps", rows))
        reads = region_rows(Path(temporary), given.repeats)
        grown = growth_rows(Path(temporary), given.grow) if given.grow else []
    text = write_report(tables, reads, grown)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
