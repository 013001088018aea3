"""One story in every kind of datastore: whoever tells it cannot say where the files are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from object_server import ObjectServer
from small_repository import CALEXP, NOTE, broken_off, insert_records, make_exposure

from butler import Butler, DatasetRef, FileDataset, RepositoryConfig
from butler.errors import ArtifactMissingError, ConflictingDefinitionError, StorageClassError
from butler.images import Box2I, Extent2I, Point2I

KINDS = ("repository", "directory", "in-memory", "fsspec memory", "s3")
_NUMBER = itertools.count()


@pytest.fixture(params=KINDS)
def anywhere(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Butler]:
    """Return a writeable butler of a repository that has its files in each kind of place."""
    monkeypatch.setenv("BUTLER_CACHE_DIRECTORY", str(tmp_path / "cache"))
    root = None
    options = {}
    match request.param:
        case "directory":
            root = str(tmp_path / "files")
        case "in-memory":
            root = "in-memory"
        case "fsspec memory":
            root = f"memory://alike{next(_NUMBER)}/files"
        case "s3":
            server: ObjectServer = request.getfixturevalue("object_server")
            root, options = server.url(tmp_path.name), server.options
    section = None if root is None else {"root": root, "options": options}
    Butler.makeRepo(tmp_path / "home", RepositoryConfig(datastore=section))
    with Butler(tmp_path / "home", run="run") as butler:
        insert_records(butler)
        for dataset_type in (CALEXP, NOTE):
            butler.registry.registerDatasetType(dataset_type)
        yield butler


def note(visit: int, run: str = "run") -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run)


def n_files(butler: Butler) -> int:
    """Return how many files of datasets the store has."""
    return sum(file.path.startswith("run/") for file in butler.datastore.store.walk())


def test_a_day_in_the_life_of_a_repository(anywhere: Butler, tmp_path: Path) -> None:
    """Datasets are put, read in parts, ingested, shared, undone, retrieved, removed and verified."""
    butler = anywhere
    exposure = make_exposure((100, 200), (60, 50))
    key = {"instrument": "CAM", "visit": 1, "detector": 0}
    calexp = butler.put(exposure, "calexp", key)
    box = Box2I(Point2I(110, 210), Extent2I(7, 5))
    handle = butler.getDeferred(calexp)
    np.testing.assert_array_equal(
        handle.get(component="image", parameters={"bbox": box}).array, exposure.image[box].array
    )
    assert handle.get(component="psf") == exposure.psf
    whole = butler.get(calexp)
    np.testing.assert_array_equal(whole.mask.array, exposure.mask.array)

    first, *_ = butler.put_many([({"visit": visit}, note(visit)) for visit in (1, 2)])
    with pytest.raises(ConflictingDefinitionError):
        butler.put({}, note(1))
    with pytest.raises(StorageClassError):
        butler.put({"bad": object()}, note(3))
    with broken_off(butler.transaction()):
        butler.put({}, note(3))
    assert n_files(butler) == 3

    source = tmp_path / "source.json"
    source.write_text('{"a": 1}')
    butler.ingest(FileDataset(source, [note(1, "other"), note(2, "other")]), transfer="copy")
    (third,) = butler.ingest(FileDataset(source, note(3)), transfer="move")
    assert not source.exists()
    assert butler.get(third) == butler.get("note", instrument="CAM", visit=2, collections="other") == {"a": 1}
    (copy,) = butler.retrieveArtifacts([third], tmp_path / "out", transfer="auto")
    assert copy.read_text() == '{"a": 1}'
    assert butler.verify().is_clean

    butler.pruneDatasets([third], unstore=True, disassociate=False)
    assert not butler.exists(third)
    with pytest.raises(ArtifactMissingError):
        butler.get(third)
    butler.put({"again": 1}, third)
    assert butler.get(third) == {"again": 1}
    butler.pruneDatasets([first], unstore=True, purge=True)
    with broken_off(butler.transaction()):
        butler.removeRuns("run")
    assert n_files(butler) == 3
    assert butler.exists(calexp)

    butler.datastore.stage({"left": "behind"}, note(1, "never"))
    assert len(butler.verify(repair=True).orphans) == 1
    butler.getURI(third).unlink()
    assert not butler.exists(third)
    assert butler.verify(repair=True).missing == (third.id,)
    butler.removeRuns(["run", "other"])
    assert n_files(butler) == 0
    assert butler.verify().is_clean
