"""Datastore: where files go, how they come and go with their rows, and what verify finds."""

from __future__ import annotations

import os
import random
import re
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_writer import BLOCK, DETECTORS, exposure_of, run_and_kill
from repository_snapshot import snapshot
from small_repository import CALEXP, NOTE, TOTAL, broken_off, make_exposure

from butler import Butler, DataCoordinate, DatasetRef, RepositoryConfig
from butler.datastore import (
    FileDatastore,
    StagedFile,
    VerifyReport,
)
from butler.errors import (
    ArtifactMissingError,
    ButlerUserError,
    ConflictingDefinitionError,
    StorageClassError,
    TemplateError,
)
from butler.formatters import get_formatter
from butler.registry import FileRecord

ID = uuid.UUID(int=7 << 76 | 1 << 63 | 42)
HOSTILE = [
    "..",
    "../../etc/passwd",
    "/etc",
    "a/../../b",
    ".",
    "",
    "a\0b",
    "\uff0e\uff0e/\uff0e\uff0e",
    "\u2025/x",
    "a\\..\\b",
    "~",
]
HOSTILE += ["\u2215etc", "ä" * 300, "x" * 5000, "a//b", "\ud800", "a\nb", "CON:", "%2e%2e%2f", "{run}"]


def note_ref(visit: int = 1, run: str = "run", **kwargs: Any) -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run, **kwargs)


def calexp_ref(run: str = "run", **values: str) -> DatasetRef:
    """Return the ref of a calexp whose data ID has implied values too, as in the registry."""
    full: dict[str, Any] = {"instrument": "CAM", "detector": 0, "visit": 1, "band": "g", "day_obs": 20240101}
    full |= {"physical_filter": "CAM-g", **values}
    # Not standardized, so that values may be ones that no record could have.
    keys = tuple(full[name] for name in CALEXP.dimensions.data_coordinate_keys)
    return DatasetRef(CALEXP, DataCoordinate(CALEXP.dimensions, keys), run, ID)


def files_below(root: Path) -> list[str]:
    return list(snapshot(root).files)


def finals_below(root: Path) -> list[str]:
    """Return the files that have their final names; until the commit they have temporary ones, too."""
    return [path for path in files_below(root) if not path.endswith(".part")]


# Recorded paths.


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a/.."])
def test_recorded_paths_with_dots_are_refused(butler: Butler, path: str) -> None:
    """A registry from elsewhere cannot make a butler read or remove files outside the repository."""
    outside = butler.root.parent / "x"
    outside.write_text("{}")
    record = FileRecord(path, "Json", 2)
    storage_class = NOTE.storageClass
    for action in (
        lambda: butler.datastore.read(record, storage_class),
        lambda: butler.datastore.remove(record),
    ):
        with pytest.raises(TemplateError, match="leaves the repository"):
            action()
    assert outside.exists()


# Staging and publishing.


def test_a_staged_file_is_complete_before_it_has_its_name(butler: Butler) -> None:
    """Under its temporary name a file can be read whole; publishing only renames it."""
    ref = calexp_ref()
    staged = butler.datastore.stage(make_exposure(), ref)
    temporary, final = butler.root / staged.temporary, butler.root / staged.record.path
    assert temporary.parent == final.parent
    assert not final.exists()
    read = get_formatter(staged.record.formatter).read_whole(temporary)
    np.testing.assert_array_equal(read.image.array, make_exposure().maskedImage.image.array)
    content = temporary.read_bytes()
    assert staged.record.size == len(content)
    butler.store_staged([(ref, staged)])
    assert final.read_bytes() == content
    assert not temporary.exists()


def test_a_worker_of_a_read_only_butler_can_stage(repository: Path) -> None:
    """Writing bytes needs no registry: another butler registers them, all or none."""
    with Butler(repository) as reader, Butler(repository, run="run") as writer:
        refs = [note_ref(visit) for visit in (1, 2)]
        staged = [(ref, reader.datastore.stage({"visit": ref.dataId["visit"]}, ref)) for ref in refs]
        writer.store_staged(staged)
        assert [reader.get(ref) for ref in refs] == [{"visit": 1}, {"visit": 2}]
        before = snapshot(repository)
        again = [(ref, writer.datastore.stage({}, ref)) for ref in (note_ref(3), note_ref(1))]
        with pytest.raises(ButlerUserError, match="exists in run 'run'"):
            writer.store_staged(again)
        assert snapshot(repository) == before


class FaultError(Exception):
    """What a test lets fail."""


def fail(*args: Any, **kwargs: Any) -> None:
    raise FaultError


def no_space(*args: Any, **kwargs: Any) -> None:
    raise OSError(28, "No space left on device")


def interrupt(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name", "fault", "error"),
    [
        (os, "mkdir", no_space, ButlerUserError),
        (os, "write", no_space, ButlerUserError),
        (os, "link", fail, FaultError),
        (os, "fsync", no_space, ButlerUserError),
        (os, "fsync", interrupt, KeyboardInterrupt),
        (FileDatastore, "record_of", fail, FaultError),
        (StagedFile, "publish", interrupt, KeyboardInterrupt),
    ],
)
def test_a_failed_put_leaves_neither_file_nor_row(
    butler: Butler,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    fault: Callable[..., None],
    error: type[BaseException],
) -> None:
    """Wherever a put breaks off, the repository is as it was, and the same put works afterwards."""
    before = snapshot(butler.root)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fault)
        with pytest.raises(error):
            butler.put_many([({"n": 1}, note_ref()), (make_exposure(), calexp_ref())])
    assert snapshot(butler.root) == before
    butler.put_many([({"n": 2}, note_ref()), (make_exposure(), calexp_ref())])
    assert butler.get("note", visit=1) == {"n": 2}


@pytest.mark.parametrize(("store", "verb"), [("files", "insert"), ("datasets", "add")])
def test_rows_that_cannot_be_inserted_take_the_file_back(
    butler: Butler, monkeypatch: pytest.MonkeyPatch, store: str, verb: str
) -> None:
    """A registry that fails after the bytes are written leaves no file."""
    before = snapshot(butler.root)
    with monkeypatch.context() as patch:
        patch.setattr(type(getattr(butler.registry, store)), verb, fail)
        with pytest.raises(FaultError):
            butler.put({}, "note", visit=1)
    assert snapshot(butler.root) == before


def test_an_object_that_breaks_off_while_it_is_written_leaves_nothing(butler: Butler) -> None:
    """An object that cannot be written is refused with the reason, and the partial file is gone."""
    before = snapshot(butler.root)
    with pytest.raises(StorageClassError, match="not JSON serializable"):
        butler.put({"good": 1, "bad": object()}, "note", visit=1)
    assert snapshot(butler.root) == before


def test_a_file_where_a_directory_should_be_is_one_clear_error(butler: Butler) -> None:
    """A run named like a file of the repository cannot be written to, and says so."""
    butler.registry.registerRun("butler.yaml")
    before = snapshot(butler.root)
    with pytest.raises(ButlerUserError, match=r"cannot write .*butler\.yaml"):
        butler.put({}, "total", run="butler.yaml")
    assert snapshot(butler.root) == before


def test_a_name_taken_after_staging_is_not_overwritten(butler: Butler) -> None:
    """A file that appears between staging and publishing stays, and is not in the way."""
    staged = butler.datastore.stage({"n": 1}, note_ref())
    taken = butler.root / staged.record.path
    taken.write_text("somebody else's")
    ref = note_ref()
    records = butler.store_staged([(ref, staged)])
    assert butler.getURI(ref) == butler.root / records[ref.id].path != taken
    assert taken.read_text() == "somebody else's"
    assert butler.get("note", visit=1) == {"n": 1}
    assert butler.verify().orphans == (taken,)


def test_the_faster_of_two_writers_of_a_dataset_has_it(
    butler: Butler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has the file's name first, the other one the row: that one's dataset stays, and nothing else."""
    ref = note_ref()
    slow = butler.datastore.stage({"by": "slow"}, ref)
    with Butler(butler.root, writeable=True) as other:
        fast = other.datastore.stage({"by": "fast"}, ref)
        assert slow.record.path == fast.record.path

        def overtake(files: Iterable[StagedFile]) -> None:
            monkeypatch.undo()
            assert (butler.root / slow.record.path).exists()
            other.store_staged([(ref, fast)])

        monkeypatch.setattr("butler.writer.settle_files", overtake)
        with pytest.raises(ConflictingDefinitionError):
            butler.store_staged([(note_ref(), slow)])
    assert butler.get("note", visit=1) == {"by": "fast"}
    assert butler.verify().is_clean


def test_a_staged_file_that_was_cleaned_away_is_not_registered(butler: Butler) -> None:
    """Whoever repairs a repository under a writer's hands costs it the put, not the repository."""
    ref = note_ref()
    staged = butler.datastore.stage({}, ref)
    assert butler.verify(repair=True).orphans == (butler.root / staged.temporary,)
    before = snapshot(butler.root)
    with pytest.raises(ArtifactMissingError, match="nothing else writes"):
        butler.store_staged([(ref, staged)])
    assert snapshot(butler.root) == before


def test_a_file_without_row_does_not_block_its_dataset(butler: Butler) -> None:
    """What a kill left under the name of a dataset is neither overwritten nor in the way."""
    left = butler.root / butler.datastore.path_for(calexp_ref())
    left.parent.mkdir(parents=True)
    left.write_text("half")
    ref = butler.put(make_exposure(), "calexp", visit=1, detector=0)
    place = butler.getURI(ref)
    assert place.parent == left.parent
    assert re.fullmatch(f"{left.stem}_[0-9a-f]{{12}}.fits", place.name)
    assert left.read_text() == "half"
    assert butler.verify(repair=True).orphans == (left,)
    assert butler.exists(ref)


# Transactions.


def test_an_undone_block_takes_rows_and_files_back(butler: Butler) -> None:
    """After an error in the block, its collections, records, datasets and files are gone."""
    butler.put({"kept": True}, "note", visit=1)
    before = snapshot(butler.root)
    with broken_off(butler.transaction()):
        butler.registry.registerRun("fresh")
        butler.put({}, "note", visit=2)
        butler.put(make_exposure(), "calexp", visit=2, detector=0, run="fresh")
        assert butler.get("note", visit=2) == {}
    assert snapshot(butler.root) == before
    butler.put({"again": True}, "note", visit=2)
    assert butler.get("note", visit=2) == {"again": True}


def test_an_inner_block_is_undone_alone(butler: Butler) -> None:
    """The savepoint takes back the rows and files of the inner block and of blocks inside it."""
    with butler.transaction():
        butler.put({"n": 1}, "note", visit=1)
        outer = set(finals_below(butler.root))
        with broken_off(butler.transaction()):
            butler.put({"n": 2}, "note", visit=2)
            with butler.transaction():
                butler.put({"n": 3}, "note", visit=3)
            assert len(finals_below(butler.root)) == len(outer) + 2
        assert set(finals_below(butler.root)) == outer
        butler.put({"n": 4}, "note", visit=3)
    assert [bool(butler.exists("note", visit=visit)) for visit in (1, 2, 3)] == [True, False, True]
    assert butler.get("note", visit=3) == {"n": 4}
    assert butler.verify().is_clean


def test_the_outer_block_takes_finished_inner_ones_along(butler: Butler) -> None:
    """What an inner block kept is undone with the outer one."""
    before = snapshot(butler.root)
    with broken_off(butler.transaction()):
        with butler.transaction():
            butler.put({}, "note", visit=1)
        butler.put({}, "note", visit=2)
    assert snapshot(butler.root) == before


@pytest.mark.parametrize("fails", [False, True])
def test_an_action_that_fails_stops_no_other(
    butler: Butler, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """After the end of a block each of its actions runs; a refusal is told, and hides no error."""
    told: list[int] = []
    block = butler.registry.database.transaction()
    with broken_off(block) if fails else block as transaction:
        later = transaction.on_rollback if fails else transaction.on_commit
        for number in (1, 2):
            later(no_space)
            later(partial(told.append, number))
    assert sorted(told) == [1, 2]
    assert "2 files could not be removed" in caplog.text


def test_actions_wait_for_the_outermost_commit(butler: Butler) -> None:
    """Deletions run in order once all is committed; undo actions run backwards; none runs twice."""
    database = butler.registry.database
    told: list[str] = []
    with database.transaction() as outer:
        outer.on_commit(lambda: told.append("outer"))
        with database.transaction() as inner:
            inner.on_commit(lambda: told.append("inner"))
            inner.on_rollback(lambda: told.append("never"))
        with broken_off(database.transaction()) as broken:
            broken.on_commit(lambda: told.append("never"))
            broken.on_rollback(lambda: told.append("undo 1"))
            broken.on_rollback(lambda: told.append("undo 2"))
        assert told == ["undo 2", "undo 1"]
    assert told == ["undo 2", "undo 1", "outer", "inner"]
    told.clear()
    with broken_off(database.transaction()) as outer:
        outer.on_rollback(lambda: told.append("first"))
        outer.on_commit(lambda: told.append("never"))
        with database.transaction() as inner:
            inner.on_rollback(lambda: told.append("second"))
            inner.on_commit(lambda: told.append("never"))
    assert told == ["second", "first"]


def test_a_removal_waits_for_the_outermost_commit(butler: Butler) -> None:
    """A repair inside a block that is undone has removed neither rows nor the files of datasets."""
    ref = butler.put({}, "note", visit=1)
    butler.getURI(ref).write_text("damaged")
    before = snapshot(butler.root)
    with broken_off(butler.transaction()):
        assert set(butler.verify(repair=True).damaged) == {ref.id}
        assert butler.get_dataset(ref.id) is None
    assert snapshot(butler.root) == before


# Verify.


def test_verify_finds_each_kind_of_damage_and_repair_removes_nothing_else(butler: Butler) -> None:
    """Missing, damaged, orphaned and partial files are told apart; what is sound, or private, stays."""
    root = butler.root
    refs = [butler.put({"visit": visit}, "note", visit=visit) for visit in (1, 2, 3)]
    sound = butler.put(make_exposure(), "calexp", visit=1, detector=0)
    paths = [butler.getURI(ref) for ref in refs]
    size = paths[1].stat().st_size
    paths[0].unlink()
    paths[1].write_text("another length")
    paths[2].write_bytes(paths[2].read_bytes().replace(b"3", b"4"))
    staged = butler.datastore.stage({}, note_ref(9))
    orphan = root / "run" / "note" / "orphan.json"
    link = root / "run" / "dangling"
    orphan.write_text("{}")
    link.symlink_to(root / "nowhere")
    private = [root / "README", root / "runner" / "x.json", root / ".x.part", root / "notes" / "run" / "x"]
    for path in private:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("private")
    temporary = root / staged.temporary
    expected = VerifyReport(
        missing=(refs[0].id,),
        damaged={
            refs[1].id: f"{paths[1]} has 14 bytes, not {size}",
            refs[2].id: f"{paths[2]} has another checksum than when it was stored",
        },
        orphans=(link, orphan, temporary),
        n_checked=5,
    )
    before = snapshot(root)
    assert butler.verify() == expected
    assert snapshot(root) == before
    quick = butler.verify(checksums=False)
    assert set(quick.damaged) == {refs[1].id}
    assert butler.verify(repair=True) == expected
    assert butler.verify().is_clean
    gone = {path.relative_to(root).as_posix() for path in (*paths[1:], *expected.orphans)}
    assert set(files_below(root)) == set(before.files) - gone
    assert butler.exists(sound)
    assert not any(map(butler.exists, refs))


def test_orphans_are_found_in_the_directory_of_every_run(butler: Butler) -> None:
    """The directory of a run whose name has a colon, or is below another run's, is searched too."""
    expected = []
    for run in ("a:b", "u/me", "u"):
        butler.registry.registerRun(run)
        directory = butler.getURI(butler.put({}, "total", run=run)).parent
        expected.append(directory / "orphan.json")
        expected[-1].write_text("{}")
    assert butler.verify(repair=True).orphans == tuple(sorted(expected))
    assert butler.verify().is_clean


def test_without_checksums_a_repository_compares_sizes(tmp_path: Path) -> None:
    """A repository may do without checksums; a change of length is still found."""
    Butler.makeRepo(tmp_path, RepositoryConfig(checksum=False))
    with Butler(tmp_path, run="run") as butler:
        butler.registry.registerDatasetType(TOTAL)
        path = butler.getURI(butler.put({"a": 1}, "total"))
        content = path.read_text()
        path.write_text(content.replace("1", "2"))
        assert butler.verify().is_clean
        path.write_text(content + " ")
        assert len(butler.verify().damaged) == 1


def test_a_read_only_butler_repairs_nothing(repository: Path) -> None:
    """Looking is allowed, removing is not."""
    orphan = repository / "run" / "orphan"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("")
    with Butler(repository) as reader:
        assert reader.verify().orphans == (orphan,)
        with pytest.raises(TypeError, match="read-only"):
            reader.verify(repair=True)
    assert orphan.exists()


# Kills.

N_KILLS = 10


def test_a_kill_at_any_instant_leaves_a_sound_repository(repository: Path) -> None:
    """What was told is kept, blocks are whole, every listed dataset reads as it was put, a repair cleans."""
    with Butler(repository, writeable=True) as butler:
        rows = [{"instrument": "CAM", "id": n, "full_name": f"D{n}"} for n in DETECTORS]
        butler.registry.insertDimensionData("detector", *rows)
    chance = random.Random(20240101)
    told = {
        f"killed/{number}": run_and_kill(repository, f"killed/{number}", number % 2, chance.uniform(0.0, 0.3))
        for number in range(N_KILLS)
    }
    with Butler(repository, writeable=True) as butler:
        report = butler.verify()
        assert not report.missing
        assert not report.damaged
        for run, blocks in told.items():
            refs = butler.query_datasets("calexp", run, explain=False)
            listed = {int(ref.dataId["detector"]) for ref in refs}
            assert listed >= {first + step for first in blocks for step in range(BLOCK)}
            assert listed == set(range(DETECTORS.start, DETECTORS.start + len(listed)))
            assert len(listed) % BLOCK == 0
            for ref in refs:
                detector = int(ref.dataId["detector"])
                expected = exposure_of(detector).maskedImage
                planes = butler.get(ref).maskedImage
                assert planes.image.xy0 == expected.image.xy0
                np.testing.assert_array_equal(planes.image.array, expected.image.array)
                np.testing.assert_array_equal(planes.mask.array, expected.mask.array)
        butler.verify(repair=True)
        assert butler.verify().is_clean
