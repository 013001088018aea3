"""Load: many processes write into one repository while others read; nothing is lost or there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from load_writers import FIRST_DETECTOR, SHOT, work_together
from small_repository import NOTE
from trust_scale import count

from butler import Butler

pytestmark = [pytest.mark.both_databases, pytest.mark.trust]

N_WRITERS = 8
N_SHARED = 20


def test_writers_and_readers(repository: Path, record_property: Any) -> None:
    """Each put is there once, one got what all wanted, nobody was told that a database is locked."""
    n_puts = count(sample=20, full=500)
    with Butler(repository, writeable=True) as butler:
        butler.registry.registerRun("shared")
    written, seen, seconds = work_together(
        repository, n_writers=N_WRITERS, n_puts=n_puts, n_readers=2, n_shared=N_SHARED
    )
    faults = [report.fault for report in (*written, *seen) if report.fault]
    assert not faults, faults[0]
    for report in seen:
        assert report.lengths == sorted(report.lengths)
    told = {
        (kind, visit, writer): dataset_id
        for writer, report in enumerate(written)
        for (kind, visit), dataset_id in report.ids.items()
    }
    with Butler(repository, collections="all", instrument="CAM") as butler:
        shots = butler.query_datasets(SHOT)
        shared = butler.query_datasets(NOTE, "shared")
        ids = {(SHOT.name, r.dataId["visit"], r.dataId["detector"] - FIRST_DETECTOR): r.id for r in shots}
        ids |= {(NOTE.name, r.dataId["visit"], butler.get(r)["writer"]): r.id for r in shared}
        assert ids == told
        assert (len(shots), len(shared)) == (N_WRITERS * n_puts, N_SHARED)
        for ref in shots[:: n_puts // 10]:
            writer = ref.dataId["detector"] - FIRST_DETECTOR
            assert ref.run == f"writer/{writer}"
            assert butler.get(ref) == {"writer": writer, "visit": ref.dataId["visit"]}
        runs = {f"writer/{n}" for n in range(N_WRITERS)}
        assert set(butler.collections.get_info("all").children) == runs
        assert butler.verify().is_clean
    record_property("puts", N_WRITERS * n_puts)
    record_property("puts per second", round(N_WRITERS * n_puts / seconds))
    record_property("queries of readers", sum(len(report.lengths) for report in seen))
