"""The scheduler: every order that a graph allows, and no other."""

from __future__ import annotations

import random
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.execution import Scheduler


class Graph:
    """A graph of numbers in place of quanta, with random edges from smaller to larger ones."""

    def __init__(self, size: int, chance: random.Random) -> None:
        ids = [uuid.UUID(int=number) for number in range(size)]
        self.quanta = tuple(SimpleNamespace(id=key) for key in ids)
        self.dependencies = {
            key: frozenset(chance.sample(ids[:number], min(number, chance.randrange(3))))
            for number, key in enumerate(ids)
        }


def ancestors(graph: Graph, key: uuid.UUID) -> set[uuid.UUID]:
    """Return all that a node needs, however far."""
    direct = graph.dependencies[key]
    return set(direct).union(*(ancestors(graph, other) for other in direct))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 20), st.integers(0, 2**32), st.integers(0, 2))
def test_any_walk(size: int, seed: int, retries: int) -> None:
    """Nothing runs before what it needs; a failure blocks all that need it and nothing else; all end once."""
    chance = random.Random(seed)
    graph = Graph(size, chance)
    scheduler = Scheduler(graph, retries=retries, pause=1.0)  # type: ignore[arg-type]
    out: list[Any] = []
    done, failed, blocked = set(), set(), set()
    now, tries = 0.0, 0
    while not scheduler.is_over:
        while chance.random() < 0.7 and (quantum := scheduler.take(now)) is not None:
            assert graph.dependencies[quantum.id] <= done
            out.append(quantum)
        assert scheduler.n_out == len(out)
        if not out:
            now = max(now, scheduler.next_due() or now)
            continue
        quantum = out.pop(chance.randrange(len(out)))
        if chance.random() < 0.75:
            scheduler.finish(quantum)
            done.add(quantum.id)
        elif scheduler.retry(quantum, now):
            tries += 1
        else:
            assert scheduler.attempt(quantum) == retries + 1
            failed.add(quantum.id)
            blocked |= {other.id for other in scheduler.fail(quantum)}
    assert tries <= retries * size
    assert done | failed | blocked == set(graph.dependencies)
    assert len(done) + len(failed) + len(blocked) == size
    assert blocked == {key for key in graph.dependencies if ancestors(graph, key) & failed} - failed
    assert list(scheduler.left()) == []


def test_pauses_double_and_a_stop_leaves_the_rest() -> None:
    """A retry waits for 1, 2, 4 pauses; after a stop nothing is handed out or tried again."""
    graph = Graph(2, random.Random(0))
    graph.dependencies = dict.fromkeys(graph.dependencies, frozenset())
    scheduler = Scheduler(graph, retries=3, pause=0.5)  # type: ignore[arg-type]
    first, second = scheduler.take(0.0), scheduler.take(0.0)
    assert first is not None
    assert second is not None
    scheduler.finish(second)
    now = 0.0
    for pause in (0.5, 1.0, 2.0):
        assert scheduler.retry(first, now)
        assert scheduler.next_due() == now + pause
        assert not scheduler.has_ready(now + pause - 0.01)
        now += pause
        assert scheduler.take(now) is first
    assert not scheduler.retry(first, now)
    scheduler.stop()
    assert not scheduler.is_over
    assert list(scheduler.left()) == [first]
    with pytest.raises(KeyError):
        scheduler.finish(second)
