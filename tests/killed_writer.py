"""A writer in a process of its own, killed while it works."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from small_repository import make_exposure

from butler import Butler
from butler.images import Exposure

BLOCK = 2
DETECTORS = range(2, 302)


def exposure_of(detector: int) -> Exposure:
    """Return what the writer puts for a detector; no two are equal."""
    return make_exposure((detector, -detector))


def put_until_killed(root: Path, run: str, told: Connection) -> None:
    """Put blocks of exposures and tell of each block that is done."""
    with Butler(root, run=run, instrument="CAM") as butler:
        told.send(None)
        for first in DETECTORS[::BLOCK]:
            with butler.transaction():
                for detector in range(first, first + BLOCK):
                    butler.put(exposure_of(detector), "calexp", visit=1, detector=detector)
            told.send(first)


def run_and_kill(root: Path, run: str, n_blocks: int, delay_s: float) -> list[int]:
    """Let a writer finish some blocks, kill it later; return the blocks that it told of."""
    context = multiprocessing.get_context("forkserver")
    # Without it each process would import them again.
    context.set_forkserver_preload(["butler", "butler.formatters", "butler.ingest", "butler.skymaps"])
    told, teller = context.Pipe(duplex=False)
    process = context.Process(target=put_until_killed, args=(root, run, teller))
    process.start()
    teller.close()
    assert told.recv() is None
    done = [told.recv() for _ in range(n_blocks)]
    time.sleep(delay_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with told:
        return [*done, *_received(told)]


def _received(told: Connection) -> Iterator[int]:
    """Yield what a process said before it died."""
    try:
        while True:
            yield told.recv()
    except EOFError:
        return
