"""Native loops: arguments, and machine code that is kept, damaged, stale or cannot be kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from native_examples import Pair

from tasks.kernels import native_compiler, native_loop
from tasks.kernels.native_loop import NativeLoop


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory in which code is kept."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path


def loop(name: str) -> NativeLoop:
    """Return a loop that knows no machine code yet."""
    return NativeLoop("native_examples", name)


def refuse_to_compile(*_: object) -> None:
    """Fail: what is kept is not used."""
    raise AssertionError("the loop is compiled")


def test_arguments_arrive_as_they_are() -> None:
    """Arrays of several axes, named tuples, tuples, integers, floats and flags."""
    pair = Pair(np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8, 9, -(2**31)], np.int32))
    cube = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    told = np.zeros(11)
    describe = loop("describe")
    numbers, flags = (-(2**62), -0.25, True), np.array([True, False, True])
    describe(pair, numbers, np.uint32(2**32 - 1), np.float32(0.1), cube, flags, told)
    assert told.tolist() == [2, 3, 5, -(2**31), -(2**62), -0.25, 1, 1, 23, 2, np.float32(0.1)]
    assert pair.second[0] == -1


def test_arrays_may_have_gaps(kept: Path) -> None:
    """A loop works on a view where it lies; it is another kind of array, with code of its own."""
    values = np.arange(12.0).reshape(3, 4)
    halve = loop("halve")
    halve(values[:, 1])
    assert values.tolist() == [[0, 0.5, 2, 3], [4, 2.5, 6, 7], [8, 4.5, 10, 11]]
    halve(values[::-1, 0])
    assert values[:, 0].tolist() == [0, 2, 4]
    assert len(list(kept.iterdir())) == 1
    halve(values[2])
    assert values[2].tolist() == [2, 2.25, 5, 5.5]
    assert len(list(kept.iterdir())) == 2


@pytest.mark.parametrize(
    "argument",
    [np.zeros(4, ">f8"), np.frombuffer(bytes(33), np.uint8)[1:].view(float), "text", None, [1.0]],
    ids=["foreign bytes", "off the word boundaries", "str", "None", "list"],
)
def test_other_arguments_are_refused(argument: object) -> None:
    """What the loop could not read is an error that says what it takes."""
    with pytest.raises(TypeError, match="a loop takes"):
        loop("halve")(argument)


def test_kept_code_is_used(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that was compiled before is not compiled again, also for read-only arrays and other lengths."""
    loop("halve")(np.ones(3))
    assert len(list(kept.iterdir())) == 1
    monkeypatch.setattr(native_compiler, "compile_entry", refuse_to_compile)
    values = np.array([4.0, 8.0])
    loop("halve")(values)
    assert values.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_damaged_code_is_made_anew(kept: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not whole is never run, and replaced."""
    loop("halve")(np.ones(3))
    [file] = kept.iterdir()
    whole = file.read_bytes()
    changed = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    file.write_bytes({"cut": whole[:-9], "changed": changed, "empty": b""}[damage])
    values = np.array([4.0])
    loop("halve")(values)
    assert values.tolist() == [2.0]
    assert list(kept.iterdir()) == [file]
    monkeypatch.setattr(native_compiler, "compile_entry", refuse_to_compile)
    loop("halve")(values)
    assert values.tolist() == [1.0]


def test_code_of_other_sources_is_made_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of any kernel's source makes kept code stale; it is replaced, so that nothing piles up."""
    loop("halve")(np.ones(3))
    [before] = [path.read_bytes() for path in kept.iterdir()]
    monkeypatch.setattr(native_loop, "_sources", lambda: "others")
    loop("halve")(np.ones(3))
    [after] = [path.read_bytes() for path in kept.iterdir()]
    assert after != before


def test_loops_run_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is no directory keeps nothing, and hinders nothing."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    values = np.array([4.0])
    loop("halve")(values)
    assert values.tolist() == [2.0]


def test_code_is_kept_for_the_user_where_sources_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside sources of another owner nothing is written."""
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(native_loop, "_HOME", tmp_path / "file")
    loop("halve")(np.ones(3))
    assert len(list((tmp_path / "cache" / "coadd-butler").iterdir())) == 1


def test_code_that_needs_numba_runs_but_is_not_kept(kept: Path) -> None:
    """A loop that takes memory from numba works in the process that compiles it."""
    total = np.zeros(1)
    loop("total_of_copy")(np.ones(3), total)
    assert total[0] == 6.0
    assert not list(kept.iterdir())


def test_an_error_in_a_loop_is_told() -> None:
    """A loop that raises does not end in silence."""
    values = np.array([1.0])
    refuse = loop("refuse")
    refuse(values)
    assert values[0] == 5.0
    with pytest.raises(RuntimeError, match="refuse raised an error"):
        refuse(np.array([-1.0]))


def test_threads_compile_a_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that need a loop at the same time wait for one of them."""
    compiled = []
    compile_entry = native_compiler.compile_entry
    monkeypatch.setattr(
        native_compiler, "compile_entry", lambda *what: compiled.append(what) or compile_entry(*what)
    )
    halve, planes = loop("halve"), [np.full(1000, 2.0) for _ in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(halve, planes))
    assert len(compiled) == 1
    assert all((plane == 1.0).all() for plane in planes)
