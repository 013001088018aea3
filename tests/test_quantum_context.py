"""What a running quantum gets of a butler: its own datasets, and what becomes known of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_repository import CALEXP, NOTE, make_exposure

from butler import Butler, DataCoordinate, DatasetRef
from connections import Input, Output, PipelineTaskConnections, Quantum
from tasks.errors import TaskError
from tasks.execution import QuantumContext

KEYS = ("instrument", "visit", "detector")


class CalibrateConnections(PipelineTaskConnections, dimensions=KEYS):
    note = Input(name="note", storageClass="StructuredDataDict", dimensions=("instrument", "visit"))
    calexp = Output(name="calexp", storageClass="ExposureF", dimensions=KEYS)


@pytest.fixture
def context(butler: Butler) -> Iterator[QuantumContext]:
    """Return the context of a quantum that reads a note and writes an exposure."""
    read = butler.put({"sky": 3}, "note", instrument="CAM", visit=1)
    written = DatasetRef(CALEXP, {"instrument": "CAM", "visit": 1, "detector": 0}, "run")
    written = written.expanded(butler.registry.records.expand(written.dataId))
    quantum = Quantum(
        "calibrate",
        DataCoordinate.standardize(written.dataId),
        {"note": (read,)},
        {"calexp": (written,)},
    )
    records = butler.registry.files.get([read.id])
    context = QuantumContext(quantum, CalibrateConnections(), butler.datastore, records)
    yield context
    context.discard()


def test_more_is_told_of_what_was_read(butler: Butler, context: QuantumContext) -> None:
    """It stands in the metadata of what is put afterwards, with the dataset that it is about."""
    [note], [calexp] = context.quantum.inputs["note"], context.quantum.outputs["calexp"]
    with pytest.raises(TaskError, match="was not read"):
        context.add_additional_provenance(note, {"weight": 0.5})
    assert context.get(note) == {"sky": 3}
    context.add_additional_provenance(note, {"weight": 0.5})
    context.put(make_exposure(), calexp)
    butler.store_staged(context.staged)
    context.staged.clear()
    told = butler.get("calexp.metadata", instrument="CAM", visit=1, detector=0)
    assert told["LSST BUTLER INPUT 0 ID"] == str(note.id)
    assert told["LSST BUTLER INPUT 0 WEIGHT"] == 0.5
    assert told["LSST BUTLER QUANTUM"] == str(context.quantum.id)


def test_datasets_of_others_are_refused(context: QuantumContext) -> None:
    """A quantum reads and writes nothing that the plan does not give to it."""
    other = DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, "run")
    with pytest.raises(TaskError, match="is no input"):
        context.get(other)
    with pytest.raises(TaskError, match="is no output"):
        context.put({}, other)
