"""Calls that LSST's scripts make: opening, cloning, finding, handles, URIs, collections, the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_repository import CALEXP, NOTE, broken_off, make_exposure, square

from butler import (
    Butler,
    CollectionType,
    DatasetExistence,
    DatasetIdGenEnum,
    DatasetProvenance,
    DatasetRef,
    DatasetType,
    RepositoryConfig,
)
from butler.dimensions import UNIVERSE
from butler.errors import (
    ArtifactMissingError,
    ButlerUserError,
    CollectionError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetNotFoundError,
    DatasetTypeError,
    FileFormatError,
    MissingCollectionError,
    MissingDatasetTypeError,
    OrphanedRecordError,
    RepositoryExistsError,
    RepositoryNotFoundError,
    StorageClassError,
)
from butler.images import Box2I, Extent2I, Point2I

KEY = {"visit": 1, "detector": 0}
BOX = Box2I(Point2I(3, 2), Extent2I(4, 3))


def test_aliases_name_repositories(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label from the environment opens a repository; an unknown one is told with those that are known."""
    monkeypatch.delenv("DAF_BUTLER_REPOSITORY_INDEX", raising=False)
    monkeypatch.setenv("DAF_BUTLER_REPOSITORIES", json.dumps({"main": str(repository)}))
    assert Butler.get_known_repos() == {"main"}
    assert Butler.get_repo_uri("main") == str(repository)
    assert Butler.get_repo_uri("other", return_label=True) == "other"
    with Butler("main") as butler:
        assert butler.root == repository
    with pytest.raises(RepositoryNotFoundError, match="'mian'; known labels: main"):
        Butler.get_repo_uri("mian")
    monkeypatch.delenv("DAF_BUTLER_REPOSITORIES")
    index = tmp_path / "index.yaml"
    index.write_text(f"second: file://{repository}\n")
    monkeypatch.setenv("DAF_BUTLER_REPOSITORY_INDEX", str(index))
    with Butler.from_config("second", collections="run") as butler:
        assert butler.collections.defaults == ("run",)
    index.write_text("- a list\n")
    with pytest.raises(FileFormatError, match="mapping of labels"):
        Butler.get_known_repos()
    index.unlink()
    with pytest.raises(ButlerUserError, match="DAF_BUTLER_REPOSITORY_INDEX names"):
        Butler.get_known_repos()
    monkeypatch.delenv("DAF_BUTLER_REPOSITORY_INDEX")
    with pytest.raises(RepositoryNotFoundError, match="say which repository"):
        Butler()


def test_settings_of_a_new_repository_open_it(tmp_path: Path) -> None:
    """What makeRepo returns opens the repository; overwrite replaces the settings, and nothing else."""
    config = Butler.makeRepo(tmp_path / "new")
    assert Butler.has_repo_config(tmp_path / "new")
    with Butler(config, run="r") as butler:
        assert butler.root == tmp_path / "new"
    with pytest.raises(RepositoryExistsError):
        Butler.makeRepo(tmp_path / "new")
    Butler.makeRepo(tmp_path / "new", RepositoryConfig(checksum=False), overwrite=True)
    with Butler(tmp_path / "new") as butler:
        assert butler.collections.query("*") == ["r"]
    assert not RepositoryConfig.load(tmp_path / "new").checksum
    assert "root" not in (tmp_path / "new" / "butler.yaml").read_text()
    with pytest.raises(RepositoryNotFoundError, match="not those of a repository"):
        Butler(RepositoryConfig())


def test_defaults_of_a_butler(repository: Path) -> None:
    """Defaults are told by the butler, its registry and its collections; wrong ones are refused at once."""
    with Butler(repository, collections=["run", "skymaps"], instrument="CAM") as butler:
        assert butler.dimensions is UNIVERSE
        assert butler.registry.dimensions is UNIVERSE
        assert butler.collections.defaults == butler.registry.defaults.collections == ("run", "skymaps")
        assert butler.registry.defaults.dataId == {"instrument": "CAM", "skymap": "sky"}
        assert butler.registry.isWriteable() is False
    with pytest.raises(DataIdValueError, match="no instrument 'CAN'; known: CAM"):
        Butler(repository, instrument="CAN")
    with pytest.raises(CollectionError, match="in no order"):
        Butler(repository, collections="r*")


def test_clones_keep_replace_and_clear(butler: Butler) -> None:
    """In a clone ``...`` keeps what was, None clears it, and collections follow a run that decided them."""
    with butler.clone(run="second") as clone:
        assert (clone.run, clone.collections.defaults) == ("second", ("second",))
    with butler.clone(collections=["run"]) as named, named.clone(run="second", dataId=None) as clone:
        assert (clone.run, clone.collections.defaults) == ("second", ("run",))
        assert clone.registry.defaults.given == {}
    with butler.clone(run=None) as clone:
        assert (clone.run, clone.collections.defaults, clone.isWriteable()) == (None, (), True)
    with butler.clone(inferDefaults=False, dataId=None) as clone:
        assert clone.registry.defaults.dataId == {}
        with clone.clone() as again:
            assert again.registry.defaults.dataId == {}


def test_a_butler_without_datastore_asks_the_registry(butler: Butler) -> None:
    """It finds datasets, and says why it cannot read them."""
    butler.put({"a": 1}, "note", visit=1)
    with Butler(butler.root, collections="run", without_datastore=True) as reader:
        assert reader.find_dataset("note", visit=1, instrument="CAM") is not None
        with pytest.raises(ButlerUserError, match="without its datastore"):
            reader.get("note", visit=1)


def test_found_datasets_know_what_is_asked(butler: Butler) -> None:
    """Records of dimensions and datastore come with a ref, and spare the look-up when it is read."""
    put = butler.put({"a": 1}, "note", visit=1)
    found = butler.find_dataset("note", visit=1)
    assert found is not None
    assert not found.dataId.hasRecords()
    full = butler.find_dataset("note", visit=1, dimension_records=True, datastore_records=True)
    assert full == found == put
    assert full.dataId.records["visit"].name == "v1"
    assert full.datastore_records.size > 0
    assert butler.get(full) == {"a": 1}
    by_id = butler.get_dataset(str(put.id), dimension_records=True, datastore_records=True)
    assert by_id == put
    assert by_id.dataId.hasRecords()
    assert by_id.datastore_records == full.datastore_records
    assert butler.get_dataset("00000000-0000-0000-0000-000000000000") is None
    assert butler.get_many_datasets([put.id, str(put.id)]) == [put]
    assert (
        butler.find_dataset("note", visit=1, storage_class="Config").datasetType.storageClass_name == "Config"
    )


def test_storage_classes_of_reads(butler: Butler) -> None:
    """A dataset type, a ref or an argument says as what a dataset is read; what cannot be is refused."""
    ref = butler.put(make_exposure(), CALEXP, KEY)
    general = CALEXP.overrideStorageClass("Exposure")
    for handle in (
        butler.getDeferred(general, KEY),
        butler.getDeferred(ref.overrideStorageClass("Exposure")),
        butler.getDeferred(CALEXP, KEY, storageClass="Exposure"),
        butler.getDeferred("calexp", KEY, parameters={"bbox": BOX}, storageClass="Exposure"),
    ):
        assert handle.storageClass is not None
        assert handle.get(parameters={"bbox": BOX}).getBBox() == BOX
        assert handle.get(component="image", parameters={"bbox": BOX}, storageClass="Image").bbox == BOX
        assert handle.get(component="wcs") is not None
        with pytest.raises(StorageClassError, match="cannot be had as a Wcs"):
            handle.get(storageClass="Wcs")
    with pytest.raises(DatasetTypeError, match="cannot be converted"):
        butler.get(DatasetType("calexp", CALEXP.dimensions, "StructuredDataDict"), KEY)
    with pytest.raises(DatasetTypeError, match="registered as"):
        butler.get(DatasetType("calexp", ["visit"], "ExposureF"), KEY)


def test_handles_expand_their_data_id_when_asked(butler: Butler) -> None:
    """A handle's data ID has its records, once somebody looks."""
    butler.put({"a": 1}, "note", visit=1)
    handle = butler.getDeferred("note", visit=1)
    assert not handle.ref.dataId.hasRecords()
    assert handle.dataId.records["visit"].name == "v1"
    assert handle.dataId is handle.ref.dataId


def test_datasets_without_file(butler: Butler) -> None:
    """Registered datasets exist so far; a handle by data ID fails when it reads, one by ref at once."""
    (ref,) = butler.registry.insertDatasets("note", [{"visit": 1}])
    assert ref.dataId.hasRecords()
    flags = butler.exists(ref), butler.exists(ref, full_check=False)
    assert flags == (DatasetExistence.RECORDED, DatasetExistence.RECORDED | DatasetExistence._ASSUMED)
    assert not any(flags)
    handle = butler.getDeferred("note", visit=1)
    for action in (handle.get, lambda: butler.getDeferred(ref), lambda: butler.get("note", visit=1)):
        for kind in (FileNotFoundError, LookupError, ArtifactMissingError):
            with pytest.raises(kind, match="is registered, but has no stored file"):
                action()
    stranger = DatasetRef(NOTE, ref.dataId, "run")
    with pytest.raises(ArtifactMissingError, match="is not registered, and has no stored file"):
        butler.get(stranger)
    predicted = butler.getURI(ref, predict=True)
    assert not predicted.exists()
    assert butler.put({"a": 1}, ref) == ref
    assert butler.getURI(ref) == predicted
    assert butler.exists("note", visit=1) is DatasetExistence.VERIFIED


def test_what_cannot_exist_is_unrecognized(butler: Butler) -> None:
    """Exists never raises for a dataset, type or collection that there is not."""
    for asked in (
        lambda: butler.exists("note", visit=1),
        lambda: butler.exists("note", {"visit.name": "v9"}),
        lambda: butler.exists("nte", visit=1),
        lambda: butler.exists("note", visit=1, collections="rn"),
        lambda: butler.exists(DatasetRef(NOTE, {"instrument": "CAM", "visit": 1}, "run")),
    ):
        assert asked() is DatasetExistence.UNRECOGNIZED


def test_uris_are_told_and_predicted(butler: Butler) -> None:
    """A file's place is known once it is written, and can be predicted before."""
    predicted = butler.getURI("note", visit=1, predict=True)
    with pytest.raises(DatasetNotFoundError):
        butler.getURI("note", visit=1)
    ref = butler.put({"a": 1}, "note", visit=1)
    assert butler.getURI(ref) == predicted == butler.getURI("note", visit=1, collections="run")
    primary, components = butler.getURIs(ref)
    assert (primary, dict(components)) == (predicted, {})
    other = DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, "run")
    assert list(butler.get_many_uris([ref, other], allow_missing=True)) == [ref]
    both = butler.get_many_uris([ref, other], predict=True)
    assert both[ref].primaryURI == predicted
    assert both[other].primaryURI.parent.name != ""
    assert "other_run" in str(butler.getURI("note", visit=3, predict=True, run="other_run"))


def test_a_dataset_tells_its_provenance(butler: Butler) -> None:
    """Provenance lands in the metadata of what is put, and leaves the object as it was."""
    first = butler.put({"a": 1}, "note", visit=1)
    provenance = DatasetProvenance()
    for _ in range(2):
        provenance.add_input(first)
    provenance.add_extra_provenance(first.id, {"weight": 0.5})
    exposure = make_exposure()
    ref = butler.put(exposure, "calexp", KEY, provenance=provenance)
    assert not any(key.startswith("LSST") for key in exposure.metadata)
    told = butler.get("calexp.metadata", KEY)
    assert {key: value for key, value in told.items() if key.startswith("LSST BUTLER")} == {
        "LSST BUTLER ID": str(ref.id),
        "LSST BUTLER RUN": "run",
        "LSST BUTLER DATASETTYPE": "calexp",
        "LSST BUTLER DATAID DETECTOR": 0,
        "LSST BUTLER DATAID INSTRUMENT": "CAM",
        "LSST BUTLER DATAID VISIT": 1,
        "LSST BUTLER N_INPUTS": 1,
        "LSST BUTLER INPUT 0 ID": str(first.id),
        "LSST BUTLER INPUT 0 RUN": "run",
        "LSST BUTLER INPUT 0 DATASETTYPE": "note",
        "LSST BUTLER INPUT 0 WEIGHT": 0.5,
    }
    butler.put(butler.get("calexp", KEY), "calexp", visit=1, detector=1)
    assert butler.get("calexp.metadata", visit=1, detector=1) == exposure.metadata
    DatasetProvenance.strip_provenance_from_flat_dict(told)
    assert told == exposure.metadata
    flat = provenance.to_flat_dict(None, prefix="lsst", max_inputs=0)
    assert flat == {"lsst.n_inputs": 1}
    assert provenance.to_flat_dict(first)["input.0.id"] == first.id
    with pytest.raises(DatasetNotFoundError, match="is no input"):
        provenance.add_extra_provenance(ref.id, {"weight": 1})
    with pytest.raises(DatasetTypeError, match="RUN already"):
        provenance.add_extra_provenance(first.id, {"RUN": "x"})
    with pytest.raises(DatasetTypeError, match="one character"):
        provenance.to_flat_dict(ref, sep="")


@pytest.fixture
def chained(butler: Butler) -> Butler:
    """Return a butler with chains c2 = [c1 = [r1, r2], tag]."""
    register = butler.collections.register
    register("r1", doc="first")
    register("r2")
    register("tag", CollectionType.TAGGED)
    for chain, children in (("c1", ["r1", "r2"]), ("c2", ["c1", "tag"])):
        register(chain, CollectionType.CHAINED)
        butler.collections.redefine_chain(chain, children)
    return butler


@pytest.mark.parametrize(
    ("kwargs", "found"),
    [
        ({}, ["c2"]),
        ({"flatten_chains": True}, ["r1", "r2", "tag"]),
        ({"flatten_chains": True, "include_chains": True}, ["c2", "c1", "r1", "r2", "tag"]),
        ({"include_chains": False}, []),
        ({"flatten_chains": True, "collection_types": CollectionType.RUN}, ["r1", "r2"]),
        ({"flatten_chains": True, "collection_types": [CollectionType.TAGGED]}, ["tag"]),
    ],
    ids=str,
)
def test_chains_are_told_or_unfolded(chained: Butler, kwargs: dict[str, Any], found: list[str]) -> None:
    """Chains stand for themselves, for their members, or for both."""
    assert chained.collections.query("c2", **kwargs) == found
    assert [info.name for info in chained.collections.query_info(["c2"], **kwargs)] == found
    old = {"collection_types": "collectionTypes", "flatten_chains": "flattenChains"}
    renamed = {old.get(key, "includeChains"): value for key, value in kwargs.items()}
    assert chained.registry.queryCollections("c2", **renamed) == found


def test_collections_of_the_registry(chained: Butler) -> None:
    """The registry's older names do the same as the collections' own."""
    registry, collections = chained.registry, chained.collections
    chained.put({}, "note", visit=1, run="r1")
    assert registry.getCollectionChain("c2") == ("c1", "tag")
    assert registry.getCollectionParentChains("c1") == {"c2"}
    assert registry.getCollectionType("tag") is CollectionType.TAGGED
    assert (registry.getCollectionDocumentation("r1"), registry.getCollectionDocumentation("r2")) == (
        "first",
        None,
    )
    registry.setCollectionDocumentation("r2", "second")
    assert collections.get_info("r2").doc == "second"
    registry.setCollectionChain("c2", ["c1", "tag"], flatten=True)
    assert registry.getCollectionChain("c2") == ("r1", "r2", "tag")
    assert registry.queryCollections(datasetType="note") == ["r1", "c1", "c2"]
    assert registry.queryCollections("r*", NOTE) == ["r1"]
    info = collections.get_info("r1", include_parents=True, include_summary=True)
    assert (info.parents, info.dataset_types) == (("c1", "c2"), ("note",))
    (info,) = collections.query_info("r1", include_summary=True, summary_datasets=["calexp"])
    assert info.dataset_types == ()
    summary = registry.getCollectionSummary("c1")
    assert summary.dataset_types == {NOTE}
    assert summary.governors == {"instrument": {"CAM"}}
    assert registry.registerCollection("tag2")
    assert not registry.registerCollection("tag2")
    registry.removeCollection("tag2")
    with pytest.raises(MissingCollectionError):
        registry.getCollectionType("tag2")
    with pytest.raises(CollectionTypeError, match="has no children"):
        registry.getCollectionChain("r1")
    with pytest.raises(OrphanedRecordError, match="part of c1"):
        collections.x_remove("r2")


def test_dataset_types_of_the_registry(chained: Butler) -> None:
    """Dataset types are found by name and glob, and removed if nothing is of theirs."""
    registry = chained.registry
    missing: list[str] = []
    assert [t.name for t in registry.queryDatasetTypes(["no*", "clexp"], missing=missing)] == ["note"]
    assert missing == ["clexp"]
    assert len(registry.queryDatasetTypes()) == 6
    assert registry.getDatasetType("calexp.wcs") == CALEXP.makeComponentDatasetType("wcs")
    chained.put({}, "note", visit=1)
    with pytest.raises(OrphanedRecordError, match="datasets of type 'note'"):
        registry.removeDatasetType(("total", "note"))
    assert registry.getDatasetType("total")
    registry.removeDatasetType("tot*")
    with pytest.raises(MissingDatasetTypeError):
        registry.getDatasetType("total")
    assert registry.registerDatasetType(DatasetType("total", ["visit"], "StructuredDataDict"))


def test_datasets_of_the_registry(chained: Butler) -> None:
    """Datasets are registered, found, told by collection and removed without a file."""
    registry = chained.registry
    refs = registry.insertDatasets(
        NOTE, [{"visit": 1}, {"visit": 2}], run="r1", idGenerationMode=DatasetIdGenEnum.DATAID_TYPE
    )
    registry.associate("tag", refs[:1])
    told = [(a.collection, a.ref.dataId["visit"]) for a in registry.queryDatasetAssociations("note")]
    assert told == [("r1", 1), ("r1", 2), ("tag", 1)]
    only = registry.queryDatasetAssociations(
        NOTE, "c2", flattenChains=True, collectionTypes=CollectionType.TAGGED
    )
    assert [(a.ref, a.timespan) for a in only] == [(refs[0], None)]
    assert registry.findDataset("note", visit=2, collections="c2") == refs[1]
    assert registry.findDataset("note", {"visit.name": "v1"}, collections=["tag"]) == refs[0]
    assert registry.findDataset("note", visit=2, collections="tag") is None
    assert registry.getDataset(refs[0].id) == refs[0]
    with pytest.raises(ConflictingDefinitionError):
        registry.insertDatasets("note", [{"visit": 1}], run="r1")
    chained.put({}, refs[1])
    with pytest.raises(OrphanedRecordError, match="has a file"):
        registry.removeDatasets(refs)
    registry.removeDatasets(refs[:1])
    assert [ref.id for ref in chained.query_datasets("note", "c2")] == [refs[1].id]
    with broken_off(registry.transaction(savepoint=True)):
        registry.insertDatasets("note", [{"visit": 3}])
    registry.refresh()
    assert registry.findDataset("note", visit=3) is None


def test_a_replaced_region_changes_what_overlaps(butler: Butler) -> None:
    """Records are replaced as a whole, and joins over the sky see the new region at once."""
    registry = butler.registry
    assert [d["visit"] for d in butler.query_data_ids(["visit", "patch"], where="patch = 1")] == [2]
    (far,) = butler.query_dimension_records("visit", where="visit = 3")
    near = far.toDict() | {"region": square(9.985, 0.0), "seq_num": 7}
    with pytest.raises(ConflictingDefinitionError, match="exists already"):
        registry.insertDimensionData("visit", near)
    registry.insertDimensionData("visit", near, skip_existing=True)
    assert [d["visit"] for d in butler.query_data_ids(["visit", "patch"], where="patch = 1")] == [2]
    other = {"instrument": "CAM", "id": 4, "name": "v4", "physical_filter": "CAM-g", "day_obs": 20240101}
    registry.insertDimensionData("visit", near, other, replace=True)
    assert [d["visit"] for d in butler.query_data_ids(["visit", "patch"], where="patch = 1")] == [2, 3]
    assert registry.expandDataId(visit=3).records["visit"].seq_num == 7
    assert registry.expandDataId(visit=4).records["visit"].name == "v4"
    changed = registry.syncDimensionData("visit", far.toDict(), update=True)
    assert changed == {"region": near["region"], "seq_num": 7}
    assert [d["visit"] for d in butler.query_data_ids(["visit", "patch"], where="patch = 1")] == [2]
    with pytest.raises(ButlerUserError, match="not both"):
        registry.insertDimensionData("visit", near, replace=True, skip_existing=True)


def test_the_older_queries(chained: Butler) -> None:
    """The registry's queries find what the butler's do; several types, globs and joined datasets, too."""
    registry = chained.registry
    for run in ("r1", "r2"):
        chained.put({}, "note", visit=1, run=run)
    chained.put({}, "note", visit=2, run="r2")
    chained.put({}, "total", run="r1")
    told = [(r.run, r.dataId["visit"]) for r in registry.queryDatasets("note", collections="c1")]
    assert sorted(told) == [("r1", 1), ("r2", 1), ("r2", 2)]
    first = registry.queryDatasets(NOTE, collections="c1", findFirst=True, where="visit < :v", bind={"v": 2})
    assert [(r.run, r.dataId["visit"]) for r in first] == [("r1", 1)]
    kinds = registry.queryDatasets(["no*", "total"], collections=["r1"])
    assert {ref.datasetType.name for ref in kinds} == {"note", "total"}
    assert registry.queryDatasets("note", collections="*", dataId={"visit.name": "v1"}).count() == 2
    patches = registry.queryDatasets("note", collections="r2", dimensions=["patch"], where="patch = 1")
    assert [ref.dataId["visit"] for ref in patches] == [2]
    with pytest.raises(MissingDatasetTypeError, match="did you mean 'note'"):
        registry.queryDatasets("nte", collections="c1")
    ids = registry.queryDataIds(["visit"], datasets="note", collections="r2").order_by("-visit")
    assert [d["visit"] for d in ids] == [2, 1]
    assert [d["visit"] for d in registry.queryDataIds("visit", band="r")] == [2]
    records = registry.queryDimensionRecords("detector", where="detector.purpose = 'SCIENCE'")
    assert [record.full_name for record in records] == ["S00"]
    visits = registry.queryDimensionRecords(UNIVERSE["visit"], datasets=NOTE, collections="r1")
    assert [record.id for record in visits] == [1]
