"""Writers of one SQLite file, and what each thread and process has open."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from butler import Butler
from butler.registry.turnstile import Turnstile

GREEDY = """
import sys, time
from butler import Butler
with Butler(sys.argv[1], writeable=True) as butler:
    print("ready", flush=True)
    n = 0
    while True:
        with butler.transaction():
            butler.registry.registerRun(f"greedy/{n}")
            time.sleep(0.2)
        n += 1
"""


def test_a_greedy_writer_does_not_starve_others(repository: Path) -> None:
    """Beside a process with one long transaction right after the other, each of ours waits about one."""
    greedy = subprocess.Popen([sys.executable, "-c", GREEDY, str(repository)], stdout=subprocess.PIPE)
    try:
        assert greedy.stdout is not None
        greedy.stdout.readline()
        with Butler(repository, writeable=True) as butler:
            for n in range(5):
                butler.registry.registerRun(f"modest/{n}")
            theirs = butler.collections.query("greedy/*")
    finally:
        greedy.kill()
        greedy.wait()
    # SQLite alone lets one of a hundred through; here they take turns, with room for a busy machine.
    assert len(theirs) <= 25


def test_a_turnstile_lets_one_through_at_a_time(tmp_path: Path) -> None:
    """Who waits is let in when the other leaves, or goes on alone after the longest wait."""
    with Turnstile(tmp_path).passing(1.0):
        begin = time.monotonic()
        with Turnstile(tmp_path).passing(0.05):
            assert time.monotonic() - begin >= 0.05
    begin = time.monotonic()
    with Turnstile(tmp_path).passing(30.0):
        assert time.monotonic() - begin < 10.0


def _find(butler: Butler, answers: multiprocessing.SimpleQueue[object]) -> None:
    answers.put(butler.get("note", instrument="CAM", visit=1))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_butler_opens_its_own_connection(butler: Butler) -> None:
    """A child uses neither the connection of its parent nor its transaction; the parent goes on."""
    butler.put({"a": 1}, "note", instrument="CAM", visit=1)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with butler.transaction():
        butler.registry.registerRun("later")
        child = context.Process(target=_find, args=(butler, answers))
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert answers.get() == {"a": 1}
    assert "later" in butler.collections.query("later")
