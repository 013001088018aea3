"""Removal of datasets and runs: what goes, what stays, and in which order."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from small_repository import CALEXP, NOTE, make_exposure

from butler import Butler, CollectionType, DatasetExistence, DatasetRef, FileDataset
from butler.datastore import FileDatastore
from butler.errors import (
    ArtifactExistsError,
    ArtifactMissingError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DatasetTypeError,
    MissingCollectionError,
    OrphanedRecordError,
    PruneError,
    ReadOnlyButlerError,
)
from butler.registry import FileRecord

pytestmark = pytest.mark.both_databases


def files_of(butler: Butler) -> set[str]:
    """Return the files in the directories of runs."""
    return {
        path.relative_to(butler.root).as_posix()
        for path in butler.root.rglob("*")
        if path.is_file() and path.parent != butler.root and "skymaps" not in path.parts
    }


def purge_and_fail(butler: Butler, refs: list[DatasetRef]) -> None:
    """Purge in a transaction that is rolled back."""
    with butler.transaction():
        butler.pruneDatasets(refs, purge=True, unstore=True)
        raise RuntimeError("stop")


@pytest.fixture
def notes(butler: Butler) -> list[DatasetRef]:
    """Put a note of each visit."""
    return [butler.put({"visit": visit}, NOTE, visit=visit) for visit in (1, 2, 3)]


def test_unstore_keeps_the_dataset(butler: Butler, notes: list[DatasetRef]) -> None:
    """Without file a dataset stays registered, and can be stored again under its UUID."""
    path = butler.getURI(notes[0])
    butler.pruneDatasets(notes[:1], disassociate=False, unstore=True)
    assert not path.exists()
    assert butler.find_dataset(NOTE, visit=1) == notes[0]
    with pytest.raises(ArtifactMissingError, match="no stored file"):
        butler.get(notes[0])
    butler.pruneDatasets(notes[:1], unstore=True)
    assert [butler.exists(ref, full_check=False) for ref in notes[:2]] == [
        DatasetExistence.RECORDED | DatasetExistence._ASSUMED,
        DatasetExistence.KNOWN,
    ]
    assert butler.put({"visit": "again"}, notes[0]) == notes[0]
    assert butler.get(notes[0]) == {"visit": "again"}
    with pytest.raises(ConflictingDefinitionError, match="exists in run"):
        butler.put({"visit": "twice"}, notes[0])
    assert butler.verify().is_clean


def test_purge_removes_everything(butler: Butler, notes: list[DatasetRef]) -> None:
    """Rows, tags and file go; what is gone already is no error; the data ID is free again."""
    butler.pruneDatasets(notes[:2], purge=True, unstore=True)
    butler.pruneDatasets(notes[:2], purge=True, unstore=True)
    assert butler.query_datasets("note") == [notes[2]]
    assert files_of(butler) == {butler.getURI(notes[2]).relative_to(butler.root).as_posix()}
    assert butler.get_dataset(notes[0].id) is None
    again = butler.put({"visit": "new"}, NOTE, visit=1)
    assert butler.get(again) == {"visit": "new"}
    assert butler.verify().is_clean


def test_tags_only(butler: Butler, notes: list[DatasetRef]) -> None:
    """With tags alone, datasets leave the TAGGED collection and nothing else."""
    butler.collections.register("tag", CollectionType.TAGGED)
    butler.registry.associate("tag", notes)
    butler.pruneDatasets(notes[:1], tags=["tag"])
    assert butler.query_datasets("note", "tag") == notes[1:]
    assert all(butler.exists(ref) for ref in notes)
    with pytest.raises(CollectionTypeError, match="only TAGGED"):
        butler.pruneDatasets(notes[1:], tags=["tag", "run"], unstore=True)
    assert butler.query_datasets("note", "tag") == notes[1:]
    assert all(butler.exists(ref) for ref in notes)


def test_contradictions_are_refused(butler: Butler, notes: list[DatasetRef]) -> None:
    """A call that asks for nothing, or for half of a purge, says what to write instead."""
    with pytest.raises(PruneError, match=r"nothing to do: give tags=\[\.\.\.\]"):
        butler.pruneDatasets(notes)
    with pytest.raises(PruneError, match="needs unstore=True"):
        butler.pruneDatasets(notes, purge=True)
    with pytest.raises(TypeError, match="disassociate=True"):
        butler.pruneDatasets(notes, purge=True, unstore=True, disassociate=False)
    with pytest.raises(PruneError, match="tags are given"):
        butler.pruneDatasets(notes, tags=["tag"], disassociate=False)
    part = butler.put(make_exposure(), CALEXP, visit=1, detector=0).makeComponentRef("wcs")
    with pytest.raises(DatasetTypeError, match="part of a calexp"):
        butler.pruneDatasets([part], unstore=True)
    with Butler(butler.root) as reader, pytest.raises(ReadOnlyButlerError):
        reader.pruneDatasets(notes, unstore=True)
    assert all(butler.exists(ref) for ref in [*notes, part])


def test_files_go_after_the_outermost_commit(butler: Butler, notes: list[DatasetRef]) -> None:
    """Inside a transaction files stay; they go with its commit, and stay if it is rolled back."""
    paths = [butler.getURI(ref) for ref in notes]
    with pytest.raises(RuntimeError, match="stop"):
        purge_and_fail(butler, notes)
    assert [butler.get(ref)["visit"] for ref in notes] == [1, 2, 3]
    with butler.transaction():
        butler.pruneDatasets(notes[:1], purge=True, unstore=True)
        with pytest.raises(RuntimeError, match="stop"):
            purge_and_fail(butler, notes[1:2])
        replaced = butler.put({"visit": "new"}, NOTE, visit=1)
        assert all(path.exists() for path in paths)
    assert [path.exists() for path in paths] == [False, True, True]
    assert butler.get(replaced) == {"visit": "new"}
    assert butler.verify().is_clean


def test_kill_between_rows_and_files(
    butler: Butler, notes: list[DatasetRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first file goes the rows are gone for good; what a kill leaves there, repair removes."""
    seen: list[int] = []

    def die(self: FileDatastore, record: FileRecord, mark: str | None) -> None:
        with Butler(butler.root) as other:
            seen.append(len(other.get_many_datasets([ref.id for ref in notes])))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FileDatastore, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            butler.pruneDatasets(notes, purge=True, unstore=True)
    assert seen == [0]
    report = butler.verify(repair=True)
    assert len(report.orphans) == 6, "files and their marks"
    assert not report.missing
    assert butler.verify().is_clean
    assert files_of(butler) == set()


def test_file_that_resists_stops_nothing(
    butler: Butler, notes: list[DatasetRef], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be deleted is told of; the others go."""
    real = FileDatastore.remove
    victim = butler.registry.files.get([notes[1].id])[notes[1].id].path

    def resist(self: FileDatastore, record: FileRecord, mark: str | None) -> None:
        if record.path == victim:
            raise PermissionError(13, "Permission denied")
        real(self, record, mark)

    monkeypatch.setattr(FileDatastore, "remove", resist)
    butler.pruneDatasets(notes, purge=True, unstore=True)
    left = files_of(butler)
    assert victim in left
    assert len(left) == 2, "the file and its mark"
    assert "1 files could not be removed" in caplog.text
    monkeypatch.undo()
    butler.verify(repair=True)
    assert files_of(butler) == set()


def test_users_own_file_stays(butler: Butler, tmp_path: Path) -> None:
    """What was ingested in place is not deleted, inside the repository as outside."""
    outside, inside = tmp_path / "outside.json", butler.root / "mine" / "inside.json"
    inside.parent.mkdir()
    refs = []
    for visit, (path, transfer) in enumerate([(outside, "direct"), (inside, "auto")], start=1):
        path.write_text('{"a": 1}')
        ref = DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, "run")
        refs += butler.ingest(FileDataset(path, ref), transfer=transfer)
    assert [butler.get(ref) for ref in refs] == [{"a": 1}] * 2
    assert butler.getURI(refs[1]) == inside
    butler.pruneDatasets(refs, purge=True, unstore=True)
    assert outside.exists()
    assert inside.exists()


def test_shared_file_goes_with_its_last_dataset(butler: Butler, notes: list[DatasetRef]) -> None:
    """A file that two datasets share is deleted when the second of them is."""
    path = butler.getURI(notes[0])
    record = butler.registry.files.get([notes[0].id])[notes[0].id]
    with butler.transaction():
        butler.registry.files.remove([notes[1].id])
        butler.registry.files.insert({notes[1].id: record})
    butler.pruneDatasets([notes[0]], purge=True, unstore=True)
    assert path.exists()
    assert butler.get(notes[1]) == {"visit": 1}
    butler.pruneDatasets([notes[1]], unstore=True)
    assert not path.exists()


def test_remove_runs(butler: Butler, notes: list[DatasetRef]) -> None:
    """A run goes whole; chains and wrong names are found before anything is touched."""
    butler.collections.register("tag", CollectionType.TAGGED)
    butler.registry.associate("tag", notes)
    butler.registry.registerRun("other")
    other = butler.put({}, NOTE, visit=1, run="other")
    for chain in ("a", "b"):
        butler.collections.register(chain, CollectionType.CHAINED)
        butler.collections.redefine_chain(chain, ["run", "other"])
    with pytest.raises(OrphanedRecordError, match="'run' is part of a, b; nothing was removed"):
        butler.removeRuns(["run"])
    with pytest.raises(CollectionTypeError, match="TAGGED"):
        butler.removeRuns(["run", "tag"], unlink_from_chains=True)
    with pytest.raises(MissingCollectionError):
        butler.removeRuns(["run", "nope"], unlink_from_chains=True)
    assert all(butler.exists(ref) for ref in [*notes, other])
    butler.removeRuns("run", unlink_from_chains=True)
    assert butler.collections.get_info("a").children == ("other",)
    assert "run" not in butler.collections.query("*")
    assert butler.query_datasets("note", ["tag", "a"]) == [other]
    assert butler.verify().is_clean
    assert len(files_of(butler)) == 1


def test_existence_has_the_states_of_a_dataset(butler: Butler, notes: list[DatasetRef]) -> None:
    """Each state of row, record and file has its flag; only a dataset that can be read is true."""
    butler.getURI(notes[1]).unlink()
    butler.pruneDatasets([notes[2]], unstore=True)
    full = [butler.exists(ref) for ref in notes]
    assert full == [
        DatasetExistence.VERIFIED,
        DatasetExistence.RECORDED | DatasetExistence.DATASTORE,
        DatasetExistence.RECORDED,
    ]
    assert [bool(flag) for flag in full] == [True, False, False]
    quick = [butler.exists(ref, full_check=False) for ref in notes]
    assert [bool(flag) for flag in quick] == [True, True, False]
    assert [flag.value for flag in (*quick[::2], full[0])] == [11, 9, 7]
    assert butler.stored_many(notes) == {ref: i == 0 for i, ref in enumerate(notes)}
    assert butler.stored(notes[0])
    assert list(butler.get_many_uris(notes, allow_missing=True)) == notes[:2]
    with pytest.raises(ArtifactMissingError, match="has no stored file"):
        butler.get_many_uris(notes)


def test_existence_of_the_unknown(butler: Butler, notes: list[DatasetRef]) -> None:
    """What is unknown is so without an error, except a UUID under a false name."""
    unknown = DatasetExistence.UNRECOGNIZED
    butler.pruneDatasets([notes[0]], purge=True, unstore=True)
    assert butler.exists(notes[0]) is unknown
    assert butler.exists("note", visit=1) is unknown
    assert butler.exists("nope", visit=1) is unknown
    assert butler.exists("note", visit=2, collections=[]) is unknown
    with Butler(butler.root) as without:
        assert without.exists("note", visit=2, instrument="CAM") is unknown
    false = DatasetRef(NOTE, notes[1].dataId, "other", notes[1].id)
    with pytest.raises(ConflictingDefinitionError, match="belongs to"):
        butler.exists(false)
    assert butler.get_many_datasets([notes[1].id, uuid.uuid4()]) == [notes[1]]


def test_retrieve_artifacts(butler: Butler, notes: list[DatasetRef], tmp_path: Path) -> None:
    """Files come with or without their directories; nothing is overwritten unasked."""
    target = tmp_path / "out"
    paths = butler.retrieveArtifacts(notes, target)
    assert [path.relative_to(target) for path in paths] == [
        butler.getURI(ref).relative_to(butler.root) for ref in notes
    ]
    assert [path.read_bytes() for path in paths] == [butler.getURI(ref).read_bytes() for ref in notes]
    with pytest.raises(FileExistsError, match="there already"):
        butler.retrieveArtifacts(notes, target)
    paths[0].write_text("spoilt")
    butler.retrieveArtifacts(notes, target, overwrite=True)
    assert paths[0].read_bytes() == butler.getURI(notes[0]).read_bytes()
    flat = butler.retrieveArtifacts(notes, tmp_path / "flat", "symlink", preserve_path=False)
    assert [path.parent for path in flat] == [tmp_path / "flat"] * 3
    assert flat[0].resolve() == butler.getURI(notes[0]).resolve()
    assert not list(tmp_path.rglob(".*"))


def test_retrieval_is_refused_whole(butler: Butler, notes: list[DatasetRef], tmp_path: Path) -> None:
    """A lost file, or two of one name, are found before the first file is brought."""
    butler.registry.registerRun("a/run")
    butler.getURI(notes[2]).unlink()
    with pytest.raises(ArtifactMissingError, match="gone"):
        butler.retrieveArtifacts(notes, tmp_path / "out")
    same = tmp_path / "x" / butler.getURI(notes[0]).name
    same.parent.mkdir()
    same.write_text("{}")
    ref = DatasetRef(NOTE, {"instrument": "CAM", "visit": 1}, "a/run")
    (taken,) = butler.ingest(FileDataset(same, ref), transfer="direct")
    with pytest.raises(ArtifactExistsError, match="would both be"):
        butler.retrieveArtifacts([notes[0], taken], tmp_path / "out", preserve_path=False)
    assert not (tmp_path / "out").exists()
