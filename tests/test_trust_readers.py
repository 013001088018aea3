"""Readers go on while writers are killed: what they find is whole, and can be read."""

from __future__ import annotations

import multiprocessing
import random
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_writer import BLOCK, DETECTORS, exposure_of, run_and_kill
from trust_scale import SEED, count

from butler import Butler, DatasetRef
from butler.images import Box2I, Extent2I, Point2I

pytestmark = [pytest.mark.both_databases, pytest.mark.trust]

N_KILLS = count(sample=3, full=60)
N_READERS = 2


def check_run(butler: Butler, run: str, chance: random.Random) -> int:
    """Check what a reader finds in a run: whole blocks, each dataset readable; return how many it read."""
    refs = butler.query_datasets("calexp", run, explain=False)
    detectors = sorted(int(ref.dataId["detector"]) for ref in refs)
    assert detectors == list(range(DETECTORS.start, DETECTORS.start + len(refs)))
    assert len(refs) % BLOCK == 0
    chosen = chance.sample(refs, min(3, len(refs)))
    for ref in chosen:
        check_dataset(butler, ref)
    return len(chosen)


def check_dataset(butler: Butler, ref: DatasetRef) -> None:
    """Check that a dataset reads as it was put: whole by its data ID, and a box of it through a handle."""
    detector = int(ref.dataId["detector"])
    expected = exposure_of(detector).maskedImage
    whole = butler.get("calexp", ref.dataId, collections=ref.run).maskedImage
    np.testing.assert_array_equal(whole.image.array, expected.image.array)
    corner = Box2I(Point2I(detector + 1, 2 - detector), Extent2I(3, 4))
    part = butler.getDeferred(ref).get(parameters={"bbox": corner}).maskedImage
    np.testing.assert_array_equal(part.mask.array, expected[corner].mask.array)


def read_on(root: Path, until: Path, number: int, told: Connection) -> None:
    """Query and read runs as long as there are writers; tell what was read, or what went wrong."""
    chance = random.Random(f"{SEED} {number}")
    n_queries = n_read = 0
    try:
        with Butler(root, instrument="CAM") as butler:
            while not until.exists():
                # The run of the writer at work, and an older one.
                runs = butler.collections.query("killed/*")
                for run in {*runs[-1:], *chance.sample(runs, min(1, len(runs)))}:
                    n_read += check_run(butler, run, chance)
                    n_queries += 1
                # Others want the processor, too.
                time.sleep(0.02)
    except BaseException:
        told.send((n_queries, n_read, traceback.format_exc()))
    else:
        told.send((n_queries, n_read, ""))


def test_readers_go_on_while_writers_are_killed(repository: Path, record_property: Any) -> None:
    """No reader sees half a block, a row without its file or an error; nothing that was told of is lost."""
    with Butler(repository, writeable=True) as butler:
        rows = [{"instrument": "CAM", "id": n, "full_name": f"D{n}"} for n in DETECTORS]
        butler.registry.insertDimensionData("detector", *rows)
    until = repository.parent / "writers are done"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["butler", "butler.formatters", "killed_writer"])
    readers = []
    for number in range(N_READERS):
        told, teller = context.Pipe(duplex=False)
        process = context.Process(target=read_on, args=(repository, until, number, teller))
        process.start()
        teller.close()
        readers.append((process, told))
    chance = random.Random(SEED)
    try:
        done = {
            f"killed/{number:03d}": run_and_kill(
                repository, f"killed/{number:03d}", number % 3, chance.uniform(0.0, 0.3)
            )
            for number in range(N_KILLS)
        }
    finally:
        until.touch()
        seen = [told.recv() for _, told in readers]
        for process, _ in readers:
            process.join()
    faults = [fault for _, _, fault in seen if fault]
    assert not faults, faults[0]
    assert all(n_queries for n_queries, _, _ in seen)
    assert sum(n_read for _, n_read, _ in seen) > N_KILLS
    with Butler(repository, writeable=True, instrument="CAM") as butler:
        report = butler.verify()
        assert not report.missing
        assert not report.damaged
        for run, blocks in done.items():
            refs = butler.query_datasets("calexp", run, explain=False)
            told_of = {first + step for first in blocks for step in range(BLOCK)}
            assert {int(ref.dataId["detector"]) for ref in refs} >= told_of
        butler.verify(repair=True)
        assert butler.verify().is_clean
    record_property("kills", N_KILLS)
    record_property("queries of readers", sum(n_queries for n_queries, _, _ in seen))
    record_property("datasets read", sum(n_read for _, n_read, _ in seen))
