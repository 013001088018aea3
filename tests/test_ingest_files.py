"""Ingest of files: how they come, whose they are afterwards, and what happens to those that are there."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from repository_snapshot import snapshot
from small_repository import CALEXP, NOTE, broken_off, fill_repository, make_exposure

from butler import Butler, DatasetRef, DatasetType, FileDataset
from butler.datastore import UNKNOWN_SIZE
from butler.errors import (
    ArtifactMissingError,
    ButlerUserError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetTypeError,
    FileFormatError,
    TemplateError,
)
from butler.formatters import Formatter, formatter_for
from butler.repository import RepositoryConfig


def note_ref(visit: int = 1, run: str = "run", **kwargs: Any) -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run, **kwargs)


def calexp_ref() -> DatasetRef:
    return DatasetRef(CALEXP, {"instrument": "CAM", "visit": 1, "detector": 0}, "run")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of a note outside the repository."""
    path = tmp_path / "elsewhere" / "note.json"
    path.parent.mkdir()
    path.write_text('{"a": 1}')
    return path


@pytest.mark.parametrize(
    ("transfer", "kept", "link", "same_inode"),
    [
        ("copy", True, False, False),
        ("move", False, False, True),
        ("hardlink", True, False, True),
        ("link", True, False, True),
        ("auto", True, False, True),
        ("symlink", True, True, True),
        ("relsymlink", True, True, True),
    ],
)
def test_ways_to_bring_a_file_in(
    butler: Butler, source: Path, transfer: str, kept: bool, link: bool, same_inode: bool
) -> None:
    """Each mode leaves the source and makes the file as its name says."""
    inode = source.stat().st_ino
    (ref,) = butler.ingest(FileDataset(source, note_ref(1)), transfer=transfer)
    path = butler.getURI(ref)
    assert butler.get(ref) == {"a": 1}
    assert path.is_relative_to(butler.root / "run")
    assert source.exists() == kept
    assert path.is_symlink() == link
    assert (path.stat().st_ino == inode) == same_inode
    if link:
        assert path.readlink().is_absolute() == (transfer == "symlink")
    butler.pruneDatasets([ref], purge=True, unstore=True)
    assert not path.is_symlink()
    assert not path.exists()
    assert source.exists() == kept
    assert butler.verify().is_clean


def test_link_falls_back_to_a_symbolic_one(
    butler: Butler, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system has no hard links, ``link`` makes a symbolic one."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (ref,) = butler.ingest(FileDataset(source, note_ref(1)), transfer="link")
    assert butler.getURI(ref).is_symlink()
    assert butler.get(ref) == {"a": 1}
    with pytest.raises(ButlerUserError, match="cannot hardlink"):
        butler.ingest(FileDataset(source, note_ref(2)), transfer="hardlink")


def test_moved_file_is_not_lost(butler: Butler, source: Path) -> None:
    """The source of a move goes with the outermost commit, and stays if that fails."""
    with broken_off(butler.transaction()):
        butler.ingest(FileDataset(source, note_ref(1)), transfer="move")
    assert source.read_text() == '{"a": 1}'
    with butler.transaction():
        butler.ingest(FileDataset(source, note_ref(2)), transfer="move")
        assert source.exists()
    assert not source.exists()
    source.write_text('{"a": 1}')
    with pytest.raises(ButlerUserError, match="transfer is one of"):
        butler.ingest(FileDataset(source, note_ref(1)), transfer="teleport")
    assert source.exists()


def test_skip_existing(butler: Butler, source: Path) -> None:
    """What is there already is skipped if asked, else refused."""
    (ref,) = butler.ingest(FileDataset(source, note_ref(1)))
    with pytest.raises(ConflictingDefinitionError):
        butler.ingest(FileDataset(source, note_ref(1)), FileDataset(source, note_ref(2)))
    assert butler.query_datasets("note") == [ref]
    new = butler.ingest(
        FileDataset(source, note_ref(1)), FileDataset(source, note_ref(2)), skip_existing=True
    )
    assert [r.dataId["visit"] for r in new] == [2]
    assert butler.get_dataset(ref.id) == ref


@pytest.mark.parametrize("transfer", ["copy", "symlink", "hardlink", "direct"])
def test_an_ingested_file_reads_like_a_put_one(butler: Butler, source: Path, transfer: str) -> None:
    """Each way of bringing a file in gives a readable dataset, and only a direct one stays where it is."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()), transfer=transfer)
    assert butler.get("note", visit=1) == {"a": 1}
    place = butler.getURI(ref)
    assert (place == source) == (transfer == "direct")
    assert place.is_symlink() == (transfer == "symlink")
    assert place.samefile(source) == (transfer != "copy")
    assert butler.verify().is_clean


@pytest.mark.parametrize("transfer", ["copy", "symlink", "hardlink", "direct"])
def test_an_ingest_that_is_undone_leaves_the_source(butler: Butler, source: Path, transfer: str) -> None:
    """A batch with one broken file changes nothing; a finished one is undone with its block."""
    before = snapshot(butler.root)
    broken = source.with_name("broken.fits")
    broken.write_text("no FITS")
    good, bad = FileDataset(source, note_ref()), FileDataset(broken, calexp_ref())
    with pytest.raises(FileFormatError, match="not a FITS file"):
        butler.ingest(good, bad, transfer=transfer)
    assert snapshot(butler.root) == before
    with broken_off(butler.transaction()):
        butler.ingest(good, transfer=transfer)
    assert snapshot(butler.root) == before
    assert source.read_text() == '{"a": 1}'


@pytest.mark.parametrize("checksum", [True, "all"])
@pytest.mark.parametrize("transfer", ["copy", "direct", None])
def test_files_that_stay_are_read_for_a_checksum_only_on_request(
    tmp_path: Path, source: Path, transfer: str | None, checksum: bool | str
) -> None:
    """A change of a file that stays, to another of its length, is found if checksums are for all files."""
    root = tmp_path / "of_its_own"
    Butler.makeRepo(root, RepositoryConfig(checksum=checksum))
    fill_repository(root)
    with Butler(root, run="run") as butler:
        place = root / "given" / "source.json" if transfer is None else source
        place.parent.mkdir(exist_ok=True)
        place.write_text('{"a": 1}')
        (ref,) = butler.ingest(FileDataset(place, note_ref()), transfer=transfer)
        assert butler.verify().is_clean
        kept = place if transfer != "copy" else Path(str(butler.getURI(ref)))
        kept.write_text('{"a": 2}')
        assert bool(butler.verify().damaged) == (transfer == "copy" or checksum == "all")


@pytest.mark.parametrize("transfer", ["symlink", "hardlink", "direct"])
def test_a_repair_never_removes_the_source(butler: Butler, source: Path, transfer: str) -> None:
    """A damaged dataset that shares its bytes with somebody else's file loses its row only."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()), transfer=transfer)
    source.write_text('{"b": 22}')
    assert set(butler.verify(repair=True).damaged) == {ref.id}
    assert source.read_text() == '{"b": 22}'
    assert butler.get_dataset(ref.id) is None
    assert butler.verify().is_clean


def test_a_direct_file_inside_the_directory_of_a_run_is_no_orphan(butler: Butler) -> None:
    """A file that was registered in place is known, wherever it lies, and stays."""
    path = butler.root / "run" / "mine.json"
    path.parent.mkdir()
    path.write_text("{}")
    butler.ingest(FileDataset(path, note_ref()), transfer="direct")
    assert butler.verify(repair=True).is_clean
    path.write_text("longer")
    butler.verify(repair=True)
    assert path.exists()


# Files that stay where they are.


@pytest.fixture
def inside(butler: Butler) -> Path:
    """Return a file of a note that somebody keeps in the repository."""
    path = butler.root / "mine" / "note.json"
    path.parent.mkdir()
    path.write_text('{"a": 1}')
    return path


@pytest.mark.parametrize("transfer", [None, "auto", "split", "direct"])
def test_a_file_in_its_place_outlives_its_datasets(
    butler: Butler, inside: Path, transfer: str | None
) -> None:
    """It is read, verified, shared and purged, and still is its owner's, who may ingest it again."""
    for visit in (1, 2):
        (ref,) = butler.ingest(FileDataset(inside, note_ref(visit)), transfer=transfer)
        assert butler.getURI(ref) == inside
        assert butler.get(ref) == {"a": 1}
    assert butler.verify(repair=True).is_clean
    butler.removeRuns("run")
    assert inside.read_text() == '{"a": 1}'
    assert len(butler.ingest(FileDataset(inside, note_ref(1, "again")), transfer=transfer)) == 1
    inside.write_text("damaged")
    assert len(butler.verify(repair=True).damaged) == 1
    assert inside.exists()


def test_a_repository_that_moves_takes_files_in_their_places_along(butler: Butler, inside: Path) -> None:
    """Their paths are recorded relative to the root, like those of files of its own."""
    (ref,) = butler.ingest(FileDataset(inside, note_ref()), transfer=None)
    butler.close()
    moved = butler.root.rename(butler.root.with_name("moved"))
    with Butler(moved) as other:
        assert other.get(ref) == {"a": 1}
        assert other.getURI(ref) == moved / "mine" / "note.json"


def test_a_path_may_be_relative_to_the_current_directory(
    butler: Butler, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is named relatively is looked for as by any other program."""
    monkeypatch.chdir(inside.parent)
    (ref,) = butler.ingest(FileDataset("note.json", note_ref()), transfer=None)
    assert butler.getURI(ref) == inside


def test_only_files_in_folders_of_the_repository_are_in_place(
    butler: Butler, source: Path, inside: Path
) -> None:
    """Neither a file elsewhere nor the registry itself can become a dataset where it lies."""
    before = snapshot(butler.root)
    for path in (source, butler.root / "butler.yaml", inside.parent / ".." / "butler.yaml"):
        with pytest.raises(TemplateError, match="is no path of a file in a folder of the repository"):
            butler.ingest(FileDataset(path, note_ref()), transfer=None)
    assert snapshot(butler.root) == before


def test_split_leaves_files_elsewhere_where_they_are(butler: Butler, source: Path) -> None:
    """Outside it means the same as direct."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()), transfer="split")
    assert butler.getURI(ref) == source
    butler.pruneDatasets([ref], purge=True, unstore=True)
    assert source.exists()


def test_a_file_of_a_dataset_may_become_another_one_in_its_place(butler: Butler) -> None:
    """It goes with neither of them while the other needs it, and then not at all."""
    first = butler.put({"a": 1}, note_ref(1))
    path = butler.getURI(first)
    (second,) = butler.ingest(FileDataset(path, note_ref(2)), transfer="auto")
    butler.pruneDatasets([first], purge=True, unstore=True)
    assert butler.get(second) == {"a": 1}
    butler.pruneDatasets([second], purge=True, unstore=True)
    assert path.exists()


# Several datasets in one file.


@pytest.mark.parametrize("transfer", ["copy", "move", "symlink", "direct"])
def test_datasets_that_share_a_file(butler: Butler, source: Path, transfer: str) -> None:
    """All have the path of the first; the file goes with the last of them."""
    refs = butler.ingest(FileDataset(source, [note_ref(1), note_ref(2), note_ref(3)]), transfer=transfer)
    (path,) = {butler.getURI(ref) for ref in refs}
    assert [butler.get(ref) for ref in refs] == [{"a": 1}] * 3
    assert butler.verify().is_clean
    butler.pruneDatasets(refs[:1], purge=True, unstore=True)
    butler.pruneDatasets(refs[1:2], unstore=True, disassociate=False)
    assert butler.get(refs[2]) == {"a": 1}
    assert butler.verify().is_clean
    butler.pruneDatasets(refs, purge=True, unstore=True)
    assert path.exists() == (transfer == "direct")


def test_an_undone_ingest_of_a_shared_file_is_undone_once(butler: Butler, source: Path) -> None:
    """File and rows go together; the source stays."""
    before = snapshot(butler.root)
    with broken_off(butler.transaction()):
        butler.ingest(FileDataset(source, [note_ref(1), note_ref(2)]), transfer="move")
    assert snapshot(butler.root) == before
    assert source.exists()


def test_a_shared_file_that_is_damaged_costs_all_its_datasets(butler: Butler, source: Path) -> None:
    """Verify names each of them, and repair leaves nothing."""
    refs = butler.ingest(FileDataset(source, [note_ref(1), note_ref(2)]), transfer="copy")
    butler.getURI(refs[0]).write_text("{}")
    assert set(butler.verify(repair=True).damaged) == {ref.id for ref in refs}
    assert butler.verify().is_clean


def test_some_datasets_of_a_file_may_be_skipped(butler: Butler, source: Path) -> None:
    """Those that exist keep their own file."""
    butler.put({"own": 1}, note_ref(1))
    new = butler.ingest(FileDataset(source, [note_ref(1), note_ref(2)]), skip_existing=True)
    assert [ref.dataId["visit"] for ref in new] == [2]
    assert [butler.get("note", visit=visit) for visit in (1, 2)] == [{"own": 1}, {"a": 1}]


def test_the_datasets_of_a_file_are_in_one_run(source: Path) -> None:
    """A file has one place; no dataset at all is refused as well."""
    for refs in ([], [note_ref(1, "a"), note_ref(2, "b")]):
        with pytest.raises(DatasetTypeError, match="in one run"):
            FileDataset(source, refs)


# Datasets that exist.


def test_existing_datasets_are_skipped_by_uuid_and_by_data_id(butler: Butler, source: Path) -> None:
    """Both ways to be there already count; the file that was there first stays."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()), transfer="copy")
    place = butler.getURI(ref)
    for again in (note_ref(id=ref.id), note_ref()):
        with pytest.raises(ConflictingDefinitionError, match="exists in run 'run'"):
            butler.ingest(FileDataset(source, again))
        assert butler.ingest(FileDataset(source, again), skip_existing=True) == []
    assert butler.getURI(ref) == place
    assert butler.verify().is_clean


@pytest.mark.parametrize("skip_existing", [False, True])
def test_a_uuid_of_another_dataset_is_refused(butler: Butler, source: Path, skip_existing: bool) -> None:
    """Whoever gives a UUID a second meaning is told of the first."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()))
    for other in (note_ref(2, id=ref.id), note_ref(1, "other", id=ref.id)):
        with pytest.raises(ConflictingDefinitionError, match=f"the UUID {ref.id} belongs to"):
            butler.ingest(FileDataset(source, other), skip_existing=skip_existing)
    assert butler.collections.query("other*") == []


def test_an_unstored_dataset_gets_its_file_back(butler: Butler, source: Path) -> None:
    """A ref with its UUID says which dataset the file belongs to."""
    (ref,) = butler.ingest(FileDataset(source, note_ref()))
    butler.pruneDatasets([ref], unstore=True, disassociate=False)
    assert butler.ingest(FileDataset(source, ref)) == [ref]
    assert butler.get(ref) == {"a": 1}


@pytest.mark.parametrize("skip_existing", [False, True])
def test_a_dataset_named_twice_is_refused(butler: Butler, source: Path, skip_existing: bool) -> None:
    """Two entries for one dataset in one call, or one UUID for two, change nothing."""
    before = snapshot(butler.root)
    ref = note_ref()
    for pair in ((ref, note_ref()), (ref, ref), (ref, note_ref(2, id=ref.id))):
        datasets = [FileDataset(source, each) for each in pair]
        with pytest.raises(ConflictingDefinitionError, match="named twice in one call"):
            butler.ingest(*datasets, skip_existing=skip_existing)
    with pytest.raises(ConflictingDefinitionError, match="named twice"):
        butler.ingest(FileDataset(source, [ref, note_ref()]))
    assert snapshot(butler.root) == before


def test_dataset_types_and_runs_are_made_with_the_datasets(
    butler: Butler, source: Path, tmp_path: Path
) -> None:
    """They come with the first ingest, and not with one that fails."""
    fresh = DatasetType("fresh", ("visit",), "StructuredDataDict")
    ref = DatasetRef(fresh, {"instrument": "CAM", "visit": 1}, "new/run")
    refused: list[tuple[FileDataset, type[Exception]]] = [
        (FileDataset(tmp_path / "none.json", ref), ArtifactMissingError),
        (
            FileDataset(source, DatasetRef(fresh, {"instrument": "CAM", "visit": 9}, "new/run")),
            DataIdValueError,
        ),
        (FileDataset(source, ref, formatter="ExposureFits"), FileFormatError),
        (FileDataset(source.parent, ref), ArtifactMissingError),
    ]
    for dataset, error in refused:
        with pytest.raises(error):
            butler.ingest(dataset)
        assert butler.collections.query("new/*") == []
        assert butler.registry.datasets.find_type("fresh") is None
    assert butler.ingest(FileDataset(source, ref)) == [ref]
    other = DatasetType("fresh", ("visit", "detector"), "StructuredDataDict")
    wrong = DatasetRef(other, {"instrument": "CAM", "visit": 1, "detector": 0}, "new/run")
    before = snapshot(butler.root)
    with pytest.raises(ConflictingDefinitionError):
        butler.ingest(FileDataset(source, wrong), transfer="copy")
    assert snapshot(butler.root) == before


def test_components_are_not_ingested(butler: Butler, source: Path) -> None:
    """A part of a dataset has no file of its own."""
    with pytest.raises(DatasetTypeError, match="components cannot be ingested"):
        butler.ingest(FileDataset(source, calexp_ref().makeComponentRef("wcs")))


# What is looked at, and when.


def test_files_need_not_be_looked_at(butler: Butler, tmp_path: Path) -> None:
    """Without validation neither size nor checksum is recorded; the file is read, and any change is taken."""
    path = tmp_path / "e.fits"
    path.write_bytes(butler.getURI(butler.put(make_exposure(), calexp_ref())).read_bytes())
    ref = DatasetRef(CALEXP, {"instrument": "CAM", "visit": 2, "detector": 0}, "run")
    butler.ingest(FileDataset(path, ref), transfer="direct", record_validation_info=False)
    record = butler.registry.files.get([ref.id])[ref.id]
    assert (record.size, record.checksum, record.layout) == (UNKNOWN_SIZE, None, None)
    assert butler.get(ref).bbox == make_exposure().bbox
    path.write_bytes(path.read_bytes() + bytes(2880))
    assert butler.verify().is_clean
    assert butler.get(ref).bbox == make_exposure().bbox
    path.unlink()
    assert butler.verify().missing == (ref.id,)


def test_others_write_while_files_are_brought_in(
    butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is locked only when the files are there."""
    source = tmp_path / "slow.json"
    source.write_text('{"a": 1}')
    entered, released = threading.Event(), threading.Event()
    kind = type(formatter_for(NOTE.storageClass))
    layout = kind.layout

    def slow(self: Formatter, file: Any) -> Any:
        entered.set()
        assert released.wait(30)
        return layout(self, file)

    def ingest() -> None:
        with Butler(butler.root, writeable=True) as other:
            other.ingest(FileDataset(source, note_ref(2)), transfer="copy")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "layout", slow)
        thread = threading.Thread(target=ingest)
        thread.start()
        assert entered.wait(30)
        began = time.monotonic()
        butler.registry.registerRun("quick")
        assert time.monotonic() - began < 5
        released.set()
        thread.join()
    assert butler.get("note", visit=2) == {"a": 1}


def test_messages_name_the_file_that_is_meant(butler: Butler, source: Path) -> None:
    """No temporary name reaches the user: a broken file is named as it was given."""
    source.write_bytes(b"no FITS")
    for transfer in ("copy", "direct"):
        with pytest.raises(FileFormatError) as caught:
            butler.ingest(FileDataset(source, calexp_ref()), transfer=transfer)
        assert str(source) in str(caught.value)
        assert ".part" not in str(caught.value)
