"""Butler: a walk through its methods; each refusal is clear, catchable, and changes nothing."""

from __future__ import annotations

import resource
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from registry_homes import RegistryHome
from repository_snapshot import snapshot
from small_repository import CALEXP, NOTE, broken_off, make_exposure, make_wcs

from butler import Butler, CollectionType, DatasetRef, DatasetType, FileDataset, RepositoryConfig
from butler.errors import (
    ArtifactMissingError,
    BoxError,
    ButlerUserError,
    CollectionError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetNotFoundError,
    DimensionNameError,
    EmptyQueryResultError,
    FileFormatError,
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
    NoDefaultCollectionError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
    RepositoryExistsError,
    RepositoryNotFoundError,
    StorageClassError,
    UnknownComponentError,
    UnknownParameterError,
)
from butler.formatters import LocalFile, get_formatter
from butler.images import Box2I, Extent2I, GaussianPsf, Image, Point2I
from butler.registry import Database

pytestmark = pytest.mark.both_databases

XY0 = (100, 50)
BOX = Box2I(Point2I(103, 52), Extent2I(4, 3))
KEY = {"visit": 1, "detector": 0}
TAKEN = uuid.UUID(int=7 << 76 | 1 << 63 | 42)


@pytest.fixture
def filled(butler: Butler) -> Butler:
    """Return a butler with a calexp of visit 1 and a note."""
    fill(butler)
    return butler


@pytest.fixture(scope="module")
def untouched(
    repository_template: Path, registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Butler]:
    """Return such a butler, with an empty chain, for tests that change nothing."""
    root = tmp_path_factory.mktemp("untouched") / "repository"
    registry_home.copy(repository_template, root)
    with Butler(root, run="run", instrument="CAM", skymap="sky") as butler:
        fill(butler)
        butler.collections.register("chain", CollectionType.CHAINED)
        yield butler


def fill(butler: Butler) -> None:
    butler.put(make_exposure(XY0), DatasetRef(CALEXP, {"instrument": "CAM", **KEY}, "run", TAKEN))
    butler.put({"a": 1}, "note", visit=1)


def box_of_planes(box: Box2I) -> np.ndarray[Any, Any]:
    """Return the image pixels of a box as they were put."""
    whole = make_exposure(XY0).maskedImage.image
    return whole.array[box.slices_in(whole.bbox)]


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collect the names of the methods by which any database is asked in a block."""
    asked: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        ask = getattr(Database, name)

        def call(*arguments: Any) -> Any:
            asked.append(name)
            return ask(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("query", "execute", "run", "run_many"):
            patch.setattr(Database, name, counted(name))
        yield asked


# Reading and writing.


def test_put_returns_a_ref_that_finds_the_object_again(butler: Butler) -> None:
    """The ref has run, UUID and an expanded data ID; get by ref and by name agree."""
    ref = butler.put({"a": [1, 2.5, "x"]}, "note", {"visit": 2})
    assert (ref.run, ref.datasetType, ref.id.version) == ("run", NOTE, 7)
    assert ref.dataId.hasRecords()
    assert ref.dataId["band"] == "r"
    assert (
        butler.get(ref)
        == butler.get("note", visit=2)
        == butler.get(NOTE, {"visit": 2})
        == {"a": [1, 2.5, "x"]}
    )
    assert butler.get_dataset(ref.id) == ref
    assert butler.get_dataset(uuid.uuid4()) is None


def test_put_by_ref_keeps_run_and_uuid(butler: Butler) -> None:
    """A ref says everything: its run goes before the butler's, its UUID stays."""
    butler.registry.registerRun("other")
    butler.put({"a": 1}, DatasetRef(NOTE, {"instrument": "CAM", "visit": 1}, "other", TAKEN))
    assert butler.get("note", visit=1, collections="other") == {"a": 1}
    assert not butler.exists("note", visit=1)
    found = butler.get_dataset(TAKEN)
    assert found is not None
    assert found.run == "other"


def test_a_ref_brings_a_data_id_of_more_dimensions_into_form(filled: Butler) -> None:
    """A ref takes from the data ID of another dataset what its own type needs."""
    calexp = filled.get_dataset(TAKEN)
    assert calexp is not None
    ref = DatasetRef(NOTE, calexp.dataId, "run")
    assert dict(ref.dataId) == {"instrument": "CAM", "visit": 1}
    assert filled.get("note", calexp.dataId) == {"a": 1}
    with pytest.raises(DimensionNameError, match="lacks detector"):
        DatasetRef(CALEXP, ref.dataId, "run")


def test_parts_are_read_by_name_and_by_handle(filled: Butler) -> None:
    """'type.component', a component of a handle, and an attribute of the whole are the same."""
    handle = filled.getDeferred("calexp", KEY)
    whole = filled.get("calexp", KEY)
    assert filled.get("calexp.wcs", KEY) == handle.get(component="wcs") == whole.wcs == make_wcs()
    assert handle.get(component="psf") == whole.psf == GaussianPsf(1.7)
    assert handle.get(component="bbox") == whole.maskedImage.image.bbox
    assert filled.getDeferred("calexp.wcs", KEY).get() == make_wcs()
    assert filled.getDeferred("calexp.maskedImage", KEY).get(component="bbox") == handle.get(component="bbox")
    ref = filled.find_dataset("calexp.wcs", KEY)
    assert ref is not None
    assert (ref.datasetType.name, ref.datasetType.storageClass_name, ref.id) == ("calexp.wcs", "Wcs", TAKEN)
    assert filled.get(ref) == make_wcs()
    assert handle.dataId == {"instrument": "CAM", **KEY}


def test_a_box_is_read_alone(filled: Butler) -> None:
    """Pixels of a box are those of the whole, with its corner; origin LOCAL counts from the first pixel."""
    expected = box_of_planes(BOX)
    local = {"bbox": BOX.shiftedBy(Point2I(-XY0[0], -XY0[1])), "origin": "LOCAL"}
    for parameters in ({"bbox": BOX}, local):
        exposure = filled.get("calexp", KEY, parameters=parameters)
        assert exposure.maskedImage.image.xy0 == BOX.minimum
        np.testing.assert_array_equal(exposure.maskedImage.image.array, expected)
        np.testing.assert_array_equal(filled.get("calexp.image", KEY, parameters=parameters).array, expected)
    assert exposure.wcs == make_wcs()


def test_parameters_of_a_read_go_over_those_of_the_handle(filled: Butler) -> None:
    """A handle's own parameters hold for each read, except those that the read gives itself."""
    corner = Box2I(Point2I(*XY0), Extent2I(2, 2))
    handle = filled.getDeferred("calexp.image", KEY, parameters={"bbox": BOX})
    np.testing.assert_array_equal(handle.get().array, box_of_planes(BOX))
    np.testing.assert_array_equal(handle.get(parameters={"bbox": corner}).array, box_of_planes(corner))
    moved = handle.get(parameters={"bbox": Box2I(Point2I(3, 2), BOX.dimensions), "origin": "LOCAL"})
    np.testing.assert_array_equal(moved.array, handle.get().array)
    assert handle.parameters == {"bbox": BOX}


def test_exists_asks_registry_and_file(filled: Butler) -> None:
    """A dataset exists if it is registered, in a collection that is searched, and its file is there."""
    assert filled.exists("calexp", KEY)
    assert filled.exists("calexp.wcs", KEY)
    assert not filled.exists("calexp", visit=2, detector=0)
    assert not filled.exists("calexp", KEY, collections="skymaps")
    assert not filled.exists("calexp", KEY, collections="nowhere")
    assert not filled.exists("nothing", KEY)
    assert not filled.exists(DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, "run"))
    filled.getURI("calexp", KEY).unlink()
    assert not filled.exists("calexp", KEY)
    assert filled.find_dataset("calexp", KEY) is not None


def test_dataset_types_are_found_by_name(butler: Butler) -> None:
    """A registered type, and the type of each of its components."""
    assert butler.get_dataset_type("calexp") == CALEXP
    assert butler.get_dataset_type("calexp.wcs") == DatasetType(
        "calexp.wcs", CALEXP.dimensions, "Wcs", "ExposureF"
    )


def test_collections_are_searched_in_order(butler: Butler) -> None:
    """The first collection that has the data ID gives the dataset, through chains too."""
    for run in ("a", "b"):
        butler.put({"run": run}, "total", run=butler.clone(run=run).run)
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["run", "b", "a"])
    assert butler.get("total", collections=["a", "b"]) == {"run": "a"}
    assert butler.get("total", collections=["run", "b", "a"]) == {"run": "b"}
    assert butler.get("total", collections="chain") == {"run": "b"}
    assert butler.find_dataset("total", collections="run") is None
    assert [ref.run for ref in butler.query_datasets("total", ["a", "b"])] == ["a"]


def test_queries_have_a_method_each(filled: Butler) -> None:
    """Datasets, data IDs and records are asked for by the same words."""
    assert [ref.id for ref in filled.query_datasets("calexp", where="visit = 1")] == [TAKEN]
    assert filled.query_datasets("calexp", where="visit = :v", bind={"v": 2}, explain=False) == []
    assert [d["visit"] for d in filled.query_data_ids("visit", order_by="-visit", limit=2)] == [3, 2]
    assert [r.id for r in filled.query_dimension_records("visit", where="band = 'r'")] == [2]
    assert [r.id for r in filled.query_dimension_records("visit", physical_filter="CAM-r")] == [2]


# Opening.


def test_a_new_repository_is_opened_by_directory_or_file(tmp_path: Path) -> None:
    """A repository is made with its settings and opens under both names, and only once."""
    root = tmp_path / "deep" / "repository"
    settings = Butler.makeRepo(root, RepositoryConfig(checksum=False))
    assert RepositoryConfig.load(root) == settings
    assert settings.checksum is False
    for name in (root, root / "butler.yaml", str(root)):
        with Butler.from_config(name) as opened:
            assert opened.root == root
            assert opened.collections.query("*") == []
    before = snapshot(root)
    with pytest.raises(RepositoryExistsError, match=r"at .*repository already"):
        Butler.makeRepo(root)
    assert snapshot(root) == before


@pytest.mark.sqlite_only
def test_a_registry_outlives_its_settings(filled: Butler) -> None:
    """Making a repository where butler.yaml was lost keeps the registry."""
    (filled.root / "butler.yaml").unlink()
    with pytest.raises(RepositoryNotFoundError, match="butler create"):
        Butler(filled.root)
    Butler.makeRepo(filled.root)
    with Butler(filled.root, collections="run") as opened:
        assert opened.get("note", visit=1) == {"a": 1}


@pytest.mark.sqlite_only
def test_a_lost_registry_is_told(repository: Path) -> None:
    """A repository without its database is not silently made anew."""
    (repository / "gen3.sqlite3").unlink()
    with pytest.raises(RepositoryCorruptionError, match="is gone"):
        Butler(repository, run="run")
    assert not (repository / "gen3.sqlite3").exists()


def test_a_run_makes_a_butler_writeable(repository: Path) -> None:
    """Without run a butler only reads; with one it makes the run and searches it."""
    with Butler(repository, collections="run") as reader:
        assert (reader.isWriteable(), reader.run) == (False, None)
    with Butler(repository, run="u/new") as writer:
        assert (writer.isWriteable(), writer.run) == (True, "u/new")
        assert "u/new" in writer.collections.query("*")
        writer.put({}, "total")
        assert writer.get("total") == {}
    with Butler(repository, writeable=True) as writer:
        assert (writer.isWriteable(), writer.run) == (True, None)


def test_a_clone_keeps_what_is_not_given(filled: Butler) -> None:
    """A clone has the same root, rights and data ID defaults, and its own run and collections."""
    with filled.clone(collections=["run", "skymaps"]) as clone:
        assert (clone.root, clone.run, clone.isWriteable()) == (filled.root, "run", True)
        assert clone.defaults.given == {"instrument": "CAM", "skymap": "sky"}
        assert clone.defaults.collections == ("run", "skymaps")
        assert clone.get("note", visit=1) == {"a": 1}
    with filled.clone(run="other") as clone:
        assert (clone.run, clone.defaults.collections) == ("other", ("other",))
    with Butler(filled.root, collections="run") as reader, reader.clone() as clone:
        assert (clone.isWriteable(), clone.defaults.collections) == (False, ("run",))


def test_instrument_and_sky_map_are_inferred(repository: Path) -> None:
    """The only instrument is used; of two, the one that the collections hold; else it must be given."""
    with Butler(repository, run="run") as butler:
        butler.put({}, "note", visit=1)
        butler.put({}, "coadd", tract=0, patch=0, band="g")
        butler.registry.insertDimensionData("instrument", {"name": "OTHER"})
    with Butler(repository, collections="run") as butler:
        assert butler.get("note", visit=1) == {}
    with Butler(repository, collections="skymaps") as butler:
        assert butler.exists("coadd", tract=0, patch=0, band="g", collections="run")
        with pytest.raises(DimensionNameError, match="lacks instrument"):
            butler.exists("note", visit=1, collections="run")
        assert butler.exists("note", visit=1, instrument="CAM", collections="run")


# Refusals.

Act = Callable[[Butler], Any]


def note_at(visit: int, **kwargs: Any) -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, "run", **kwargs)


def ingest_note(path: str, formatter: str | None = None, **kwargs: Any) -> Act:
    return lambda b: b.ingest(FileDataset(b.root / path, note_at(2), formatter=formatter), **kwargs)


READS: dict[str, tuple[Act, type[Exception], type[Exception], str]] = {
    "no such dataset": (
        lambda b: b.get("calexp", visit=2, detector=1),
        DatasetNotFoundError,
        LookupError,
        "no calexp with data ID .*'visit': 2, 'detector': 1.* in run; query what there is",
    ),
    "no collection": (
        lambda b: b.get("calexp", KEY, collections=[]),
        DatasetNotFoundError,
        LookupError,
        "in no collection at all",
    ),
    "misspelt type": (
        lambda b: b.get("calxep", KEY),
        MissingDatasetTypeError,
        LookupError,
        "'calxep'; did you mean 'calexp'",
    ),
    "misspelt component": (
        lambda b: b.get("calexp.wsc", KEY),
        UnknownComponentError,
        KeyError,
        "ExposureF has no component 'wsc'; did you mean 'wcs'",
    ),
    "misspelt component of nothing": (
        lambda b: b.exists("calexp.wsc", visit=2, detector=0),
        UnknownComponentError,
        KeyError,
        "'wsc'; did you mean 'wcs'",
    ),
    "empty component": (lambda b: b.get("calexp.", KEY), UnknownComponentError, KeyError, "no component ''"),
    "component of a component": (
        lambda b: b.getDeferred("calexp.image", KEY).get(component="psf"),
        UnknownComponentError,
        KeyError,
        "ImageF has no component 'psf'",
    ),
    "component of a dictionary": (
        lambda b: b.get("note.wcs", visit=1),
        UnknownComponentError,
        KeyError,
        "StructuredDataDict has no component 'wcs'; it has none",
    ),
    "missing key": (
        lambda b: b.get("calexp", visit=1),
        DimensionNameError,
        KeyError,
        "lacks detector; needed are instrument, detector, visit",
    ),
    "misspelt key": (
        lambda b: b.get("calexp", visti=1, detector=0),
        DimensionNameError,
        KeyError,
        "'visti' is neither a dimension nor a column of one; did you mean 'visit'",
    ),
    "text for a number": (
        lambda b: b.get("calexp", visit="1", detector=0),
        DataIdValueError,
        ValueError,
        "no visit has instrument='CAM', name='1'; one is needed",
    ),
    "unknown parameter": (
        lambda b: b.get("calexp", KEY, parameters={"box": BOX}),
        UnknownParameterError,
        KeyError,
        "'box'; did you mean 'bbox'",
    ),
    "parameter of a dictionary": (
        lambda b: b.get("note", visit=1, parameters={"bbox": BOX}),
        UnknownParameterError,
        KeyError,
        "does not understand the parameter 'bbox'; it takes none",
    ),
    "no box": (
        lambda b: b.get("calexp", KEY, parameters={"bbox": (1, 2, 3, 4)}),
        StorageClassError,
        TypeError,
        r"bbox must be a Box2I, not \(1, 2, 3, 4\)",
    ),
    "unknown origin": (
        lambda b: b.get("calexp", KEY, parameters={"bbox": BOX, "origin": "THERE"}),
        StorageClassError,
        TypeError,
        "PARENT or LOCAL, not 'THERE'",
    ),
    "box outside": (
        lambda b: b.get("calexp.mask", KEY, parameters={"bbox": BOX.shiftedBy(Extent2I(12, 0))}),
        BoxError,
        ValueError,
        r"\[115..118, 52..54\] is not inside .*\[100..116, 50..61\]",
    ),
    "misspelt collection": (
        lambda b: b.get("calexp", KEY, collections="runn"),
        MissingCollectionError,
        LookupError,
        "no collection 'runn'; did you mean 'run'",
    ),
    "query of a component": (
        lambda b: b.query_datasets("calexp.wcs"),
        UnknownComponentError,
        KeyError,
        "components are not queried; ask for 'calexp'",
    ),
    "empty query": (
        lambda b: b.query_datasets("calexp", where="visit = 9"),
        EmptyQueryResultError,
        ValueError,
        "nothing fulfils 'visit = 9'; visit is one of: 1, 2, 3",
    ),
    "broken query": (
        lambda b: b.query_data_ids("visit", where="visit ="),
        InvalidQueryError,
        ValueError,
        "unexpected end .*column 8",
    ),
    "query of no dimension": (
        lambda b: b.query_data_ids("vist"),
        DimensionNameError,
        KeyError,
        "'vist'; did you mean 'visit'",
    ),
    "default of another dimension": (
        lambda b: Butler(b.root, visit="1"),
        DimensionNameError,
        KeyError,
        "'visit', and data IDs have defaults for instrument and skymap only",
    ),
    "no default collection": (
        lambda b: Butler(b.root).get("total"),
        NoDefaultCollectionError,
        TypeError,
        "no collections to search; give collections=",
    ),
    "no repository": (
        lambda b: Butler(b.root / "nowhere"),
        RepositoryNotFoundError,
        FileNotFoundError,
        "make one with `butler create",
    ),
}

WRITES: dict[str, tuple[Act, type[Exception], type[Exception], str]] = {
    "the dataset exists": (
        lambda b: b.put({}, "note", visit=1),
        ConflictingDefinitionError,
        ValueError,
        "note .*visit: 1.* exists in run 'run' as .*; use another run",
    ),
    "the UUID is taken": (
        lambda b: b.put({}, note_at(2, id=TAKEN)),
        ConflictingDefinitionError,
        ValueError,
        f"UUID {TAKEN} exists",
    ),
    "another definition of the type": (
        lambda b: b.put({}, DatasetRef(DatasetType("total", (), "Config"), {}, "run")),
        ConflictingDefinitionError,
        ValueError,
        "'total' is registered as <.*StructuredDataDict>, not <.*Config>",
    ),
    "unregistered type": (
        lambda b: b.put({}, DatasetRef(DatasetType("totals", (), "Config"), {}, "run")),
        MissingDatasetTypeError,
        LookupError,
        "'totals'; did you mean 'total'",
    ),
    "no record": (
        lambda b: b.put({}, "note", visit=7),
        DataIdValueError,
        ValueError,
        "no visit record for visit=7 .*; ingest or register it first",
    ),
    "wrong type for an exposure": (
        lambda b: b.put({}, "calexp", visit=2, detector=0),
        StorageClassError,
        TypeError,
        "cannot take dict as ExposureF: expected Exposure",
    ),
    "wrong type for a dictionary": (
        lambda b: b.put([1], "note", visit=2),
        StorageClassError,
        TypeError,
        "cannot take list as StructuredDataDict: expected dict",
    ),
    "component by name": (
        lambda b: b.put(make_wcs(), "calexp.wcs", visit=2, detector=0),
        UnknownComponentError,
        KeyError,
        "put the whole 'calexp'",
    ),
    "component by ref": (
        lambda b: b.put(
            make_wcs(), DatasetRef(CALEXP, {"instrument": "CAM", **KEY}, "run").makeComponentRef("wcs")
        ),
        UnknownComponentError,
        KeyError,
        "put the whole 'calexp'",
    ),
    "no such run": (
        lambda b: b.put({}, "total", run="runs"),
        MissingCollectionError,
        LookupError,
        "no collection 'runs'; did you mean 'run'",
    ),
    "a chain for a run": (
        lambda b: b.put({}, "total", run="chain"),
        CollectionTypeError,
        TypeError,
        "'chain' is a CHAINED collection; datasets go into a RUN",
    ),
    "a chain as the run of a butler": (
        lambda b: Butler(b.root, run="chain"),
        CollectionTypeError,
        TypeError,
        "'chain' exists as CHAINED, not RUN",
    ),
    "an impossible run": (
        lambda b: Butler(b.root, run="../outside"),
        CollectionError,
        ButlerUserError,
        "letters, digits .* not '../outside'",
    ),
    "no run": (
        lambda b: Butler(b.root, writeable=True).put({}, "total"),
        NoDefaultCollectionError,
        TypeError,
        "no run to put into; give run=",
    ),
    "put on a read-only butler": (
        lambda b: Butler(b.root).put({}, "total", run="run"),
        ReadOnlyButlerError,
        TypeError,
        "read-only; open it with writeable=True or run=",
    ),
    "transaction on a read-only butler": (
        lambda b: Butler(b.root).transaction().__enter__(),
        ReadOnlyButlerError,
        TypeError,
        "read-only",
    ),
    "new run on a read-only butler": (
        lambda b: Butler(b.root, run="fresh", writeable=False),
        ReadOnlyButlerError,
        TypeError,
        "read-only",
    ),
    "no file to ingest": (
        ingest_note("nowhere.json"),
        ArtifactMissingError,
        FileNotFoundError,
        "no file .*nowhere.json",
    ),
    "another transfer mode": (
        ingest_note("butler.yaml", transfer="teleport"),
        ButlerUserError,
        Exception,
        "direct, split, or None, not 'teleport'",
    ),
    "misspelt formatter": (
        ingest_note("butler.yaml", formatter="Jsn"),
        StorageClassError,
        TypeError,
        "no formatter 'Jsn'; did you mean 'Json'",
    ),
}


@pytest.mark.parametrize("case", [*READS, *WRITES])
def test_a_refusal_is_clear_and_changes_nothing(untouched: Butler, case: str) -> None:
    """Class, builtin class and message tell what was wrong and what to do; rows and files are as before."""
    act, error, builtin, message = (READS | WRITES)[case]
    before = snapshot(untouched.root)
    with pytest.raises(ButlerUserError, match=message) as caught:
        act(untouched)
    assert type(caught.value) is error
    assert isinstance(caught.value, builtin)
    assert "\n" not in str(caught.value) or error is InvalidQueryError
    assert snapshot(untouched.root) == before
    assert untouched.get("note", visit=1) == {"a": 1}


def test_a_refusal_in_a_block_leaves_the_block_usable(filled: Butler) -> None:
    """Who catches a refused put goes on, and what was put before it is kept."""
    with filled.transaction():
        filled.put({"n": 2}, "note", visit=2)
        with pytest.raises(ConflictingDefinitionError):
            filled.put({}, "note", visit=1)
        filled.put({"n": 3}, "note", visit=3)
    assert [filled.get("note", visit=visit) for visit in (1, 2, 3)] == [{"a": 1}, {"n": 2}, {"n": 3}]
    with broken_off(filled.transaction()):
        filled.put({}, "total")
    assert not filled.exists("total")


def test_a_file_that_went_away_is_told(filled: Butler) -> None:
    """A registered dataset without its file is an error of its own, with the way out."""
    handle = filled.getDeferred("calexp", KEY)
    filled.getURI("calexp", KEY).unlink()
    for component in (None, "wcs", "bbox"):
        with pytest.raises(FileNotFoundError, match=r"gone; `butler verify --repair`") as caught:
            handle.get(component=component)
        assert type(caught.value) is ArtifactMissingError
    with pytest.raises(ArtifactMissingError, match="has no stored file"):
        filled.getURI(note_at(3))


@pytest.mark.parametrize("cut", [1, 2880, 28800 - 5760])
def test_a_file_that_was_cut_is_told(filled: Butler, cut: int) -> None:
    """A file of another length is not read at all, whatever part is asked for."""
    path = filled.getURI("calexp", KEY)
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    for component in (None, "wcs", "image", "bbox"):
        with pytest.raises(FileFormatError, match=rf"{len(content) - cut} bytes, it had {len(content)}"):
            filled.getDeferred("calexp", KEY).get(component=component)


# What a read costs.


def test_a_handle_reads_without_the_registry(filled: Butler) -> None:
    """Making a handle asks the registry; whatever is read through it does not."""
    with counted_statements() as statements:
        handle = filled.getDeferred("calexp", KEY)
        assert statements
        statements.clear()
        for component in (None, "image", "wcs", "bbox"):
            handle.get(component=component, parameters={"bbox": BOX})
        assert statements == []


def test_a_region_of_a_huge_file_costs_only_its_rows(tmp_path: Path) -> None:
    """From an image of 8 GB, a box of 20 rows touches the memory pages of those rows and no others."""
    n_x, n_y, row = 20_000, 100_000, 70_000
    path = tmp_path / "huge.fits"
    get_formatter("ImageFits").write(Image(np.zeros((1, 1), dtype=np.float32)), path)
    stretch_image(path, n_x, n_y)
    layout = get_formatter("ImageFits").layout(LocalFile(path))
    assert layout is not None
    with path.open("r+b") as stream:
        stream.seek(layout.planes["image"].offset + 4 * (row * n_x + 5))
        stream.write(np.array([1.5, -2.5], dtype=">f4").tobytes())
    Butler.makeRepo(tmp_path / "repository", RepositoryConfig(checksum=False))
    with Butler(tmp_path / "repository", run="run") as butler:
        huge = DatasetType("huge", (), "ImageF")
        butler.ingest(FileDataset(path, DatasetRef(huge, {}, "run")), transfer="direct")
        handle = butler.getDeferred("huge")
        box = Box2I(Point2I(4, row - 1), Extent2I(4, 20))
        handle.get(parameters={"bbox": Box2I(Point2I(0, 0), Extent2I(1, 1))})
        before = resource.getrusage(resource.RUSAGE_SELF)
        image = handle.get(parameters={"bbox": box})
        after = resource.getrusage(resource.RUSAGE_SELF)
    expected = np.zeros((20, 4))
    expected[1, 1:3] = 1.5, -2.5
    np.testing.assert_array_equal(image.array, expected)
    row_pages = box.dimensions.y * n_x * 4 / resource.getpagesize()
    assert after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt < 2 * row_pages + 200


def stretch_image(path: Path, n_x: int, n_y: int) -> None:
    """Make the image of a FITS file larger by its header, with a hole for the pixels."""
    content = bytearray(path.read_bytes())
    for key, value in (("NAXIS1", n_x), ("NAXIS2", n_y)):
        start = content.index(f"{key}  =".encode())
        content[start : start + 30] = f"{key}  = {value:>20}".encode()
    path.write_bytes(content)
    offset = len(content) - 2880
    with path.open("r+b") as stream:
        stream.truncate(offset + -(-n_x * n_y * 4 // 2880) * 2880)
