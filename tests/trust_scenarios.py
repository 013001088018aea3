"""What writers do when they are killed: one function for each way to change a repository.

::

    base/repository     the one that is changed: datasets in the runs "old" and "doomed", a tag, a chain
    base/incoming       files to ingest
    base/exported       an export with its files
    base/other          another repository

All UUIDs are given, so that two runs of a function differ in nothing but the time.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from small_repository import CALEXP, NOTE, TOTAL, fill_repository, insert_records, make_exposure
from stored_files import write

from butler import Butler, CollectionType, DatasetRef, DatasetType, FileDataset
from butler.errors import ConflictingDefinitionError

__all__ = ["OTHERS", "SCENARIOS", "Scenario", "damage", "make_base"]

Scenario = Callable[[Butler, Path], None]
REPORT: Final = DatasetType("report", ("instrument", "visit"), "StructuredDataDict")


def note(number: int, run: str = "old", visit: int = 1, kind: DatasetType = NOTE) -> DatasetRef:
    """Return the ref of a small dataset, with the UUID of its number."""
    return DatasetRef(kind, {"instrument": "CAM", "visit": visit}, run, uuid.UUID(int=number))


def calexp(number: int, run: str = "old", visit: int = 1, detector: int = 0) -> DatasetRef:
    """Return the ref of an exposure, with the UUID of its number."""
    data_id = {"instrument": "CAM", "visit": visit, "detector": detector}
    return DatasetRef(CALEXP, data_id, run, uuid.UUID(int=number))


def make_base(base: Path) -> None:
    """Make the directory that each writer gets a copy of."""
    Butler.makeRepo(base / "repository")
    fill_repository(base / "repository")
    incoming = base / "incoming"
    incoming.mkdir()
    for visit in (1, 2, 3):
        write({"arrived": visit}, incoming / f"{visit}.json", "StructuredDataDict")
    write(make_exposure((7, 7)), incoming / "calexp.fits", "ExposureF")
    outside = write({"lies": "outside"}, base.parent / "outside.json", "StructuredDataDict")
    with Butler(base / "repository", run="old", instrument="CAM") as butler:
        for run in ("doomed", "new", "night/1"):
            butler.registry.registerRun(run)
        put_many(butler, [note(1), note(2, visit=2), calexp(3), calexp(4, visit=2)])
        put_many(butler, [note(5, "doomed", 2), calexp(6, "doomed", visit=2, detector=1)])
        put_many(butler, [DatasetRef(TOTAL, {}, "old", uuid.UUID(int=7)), note(8, "old", 3)])
        butler.ingest(FileDataset(outside, note(9, "doomed", 3)), transfer="direct")
        butler.pruneDatasets([note(8, "old", 3)], unstore=True)
        butler.collections.register("tag", CollectionType.TAGGED)
        butler.registry.associate("tag", [note(1), note(5, "doomed", 2), calexp(4, visit=2)])
        butler.collections.register("chain", CollectionType.CHAINED)
        butler.collections.redefine_chain("chain", ["doomed", "old"])
    make_exported(base)


def make_exported(base: Path) -> None:
    """Make another repository, and an export of it."""
    Butler.makeRepo(base / "other")
    refs = [note(21, "brought"), note(22, "brought", 2), calexp(23, "brought")]
    with Butler(base / "other", run="brought") as other:
        insert_records(other)
        for kind in (NOTE, CALEXP):
            other.registry.registerDatasetType(kind)
        put_many(other, refs)
        with other.export(directory=base / "exported", transfer="copy") as export:
            export.saveDatasets(refs)


def content(ref: DatasetRef) -> Any:
    """Return what is put for a ref; no two are equal."""
    number = ref.id.int
    return make_exposure((number, -number)) if ref.datasetType == CALEXP else {"number": number}


def put_many(butler: Butler, refs: list[DatasetRef]) -> None:
    butler.put_many([(content(ref), ref) for ref in refs])


def put(butler: Butler, base: Path) -> None:
    ref = calexp(31, "new")
    butler.put(content(ref), ref)


def put_again(butler: Butler, base: Path) -> None:
    ref = note(8, "old", 3)
    butler.put(content(ref), ref)


def put_several(butler: Butler, base: Path) -> None:
    put_many(butler, [note(41, "new"), calexp(42, "night/1"), note(43, "new", 2), calexp(44, "night/1", 2)])


def ingest(transfer: str) -> Scenario:
    """Return a writer that ingests two files of a new type into a new run."""

    def ingest_files(butler: Butler, base: Path) -> None:
        files = [
            FileDataset(base / "incoming" / f"{visit}.json", note(50 + visit, "arrived", visit, REPORT))
            for visit in (1, 2)
        ]
        files.append(FileDataset(base / "incoming" / "calexp.fits", calexp(55, "arrived", 3, 1)))
        butler.ingest(*files, transfer=transfer)

    return ingest_files


def transaction(butler: Butler, base: Path) -> None:
    """Put, remove and edit in one block, with an inner block that is undone and one that is kept."""
    with butler.transaction():
        first, second, third = note(61, "new"), note(62, "new", 2), calexp(63, "new", 3)
        butler.put(content(first), first)
        with contextlib.suppress(ConflictingDefinitionError), butler.transaction():
            butler.put(content(second), second)
            butler.put({}, note(64, "old"))
        butler.collections.register("late", CollectionType.TAGGED)
        with butler.transaction():
            butler.put(content(third), third)
            butler.registry.associate("late", [first, third])
        butler.pruneDatasets([note(2, visit=2)], unstore=True, purge=True)
        butler.collections.extend_chain("chain", ["new"])


def unstore(butler: Butler, base: Path) -> None:
    butler.pruneDatasets([note(1), calexp(3), calexp(4, visit=2)], unstore=True)


def purge(butler: Butler, base: Path) -> None:
    refs = [note(1), calexp(4, visit=2), note(9, "doomed", 3)]
    butler.pruneDatasets(refs, unstore=True, purge=True)


def remove_runs(butler: Butler, base: Path) -> None:
    butler.removeRuns(["doomed", "night/1"], unlink_from_chains=True)


def import_copies(butler: Butler, base: Path) -> None:
    butler.import_(directory=base / "exported", transfer="copy")


def import_moved(butler: Butler, base: Path) -> None:
    butler.import_(directory=base / "exported", transfer="move")


def transfer_from(butler: Butler, base: Path) -> None:
    with Butler(base / "other") as other:
        butler.transfer_from(other, other.query_datasets("note", "brought"), register_dataset_types=True)


def damage(base: Path) -> None:
    """Leave what kills, a lost file and a damaged one leave."""
    root = base / "repository"
    with Butler(root) as butler:
        butler.getURI(note(1)).unlink()
        with butler.getURI(calexp(3)).open("ab") as stream:
            stream.write(b"more")
        butler.datastore.stage({}, note(71, "never/registered"))
        twin = butler.datastore.stage({}, note(72, "never/registered", 2))
    twin.publish()
    (root / "old" / "stray.json").write_text("{}")


def repair(butler: Butler, base: Path) -> None:
    butler.verify(repair=True)


def create(butler: Butler, base: Path) -> None:
    Butler.makeRepo(base / "made")


def retrieve(butler: Butler, base: Path) -> None:
    refs = [note(1), note(2, visit=2), calexp(3), calexp(4, visit=2)]
    butler.retrieveArtifacts(refs, base / "taken", transfer="copy")


def export(butler: Butler, base: Path) -> None:
    with butler.export(directory=base / "taken", transfer="copy") as exported:
        exported.saveDatasets([note(1), note(2, visit=2), calexp(3), calexp(4, visit=2)])


SCENARIOS: Final[dict[str, Scenario]] = {
    "put": put,
    "put again": put_again,
    "put_many": put_several,
    **{f"ingest {t}": ingest(t) for t in ("copy", "move", "hardlink", "symlink", "auto", "direct")},
    "transaction": transaction,
    "unstore": unstore,
    "purge": purge,
    "removeRuns": remove_runs,
    "import copy": import_copies,
    "import move": import_moved,
    "transfer_from": transfer_from,
}
"""Ways to change a repository, each all or nothing."""
OTHERS: Final[dict[str, Scenario]] = {
    "repair": repair,
    "create": create,
    "retrieve": retrieve,
    "export": export,
}
"""What may be left half-done, but never with a half file under its final name."""
