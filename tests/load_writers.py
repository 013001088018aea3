"""Writers and readers in processes of their own, all at work on one repository."""

from __future__ import annotations

import multiprocessing
import time
import traceback
import uuid
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from small_repository import NOTE

from butler import Butler, CollectionType, DatasetType
from butler.errors import ConflictingDefinitionError

__all__ = ["FIRST_DETECTOR", "FIRST_VISIT", "SHOT", "Report", "work_together"]

SHOT = DatasetType("shot", ("instrument", "visit", "detector"), "StructuredDataDict")
LOG = DatasetType("writers_log", ("instrument", "group"), "StructuredDataDict")
FIRST_VISIT, FIRST_DETECTOR = 1000, 10


@dataclass(frozen=True)
class Report:
    """What one process did.

    Parameters
    ----------
    ids
        UUIDs of the datasets that were put, by dataset type and visit; of a writer.
    lengths
        Numbers of datasets seen, one after the other; of a reader.
    fault
        Traceback of what stopped it; empty if nothing did.
    """

    ids: dict[tuple[str, int], uuid.UUID]
    lengths: list[int]
    fault: str


def write(root: Path, writer: int, n_puts: int, n_shared: int) -> Report:
    """Put shots of an own detector into an own run, then what all others want to put into a shared run."""
    done = {}
    with Butler(root, run=f"writer/{writer}", instrument="CAM") as butler:
        # All make the same dataset types, one with a new table, the same visits and the same chain.
        for dataset_type in (SHOT, LOG):
            butler.registry.registerDatasetType(dataset_type)
        butler.registry.syncDimensionData("detector", _detector(writer))
        butler.collections.register("all", CollectionType.CHAINED)
        butler.collections.prepend_chain("all", f"writer/{writer}")
        for number in range(n_puts):
            visit = FIRST_VISIT + number
            butler.registry.syncDimensionData("visit", _visit(visit))
            shot = {"writer": writer, "visit": visit}
            done[SHOT.name, visit] = butler.put(shot, SHOT, visit=visit, detector=FIRST_DETECTOR + writer).id
        for visit in range(FIRST_VISIT, FIRST_VISIT + n_shared):
            with suppress(ConflictingDefinitionError):
                done[NOTE.name, visit] = butler.put({"writer": writer}, NOTE, visit=visit, run="shared").id
    return Report(done, [], "")


def read(root: Path, until: Path) -> Report:
    """Query and read as long as the writers are at work."""
    lengths = []
    with Butler(root, instrument="CAM") as butler:
        while not until.exists():
            if butler.collections.query("al*") and butler.registry.datasets.find_type(SHOT.name):
                refs = butler.query_datasets(SHOT, "all", explain=False)
                lengths.append(len(refs))
                for ref in refs[-3:]:
                    assert butler.get(ref)["visit"] == ref.dataId["visit"]
    return Report({}, lengths, "")


def _detector(writer: int) -> dict[str, Any]:
    number = FIRST_DETECTOR + writer
    return {"instrument": "CAM", "id": number, "full_name": f"W{number}", "purpose": "SCIENCE"}


def _visit(number: int) -> dict[str, Any]:
    return {
        "instrument": "CAM",
        "id": number,
        "name": f"v{number}",
        "physical_filter": "CAM-g",
        "day_obs": 20240101,
    }


def _tell(teller: Connection, act: Any, arguments: tuple[Any, ...]) -> None:
    try:
        teller.send(act(*arguments))
    except BaseException:
        teller.send(Report({}, [], traceback.format_exc()))


def work_together(
    root: Path, *, n_writers: int, n_puts: int, n_readers: int, n_shared: int
) -> tuple[list[Report], list[Report], float]:
    """Run writers and readers to the end of all writers; return their reports and the seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["butler", "butler.formatters", "small_repository"])
    until = root.parent / "writers are done"

    def start(act: Any, *arguments: Any) -> tuple[Any, Connection]:
        told, teller = context.Pipe(duplex=False)
        process = context.Process(target=_tell, args=(teller, act, arguments))
        process.start()
        teller.close()
        return process, told

    begin = time.monotonic()
    readers = [start(read, root, until) for _ in range(n_readers)]
    writers = [start(write, root, number, n_puts, n_shared) for number in range(n_writers)]
    written: list[Report] = [told.recv() for _, told in writers]
    seconds = time.monotonic() - begin
    until.touch()
    seen: list[Report] = [told.recv() for _, told in readers]
    for process, _ in (*writers, *readers):
        process.join()
    return written, seen, seconds
