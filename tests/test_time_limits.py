"""Tests that hang fail by name, and those after them run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

CONFTEST: Final = """
from time_limits import TimeLimits

def pytest_configure(config):
    config.pluginmanager.register(TimeLimits(limit=1, least=0.5, grace=2))
"""
HANGING: Final = """
import ctypes, threading, time
import pytest

def test_thread():
    thread = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
    thread.start()
    thread.join()

@pytest.fixture
def server():
    yield
    time.sleep(1000)

def test_failure_with_a_tear_down(server):
    assert False

@pytest.fixture(scope="module")
def cluster():
    time.sleep(1000)

def test_set_up(cluster):
    pass

def test_same_set_up(cluster):
    pass

def test_lock_of_a_library():
    lock = ctypes.create_string_buffer(64)
    ctypes.PyDLL(None).pthread_mutex_lock(lock)
    ctypes.PyDLL(None).pthread_mutex_lock(lock)

def test_after_them():
    pass
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest prints of tests that hang."""
    folder = tmp_path_factory.mktemp("hanging")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_hanging.py").write_text(HANGING)
    tests = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-n", "1", "-rA", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--override-ini=pythonpath={tests}", f"--rootdir={folder}", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "COLUMNS": "200"},
    )
    return done.stdout + done.stderr


def test_a_hang_is_a_failure_of_its_test(printed: str) -> None:
    """A call, a set-up that two tests share, and the tear-down of what failed before: each fails by name."""
    assert re.search(r"FAILED \S*test_thread - Failed: \S*test_thread took longer than 1 s", printed), printed
    for name in ("set_up", "same_set_up"):
        assert re.search(rf"ERROR \S*test_{name} - Failed: the set-up of \S*test_set_up took", printed)
    assert re.search(r"ERROR \S*tear_down - Failed: the tear-down of \S* took longer than 0.5 s", printed)


def test_a_failure_has_the_stacks_of_all_threads(printed: str) -> None:
    """What is printed says where the test waited, and where the thread was that it waited for."""
    of_thread = printed.split("_ test_thread _")[1]
    assert re.search(r"Thread 0x\w+.*\n.*in run", of_thread)
    assert re.search(r"test_hanging.py\", line \d+ in test_thread", of_thread)


def test_a_wait_outside_python_ends_the_process(printed: str) -> None:
    """Its test is named, its stack is printed, and the test after it runs in another process."""
    assert re.search(r"worker 'gw0' crashed while running '\S*test_lock_of_a_library'", printed), printed
    assert re.search(r"test_hanging.py\", line \d+ in test_lock_of_a_library", printed)
    assert re.search(r"PASSED \S*test_after_them", printed)
