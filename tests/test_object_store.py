"""Repositories whose files are in an object store, on a real HTTP server: what travels, what stays behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from object_server import BUCKET, ObjectServer
from small_repository import CALEXP, NOTE, broken_off, insert_records, make_exposure

from butler import Butler, DatasetRef, FileDataset, RepositoryConfig
from butler.cli import main
from butler.datastore import DatastoreConfig, FileCache, RemoteResource, StagedFile
from butler.errors import (
    ArtifactMissingError,
    ButlerUserError,
    ConflictingDefinitionError,
    FileFormatError,
    RepositoryCorruptionError,
    RepositoryExistsError,
)
from butler.images import Box2I, Extent2I, Point2I

XY0, SHAPE = (100, 200), (300, 256)
BOX = Box2I(Point2I(120, 250), Extent2I(16, 20))
ROWS = 20 * 256 * 4


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin with an empty cache."""
    monkeypatch.setenv("BUTLER_CACHE_DIRECTORY", str(tmp_path / "cache"))


@pytest.fixture
def remote(object_server: ObjectServer, tmp_path: Path) -> Iterator[Butler]:
    """Return a writeable butler whose files are in an empty part of the object store."""
    settings = {"root": object_server.url(tmp_path.name), "options": object_server.options}
    Butler.makeRepo(tmp_path / "remote", RepositoryConfig(datastore=DatastoreConfig(**settings)))
    with Butler(tmp_path / "remote", writeable=True) as butler:
        insert_records(butler)
        for dataset_type in (CALEXP, NOTE):
            butler.registry.registerDatasetType(dataset_type)
    with Butler(tmp_path / "remote", run="run", instrument="CAM") as butler:
        object_server.requests.clear()
        yield butler


def note_ref(visit: int = 1, run: str = "run") -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run)


def objects(server: ObjectServer, tmp_path: Path) -> list[str]:
    """Return the objects of the repository, but for the mark of its owner."""
    keys = [key.removeprefix(f"{tmp_path.name}/") for key in server.keys(tmp_path.name)]
    return [key for key in keys if not key.startswith("coadd-butler-datastore")]


# What travels.


def test_a_region_of_a_plane_costs_its_rows(remote: Butler, object_server: ObjectServer) -> None:
    """With the recorded layout, only the rows of the box travel: one range for each plane asked for."""
    exposure = make_exposure(XY0, SHAPE)
    remote.put(exposure, "calexp", visit=1, detector=0)
    handle = remote.getDeferred("calexp", visit=1, detector=0)
    for component, n_planes in (("image", 1), ("mask", 1), ("variance", 1), ("maskedImage", 3)):
        object_server.requests.clear()
        part = handle.get(component=component, parameters={"bbox": BOX})
        assert sum(request.n_bytes for request in object_server.requests) == n_planes * ROWS
        assert [request.method for request in object_server.requests] == ["GET"] * n_planes
        assert all(request.range.startswith("bytes=") for request in object_server.requests)
    expected = exposure.maskedImage[BOX]
    np.testing.assert_array_equal(part.image.array, expected.image.array)
    np.testing.assert_array_equal(part.mask.array, expected.mask.array)
    np.testing.assert_array_equal(part.variance.array, expected.variance.array)


def test_the_box_of_an_image_costs_nothing(remote: Butler, object_server: ObjectServer) -> None:
    """What the registry knows of a file is not asked of the store."""
    remote.put(make_exposure(XY0, SHAPE), "calexp", visit=1, detector=0)
    object_server.requests.clear()
    assert remote.get("calexp.bbox", visit=1, detector=0) == make_exposure(XY0, SHAPE).bbox
    assert object_server.requests == []


def test_a_component_costs_less_than_the_pixels(remote: Butler, object_server: ObjectServer) -> None:
    """The WCS and the PSF are read from headers and tables, without the planes."""
    exposure = make_exposure(XY0, (1500, 1024))
    remote.put(exposure, "calexp", visit=1, detector=0)
    object_server.requests.clear()
    assert remote.get("calexp.wcs", visit=1, detector=0) == exposure.wcs
    assert remote.get("calexp.psf", visit=1, detector=0) == exposure.psf
    assert sum(request.n_bytes for request in object_server.requests) < 1024 * 1500 * 4 / 3


def test_a_whole_file_is_fetched_once(remote: Butler, object_server: ObjectServer) -> None:
    """Formats that are read whole come into the cache, and out of it the next time, also in a new butler."""
    remote.put({"a": 1}, "note", visit=1)
    object_server.requests.clear()
    for _ in range(2):
        assert remote.get("note", visit=1) == {"a": 1}
    with remote.clone() as other:
        assert other.get("note", visit=1) == {"a": 1}
    assert len(object_server.of("GET")) == 1


def test_a_put_is_one_upload(remote: Butler, object_server: ObjectServer) -> None:
    """A file is uploaded under its final key; nothing is copied or renamed."""
    ref = remote.put({"a": 1}, "note", visit=1)
    place = remote.getURI(ref)
    assert isinstance(place, RemoteResource)
    assert [request.method for request in object_server.requests] == ["PUT"]
    assert object_server.requests[0].path.endswith(f"/{BUCKET}/{str(place).removeprefix('s3://bucket/')}")
    assert place.exists()
    assert place.suffix == ".json"
    assert b'"a": 1' in place.read_bytes()
    assert not list((remote.root / "run").rglob("*"))


# Order, kills and repair.


def test_a_failed_put_leaves_no_object(remote: Butler, object_server: ObjectServer, tmp_path: Path) -> None:
    """Neither a conflict, nor an undone block, nor an object that cannot be written leaves anything."""
    ref = remote.put({"a": 1}, "note", visit=1)
    before = objects(object_server, tmp_path)
    assert len(before) == 1
    with pytest.raises(ConflictingDefinitionError):
        remote.put({"a": 2}, "note", visit=1)
    with broken_off(remote.transaction()):
        remote.put({"a": 3}, "note", visit=2)
        assert len(objects(object_server, tmp_path)) == 2
    with pytest.raises(TypeError):
        remote.put({"bad": object()}, "note", visit=3)
    assert objects(object_server, tmp_path) == before
    assert remote.get(ref) == {"a": 1}


def test_what_breaks_off_after_the_commit_takes_no_object_along(
    remote: Butler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once there are rows, nothing removes what they name, in a put as in an ingest."""

    def interrupt(self: StagedFile) -> None:
        raise KeyboardInterrupt

    place = remote.getURI(remote.put({"a": 1}, "note", visit=1))
    monkeypatch.setattr(StagedFile, "finish", interrupt)
    actions: list[Callable[[], object]] = [
        lambda: remote.put({"a": 1}, "note", visit=2),
        lambda: remote.put_many([({"a": 1}, note_ref(3))]),
        lambda: remote.ingest(FileDataset(str(place), note_ref(1, "other")), transfer="copy"),
    ]
    for action in actions:
        with pytest.raises(KeyboardInterrupt):
            action()
    assert sum(len(remote.query_datasets("note", run)) for run in ("run", "other")) == 4
    assert remote.verify().is_clean


def test_two_writers_of_one_dataset_do_not_meet(remote: Butler) -> None:
    """Who comes second is refused, and takes back its own object, not that of the first."""
    ref = note_ref()
    staged = [remote.datastore.stage({"writer": i}, ref) for i in (1, 2)]
    remote.store_staged([(ref, staged[0])])
    with pytest.raises(ConflictingDefinitionError):
        remote.store_staged([(ref, staged[1])])
    assert remote.get(ref) == {"writer": 1}
    assert remote.verify().is_clean


KILLED = """
import os, signal, sys
from butler import Butler
from butler.registry import Registry

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

Registry.add_datasets = die
with Butler(sys.argv[1], writeable=True, instrument="CAM") as butler, butler.transaction():
    butler.registry.registerRun("new")
    butler.put({"a": 1}, "note", visit=1, run="new")
"""


def test_a_kill_between_upload_and_rows_leaves_an_orphan(
    remote: Butler, object_server: ObjectServer, tmp_path: Path
) -> None:
    """The object comes first, the rows afterwards; verify lists what a kill left, and repair removes it."""
    theirs = object_server.write(f"{tmp_path.name}/notes/theirs.txt", b"private")
    sound = remote.put({"a": 0}, "note", visit=2)
    # The run is made, and undone with the rows: only the object's own name tells that it is nobody's.
    killed = subprocess.run([sys.executable, "-c", KILLED, str(remote.root)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "new" not in remote.collections.query()
    orphans = remote.verify().orphans
    assert len(orphans) == 1
    assert remote.verify(repair=True).orphans == orphans
    assert remote.verify().is_clean
    assert remote.get(sound) == {"a": 0}
    assert f"s3://{BUCKET}/{tmp_path.name}/notes/theirs.txt" == theirs
    assert object_server.read(f"{tmp_path.name}/notes/theirs.txt") == b"private"


def test_verify_finds_what_is_gone_and_what_has_changed(
    remote: Butler, object_server: ObjectServer, tmp_path: Path
) -> None:
    """Missing objects, ones of another length, and ones of another content are told apart."""
    refs = [remote.put({"visit": visit}, "note", visit=visit) for visit in (1, 2, 3)]
    keys = [str(remote.getURI(ref)).removeprefix(f"s3://{BUCKET}/") for ref in refs]
    content = object_server.read(keys[2])
    # A copy in the cache does not hide what became of the object.
    assert remote.get(refs[2]) == {"visit": 3}
    object_server.remove(keys[0])
    object_server.write(keys[1], b"{}")
    object_server.write(keys[2], content.replace(b"3", b"4"))
    with pytest.raises(ArtifactMissingError, match="registered but gone"):
        remote.get(refs[0])
    with pytest.raises(FileFormatError, match=r"has 2 bytes, it had .* see `butler verify`"):
        remote.get(refs[1])
    for copy in (tmp_path / "cache").iterdir():
        copy.unlink()
    with pytest.raises(FileFormatError, match="is not what it was when it was stored"):
        remote.get(refs[2])
    assert [bool(remote.exists(ref)) for ref in refs] == [False, True, True]
    report = remote.verify(repair=True)
    assert report.missing == (refs[0].id,)
    assert "has 2 bytes" in report.damaged[refs[1].id]
    assert "another checksum" in report.damaged[refs[2].id]
    assert remote.verify().is_clean


def test_a_store_that_does_not_answer_removes_nothing(remote: Butler, tmp_path: Path) -> None:
    """A repair without connection is an error, not the end of all datasets."""
    ref = remote.put({"a": 1}, "note", visit=1)
    path = remote.root / "butler.yaml"
    sound = path.read_text()
    with Butler(remote.root, writeable=True) as butler:
        quick = "config_kwargs: {retries: {max_attempts: 0}}\n    endpoint_url: http://127.0.0.1:1/"
        path.write_text(sound.replace("endpoint_url: http://127.0.0.1", quick))
        with (
            Butler(remote.root) as lost,
            pytest.raises(ButlerUserError, match="cannot verify the files in s3"),
        ):
            lost.verify()
        assert butler.get(ref) == {"a": 1}


def test_removed_datasets_take_their_objects_along(
    remote: Butler, object_server: ObjectServer, tmp_path: Path
) -> None:
    """Purging deletes the objects, once the rows are gone."""
    refs = [remote.put({"visit": visit}, "note", visit=visit) for visit in (1, 2)]
    with broken_off(remote.transaction()):
        remote.pruneDatasets(refs, purge=True, unstore=True)
    assert len(objects(object_server, tmp_path)) == 2
    remote.pruneDatasets(refs[:1], purge=True, unstore=True)
    assert len(objects(object_server, tmp_path)) == 1
    remote.removeRuns("run")
    assert objects(object_server, tmp_path) == []


# Files that come and go.


@pytest.mark.parametrize("transfer", ["auto", "copy", "move", "direct"])
def test_local_files_come_in(remote: Butler, tmp_path: Path, transfer: str) -> None:
    """A local file is uploaded, and removed if it was to be moved; direct ones stay where they are."""
    source = tmp_path / "note.json"
    source.write_text('{"a": 1}')
    (ref,) = remote.ingest(FileDataset(source, note_ref()), transfer=transfer)
    assert remote.get(ref) == {"a": 1}
    assert source.exists() == (transfer != "move")
    assert (remote.getURI(ref) == source) == (transfer == "direct")
    assert remote.verify().is_clean
    remote.pruneDatasets([ref], purge=True, unstore=True)
    assert source.exists() == (transfer != "move")


def test_links_are_refused(remote: Butler, tmp_path: Path) -> None:
    """An object store has no links, and says what to do."""
    source = tmp_path / "note.json"
    source.write_text('{"a": 1}')
    for transfer in ("link", "hardlink", "symlink", "relsymlink"):
        with pytest.raises(ButlerUserError, match=rf"no {transfer} is possible: s3://.* copy"):
            remote.ingest(FileDataset(source, note_ref()), transfer=transfer)


@pytest.fixture
def settings_from_environment(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let client libraries find the server by themselves."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_server.endpoint)


@pytest.mark.usefixtures("settings_from_environment")
@pytest.mark.parametrize("transfer", ["auto", "copy", "move", "direct", "split"])
def test_objects_of_others_come_in(
    butler: Butler, object_server: ObjectServer, tmp_path: Path, transfer: str
) -> None:
    """A repository on local disk takes objects as its own, or reads regions of them where they are."""
    exposure = make_exposure(XY0, SHAPE)
    ref = butler.put(exposure, "calexp", visit=1, detector=0)
    key = f"{tmp_path.name}/theirs.fits"
    url = object_server.write(key, butler.getURI(ref).read_bytes())
    own = DatasetRef(CALEXP, {"instrument": "CAM", "visit": 2, "detector": 1}, "run")
    butler.ingest(FileDataset(url, own), transfer=transfer)
    object_server.requests.clear()
    part = butler.get(own, parameters={"bbox": BOX}).maskedImage
    np.testing.assert_array_equal(part.image.array, exposure.maskedImage[BOX].image.array)
    stays = transfer in ("direct", "split")
    assert (str(butler.getURI(own)) == url) == stays
    assert bool(object_server.requests) == stays
    assert (key in object_server.keys(tmp_path.name)) == (transfer != "move")
    butler.pruneDatasets([own], purge=True, unstore=True)
    assert (key in object_server.keys(tmp_path.name)) == (transfer != "move")


@pytest.mark.usefixtures("settings_from_environment")
def test_an_object_in_its_place_stays_somebodys(
    remote: Butler, object_server: ObjectServer, tmp_path: Path
) -> None:
    """What lies below the root already is registered there, and outlives its dataset."""
    url = object_server.write(f"{tmp_path.name}/mine/note.json", b'{"a": 1}')
    for transfer in ("auto", None):
        (ref,) = remote.ingest(FileDataset(url, note_ref()), transfer=transfer)
        assert str(remote.getURI(ref)) == url
        assert remote.get(ref) == {"a": 1}
        remote.pruneDatasets([ref], purge=True, unstore=True)
    assert object_server.read(f"{tmp_path.name}/mine/note.json") == b'{"a": 1}'


def test_an_absent_object_is_told_before_anything_changes(remote: Butler) -> None:
    """An ingest of an object that is not there registers nothing."""
    url = f"{remote.datastore.store.locate('')}none.json"
    with pytest.raises(ArtifactMissingError, match="no file s3://"):
        remote.ingest(FileDataset(url, note_ref(run="other")), transfer=None)
    assert "other" not in remote.collections.query()


def test_files_are_retrieved_and_transferred(remote: Butler, butler: Butler, tmp_path: Path) -> None:
    """Artifacts come out as local files; datasets go from store to store with their UUIDs."""
    ref = remote.put({"a": 1}, "note", visit=1)
    (path,) = remote.retrieveArtifacts([ref], tmp_path / "out")
    assert path.is_relative_to(tmp_path / "out" / "run")
    assert path.read_bytes() == remote.getURI(ref).read_bytes()
    with pytest.raises(ButlerUserError, match="cannot symlink s3://"):
        remote.retrieveArtifacts([ref], tmp_path / "links", transfer="symlink")
    here = butler.put({"b": 2}, "note", visit=2)
    remote.transfer_from(butler, [here])
    assert remote.get(here) == {"b": 2}


@pytest.mark.parametrize("transfer", ["copy", "direct"])
def test_files_come_over_http(
    butler: Butler, object_server: ObjectServer, tmp_path: Path, transfer: str
) -> None:
    """Any web server will do as a source; a region of a direct file costs its rows there, too."""
    exposure = make_exposure(XY0, SHAPE)
    ref = butler.put(exposure, "calexp", visit=1, detector=0)
    key = f"{tmp_path.name}/theirs.fits"
    object_server.write(key, butler.getURI(ref).read_bytes())
    own = DatasetRef(CALEXP, {"instrument": "CAM", "visit": 2, "detector": 1}, "run")
    url = f"{object_server.endpoint}/{BUCKET}/{key}"
    butler.ingest(FileDataset(url, own), transfer=transfer)
    object_server.requests.clear()
    part = butler.get(f"{CALEXP.name}.image", visit=2, detector=1, parameters={"bbox": BOX})
    np.testing.assert_array_equal(part.array, exposure.maskedImage[BOX].image.array)
    assert sum(request.n_bytes for request in object_server.of("GET")) == ROWS * (transfer == "direct")
    with pytest.raises(ArtifactMissingError, match="no file http"):
        butler.ingest(FileDataset(f"{url}.none", note_ref()), transfer=transfer)


def test_what_cannot_be_removed_where_it_came_from_stays(
    butler: Butler, object_server: ObjectServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A web server lets nobody remove files: the dataset is registered, and that is told."""
    object_server.write(f"{tmp_path.name}/note.json", b'{"a": 1}')
    url = f"{object_server.endpoint}/{BUCKET}/{tmp_path.name}/note.json"
    butler.ingest(FileDataset(url, note_ref()), transfer="move")
    assert butler.get("note", visit=1) == {"a": 1}
    assert "there is no way to do that there" in caplog.text


@pytest.mark.usefixtures("settings_from_environment")
def test_an_export_may_name_objects_where_they_are(remote: Butler, butler: Butler, tmp_path: Path) -> None:
    """With direct transfers the file of an export has URLs, which another repository reads in their place."""
    ref = remote.put({"a": 1}, "note", visit=1)
    with remote.export(directory=tmp_path / "out", transfer="direct") as export:
        export.saveDatasets([ref])
    butler.import_(directory=tmp_path / "out", transfer="direct")
    assert str(butler.getURI(ref)) == str(remote.getURI(ref))
    assert butler.get(ref) == {"a": 1}
    butler.pruneDatasets([ref], purge=True, unstore=True)
    assert remote.get(ref) == {"a": 1}


def test_a_place_can_be_foretold_but_for_its_token(remote: Butler) -> None:
    """What is predicted is the path of the template; the upload adds what keeps it apart."""
    foretold = str(remote.getURI("note", visit=1, predict=True))
    place = str(remote.getURI(remote.put({"a": 1}, "note", visit=1)))
    assert foretold.startswith("s3://")
    assert place.startswith(foretold.removesuffix(".json") + "_")
    assert len(place) == len(foretold) + 13


def test_a_worker_hands_over_what_it_uploaded(remote: Butler) -> None:
    """A staged file and its datastore travel between processes; another butler registers them."""
    ref = note_ref()
    datastore = pickle.loads(pickle.dumps(remote.datastore))
    staged = pickle.loads(pickle.dumps(datastore.stage({"a": 1}, ref)))
    remote.store_staged([(ref, staged)])
    assert remote.get(ref) == {"a": 1}
    discarded = datastore.stage({"a": 2}, note_ref(2))
    pickle.loads(pickle.dumps(discarded)).discard()
    assert remote.verify().is_clean


# Settings.


def test_a_store_belongs_to_one_repository(
    remote: Butler, object_server: ObjectServer, tmp_path: Path
) -> None:
    """A second repository is not made on a root that is taken; a root without the mark is not written to."""
    settings = {"root": object_server.url(tmp_path.name), "options": object_server.options}
    with pytest.raises(RepositoryExistsError, match="another repository's"):
        Butler.makeRepo(tmp_path / "other", RepositoryConfig(datastore=DatastoreConfig(**settings)))
    (marker,) = [key for key in object_server.keys(tmp_path.name) if "coadd-butler-datastore" in key]
    object_server.remove(marker)
    with pytest.raises(RepositoryCorruptionError, match="has no mark"):
        Butler(remote.root, writeable=True)
    Butler(remote.root).close()


@pytest.mark.usefixtures("settings_from_environment")
def test_the_command_line_makes_a_repository_in_a_store(object_server: ObjectServer, tmp_path: Path) -> None:
    """`butler create --datastore-root` needs nothing but the environment, and writes no credentials."""
    repo, root = tmp_path / "r", object_server.url(f"{tmp_path.name}/cli")
    result = CliRunner().invoke(main, ["create", str(repo), "--datastore-root", root])
    assert result.exit_code == 0, result.output
    assert "testing" not in (repo / "butler.yaml").read_text()
    with Butler(repo, run="run") as butler:
        insert_records(butler)
        butler.registry.registerDatasetType(NOTE)
        ref = butler.put({"a": 1}, note_ref())
        assert str(butler.getURI(ref)).startswith(f"{root}/run/note/")


@pytest.mark.parametrize(
    ("root", "options", "message"),
    [
        ("s3://key:secret@bucket/x", {}, "credentials"),
        ("s3://bucket/x?key=1", {}, "parameters"),
        ("s3://bucket/../x", {}, "no plain directory"),
        ("../x", {}, "no plain directory"),
        ("zip://x::s3://bucket/y.zip", {}, "no URL"),
        ("s3://bucket", {"key": "k"}, "'key' has no place in butler.yaml"),
        ("s3://bucket", {"secret": "k"}, "'secret'"),
        ("s3://bucket", {"client_kwargs": {"aws_secret_access_key": "k"}}, "'aws_secret_access_key'"),
        ("gs://bucket", {"token": "k"}, "'token'"),
    ],
)
def test_secrets_and_strange_roots_are_refused(
    tmp_path: Path, root: str, options: dict[str, Any], message: str
) -> None:
    """Neither the settings nor a butler.yaml from elsewhere may hold credentials or lead astray."""
    with pytest.raises(ValueError, match=message):
        DatastoreConfig(root=root, options=options)
    Butler.makeRepo(tmp_path / "r")
    config = tmp_path / "r" / "butler.yaml"
    section = f"datastore: {{root: {root!r}, options: {options!r}}}\n"
    config.write_text(config.read_text() + section)
    with pytest.raises(FileFormatError, match=r"butler\.yaml: datastore"):
        Butler(tmp_path / "r")


def test_a_directory_elsewhere_is_a_root_as_well(tmp_path: Path) -> None:
    """Registry and files may be on different disks; links work there as in the repository."""
    Butler.makeRepo(tmp_path / "r", RepositoryConfig(datastore=str(tmp_path / "files")))
    source = tmp_path / "note.json"
    source.write_text('{"a": 1}')
    with Butler(tmp_path / "r", run="run") as butler:
        insert_records(butler)
        put = butler.put({"b": 1}, note_ref_of(butler, 2))
        (linked,) = butler.ingest(FileDataset(source, note_ref()))
        for ref in (put, linked):
            assert butler.getURI(ref).is_relative_to(tmp_path / "files" / "run" / "note")
        assert butler.getURI(linked).samefile(source)
        assert butler.verify().is_clean
    assert {path.name for path in (tmp_path / "r").iterdir()} <= {
        "butler.yaml",
        "gen3.sqlite3",
        "gen3.sqlite3-wal",
        "gen3.sqlite3-shm",
    }


def note_ref_of(butler: Butler, visit: int) -> DatasetRef:
    butler.registry.registerDatasetType(NOTE)
    return note_ref(visit)


def test_a_repository_in_memory_is_a_double_for_tests(tmp_path: Path) -> None:
    """Files in memory behave like files; only the registry is on disk."""
    Butler.makeRepo(tmp_path, RepositoryConfig(datastore="in-memory"))
    with Butler(tmp_path, run="run") as butler:
        insert_records(butler)
        butler.registry.registerDatasetType(CALEXP)
        exposure = make_exposure(XY0, SHAPE)
        ref = butler.put(exposure, "calexp", instrument="CAM", visit=1, detector=0)
        with butler.clone() as other:
            part = other.get(ref, parameters={"bbox": BOX})
            np.testing.assert_array_equal(part.image.array, exposure.maskedImage[BOX].image.array)
        assert butler.verify().is_clean
        with broken_off(butler.transaction()):
            butler.pruneDatasets([ref], purge=True, unstore=True)
        assert butler.exists(ref)
    assert not (tmp_path / "run").exists()


def test_a_library_that_is_missing_is_named_with_its_command(tmp_path: Path) -> None:
    """Without s3fs, one error says how to install it."""
    code = (
        "import sys\nsys.modules['s3fs'] = None\n"
        "from butler import Butler, RepositoryConfig\n"
        f"Butler.makeRepo({str(tmp_path / 'r')!r}, RepositoryConfig(datastore='s3://bucket/x'))"
    )
    result = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "pip install 'coadd-butler[s3]'" in result.stderr.splitlines()[-1]


# The cache.


def fetch_of(content: bytes, fetched: list[bytes]) -> Any:
    def fetch(path: Path) -> None:
        fetched.append(content)
        path.write_bytes(content)

    return fetch


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    """The limit holds, and those that were not used for the longest time go first."""
    cache, fetched = FileCache(tmp_path, 100), []
    files = {name: name.encode() * 30 for name in "abcd"}
    clock = iter(range(1, 100))
    for name in "abcabdba":
        with cache.lend(name, 30, fetch_of(files[name], fetched)) as path:
            assert path.read_bytes() == files[name]
        for entry in tmp_path.iterdir():
            if entry.read_bytes() == files[name]:
                os.utime(entry, (0, next(clock)))
    # d made room by taking the place of c.
    assert fetched == [files[name] for name in "abcd"]
    assert sorted(entry.read_bytes() for entry in tmp_path.iterdir()) == [files[name] for name in "abd"]


def test_a_lent_file_cannot_be_taken_away(tmp_path: Path) -> None:
    """Who reads keeps its file while others make room; nothing is left afterwards."""
    cache, fetched = FileCache(tmp_path, 40), []
    a, b = fetch_of(b"a" * 30, fetched), fetch_of(b"b" * 30, fetched)
    with cache.lend("a", 30, a) as path, cache.lend("b", 30, b):
        assert cache.find("a", 30) is None
        assert path.read_bytes() == b"a" * 30
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"b" * 30]


def test_many_readers_share_a_cache_that_is_too_small(tmp_path: Path) -> None:
    """Whoever reads gets what it asked for, whole, while others bring and throw out; the limit holds."""
    cache = FileCache(tmp_path, 100)

    def read(number: int) -> bool:
        content = bytes([number % 7]) * 30
        with cache.lend(str(number % 7), 30, fetch_of(content, [])) as path:
            return path.read_bytes() == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))
    with cache.lend("last", 30, fetch_of(b"x" * 30, [])):
        pass
    left = [entry.stat().st_size for entry in tmp_path.iterdir()]
    assert sum(left) <= 100
    assert set(left) == {30}


def test_a_copy_of_another_size_or_version_is_not_used(tmp_path: Path) -> None:
    """A damaged copy is fetched anew, and so is a file that was written anew."""
    cache, fetched = FileCache(tmp_path, 100), []
    for key, size in (("a", 3), ("a", 4), ("b", 4)):
        with cache.lend(key, size, fetch_of(b"x" * size, fetched)) as path:
            assert path.stat().st_size == size
    assert len(fetched) == 3


def test_without_a_home_only_what_needs_a_cache_asks_for_one(
    butler: Butler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A container without home directory reads local files; a whole one from afar needs a place."""
    monkeypatch.delenv("BUTLER_CACHE_DIRECTORY")

    def no_home(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    cache = FileCache.from_environment()
    assert cache.directory is None
    assert cache.find("a", 1) is None
    with pytest.raises(ButlerUserError, match="set BUTLER_CACHE_DIRECTORY"):
        cache.lend("a", 1, fetch_of(b"a", [])).__enter__()
    with butler.clone() as other:
        assert other.get(other.put({"a": 1}, "note", visit=1)) == {"a": 1}


def test_a_file_larger_than_the_cache_is_read_all_the_same(tmp_path: Path) -> None:
    """It is fetched for the reader alone."""
    cache, fetched = FileCache(tmp_path, 2), []
    for _ in range(2):
        with cache.lend("a", 3, fetch_of(b"abc", fetched)) as path:
            assert path.read_bytes() == b"abc"
    assert len(fetched) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1000", 1000), ("1.5 kB", 1500), ("20GB", 20 * 10**9), ("3t", 3 * 10**12)]
)
def test_the_limit_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, size: int
) -> None:
    """Sizes may have units; where the cache is can be said, too."""
    monkeypatch.setenv("BUTLER_CACHE_SIZE", text)
    assert FileCache.from_environment() == FileCache(tmp_path / "cache", size)
    monkeypatch.setenv("BUTLER_CACHE_SIZE", "much")
    with pytest.raises(ButlerUserError, match="BUTLER_CACHE_SIZE is 'much'"):
        FileCache.from_environment()
