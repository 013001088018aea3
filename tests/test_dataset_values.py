"""Dataset types, refs and files to ingest: values that LSST's scripts know."""

from __future__ import annotations

import json
import pickle
import uuid

import pytest

from butler import DataCoordinate, DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset
from butler.dimensions import UNIVERSE
from butler.errors import DatasetNotFoundError, DatasetTypeError, UnknownComponentError

CALEXP = DatasetType("calexp", ["visit", "detector"], "ExposureF")
KEY = {"instrument": "C", "detector": 2, "visit": 1}
FULL = {**KEY, "band": "g", "day_obs": 20240101, "physical_filter": "C-g"}
NUMBER = uuid.UUID("01a20391-8828-76b2-82bd-cfce53fa2bbf")
REF = DatasetRef(CALEXP, KEY, "r", id=NUMBER)


class OneDataset:
    """What a registry that holds one dataset knows."""

    def getDatasetType(self, name: str) -> DatasetType:
        assert name == CALEXP.name
        return CALEXP

    def getDataset(self, id: uuid.UUID) -> DatasetRef | None:
        return REF if id == NUMBER else None


def test_components_know_their_whole() -> None:
    """A component is made from its whole, and the whole from it; names follow from names."""
    wcs = CALEXP.makeComponentDatasetType("wcs")
    assert (wcs.name, wcs.component(), wcs.isComponent()) == ("calexp.wcs", "wcs", True)
    assert wcs.parentStorageClass == CALEXP.storageClass
    assert wcs.makeCompositeDatasetType() == CALEXP
    assert (CALEXP.component(), CALEXP.isComponent(), CALEXP.isComposite()) == (None, False, True)
    assert CALEXP.componentTypeName("wcs") == DatasetType.nameWithComponent("calexp", "wcs") == wcs.name
    assert DatasetType.splitDatasetTypeName("calexp.wcs") == ("calexp", "wcs")
    assert wcs in CALEXP.makeAllComponentDatasetTypes()
    assert wcs == DatasetType("calexp.wcs", CALEXP.dimensions, "Wcs", parentStorageClass="ExposureF")
    part = REF.makeComponentRef("wcs")
    assert (part.datasetType, part.id, part.isComponent(), part.isComposite()) == (wcs, NUMBER, True, False)
    assert part.makeCompositeRef() == REF
    assert part.dimensions is CALEXP.dimensions


def test_storage_classes_of_one_python_type_convert() -> None:
    """A dataset type takes the place of another whose objects it can be had from."""
    general = CALEXP.overrideStorageClass("Exposure")
    assert general.storageClass_name == "Exposure"
    assert CALEXP.overrideStorageClass("ExposureF") is CALEXP
    assert general.is_compatible_with(CALEXP)
    assert not general.is_compatible_with(DatasetType("calexp", ["visit"], "ExposureF"))
    assert not general.is_compatible_with(DatasetType("calexp", CALEXP.dimensions, "Wcs"))
    other = REF.overrideStorageClass("Exposure")
    assert (other.datasetType, other.id) == (general, NUMBER)
    assert other.is_compatible_with(REF)
    assert not other.is_compatible_with(REF.replace(run="q"))
    with pytest.raises(DatasetTypeError, match="cannot be converted"):
        CALEXP.overrideStorageClass("SkyMap")


def test_json_is_that_of_lsst() -> None:
    """Dataset types, data IDs and refs have LSST's JSON form, and come back from it."""
    wcs = CALEXP.makeComponentDatasetType("wcs")
    assert wcs.to_json() == (
        '{"name":"calexp.wcs","storageClass":"Wcs","dimensions":["instrument","detector","visit"],'
        '"parentStorageClass":"ExposureF"}'
    )
    assert REF.to_json() == (
        '{"id":"01a20391-8828-76b2-82bd-cfce53fa2bbf","datasetType":{"name":"calexp","storageClass":'
        '"ExposureF","dimensions":["instrument","detector","visit"]},"dataId":{"dataId":'
        '{"instrument":"C","detector":2,"visit":1}},"run":"r"}'
    )
    full = REF.expanded(DataCoordinate.standardize(FULL, dimensions=CALEXP.dimensions))
    bias = DatasetType("bias", ["detector"], "ImageF", isCalibration=True)
    assert json.loads(bias.to_json())["isCalibration"] is True
    for dataset_type in (CALEXP, wcs, bias):
        assert DatasetType.from_json(dataset_type.to_json(), universe=UNIVERSE) == dataset_type
        assert pickle.loads(pickle.dumps(dataset_type)) == dataset_type
    for ref in (REF, REF.makeComponentRef("wcs"), full):
        again = DatasetRef.from_json(ref.to_json(), universe=UNIVERSE)
        assert (again, again.run, dict(again.dataId)) == (ref, ref.run, dict(ref.dataId))


def test_minimal_json_needs_a_registry() -> None:
    """A name or a UUID alone is enough for who can look up the rest."""
    known = OneDataset()
    assert DatasetType.from_json(CALEXP.to_json(minimal=True), registry=known) == CALEXP
    part = REF.makeComponentRef("wcs")
    for ref in (REF, part):
        assert DatasetRef.from_json(ref.to_json(minimal=True), registry=known) == ref
    with pytest.raises(DatasetTypeError, match="a registry is needed"):
        DatasetType.from_simple({"name": "calexp"})
    with pytest.raises(DatasetTypeError, match="a registry is needed"):
        DatasetRef.from_simple({"id": str(NUMBER)})
    with pytest.raises(DatasetNotFoundError, match="no dataset with the UUID"):
        DatasetRef.from_simple({"id": str(uuid.uuid4())}, registry=known)


def test_refs_compare_and_sort() -> None:
    """Type, data ID and UUID make a ref; refs sort by type, data ID and run."""
    note = DatasetType("note", ["visit"], "StructuredDataDict")
    refs = [
        DatasetRef(kind, {**KEY, "visit": visit}, run)
        for kind in (note, CALEXP)
        for visit in (2, 1)
        for run in ("b", "a")
    ]
    assert [(r.datasetType.name, r.dataId["visit"], r.run) for r in sorted(refs)] == sorted(
        (r.datasetType.name, r.dataId["visit"], r.run) for r in refs
    )
    moved = REF.replace(run="q")
    assert (moved.run, moved.dataId) == ("q", REF.dataId)
    assert moved.id != REF.id
    assert REF.replace(run="q", id=NUMBER) == REF
    assert hash(REF.replace(run="q", id=NUMBER)) == hash(REF)
    assert REF.replace(storage_class="Exposure").datasetType.storageClass_name == "Exposure"
    assert REF.replace(datastore_records={"file": []}).datastore_records == {"file": []}
    assert DatasetRef.groupByType(refs) == {note: refs[:4], CALEXP: refs[4:]}
    assert dict(DatasetRef.iter_by_type(refs)) == DatasetRef.groupByType(refs)
    assert str(REF) == (
        "calexp@{instrument: 'C', detector: 2, visit: 1} [sc=ExposureF] "
        "(run=r id=01a20391-8828-76b2-82bd-cfce53fa2bbf)"
    )


def test_uuids_can_follow_from_what_a_dataset_is() -> None:
    """The same type, data ID and run give the same UUID of version 5; others a new one of version 7."""
    by_run = [
        DatasetRef(CALEXP, KEY, run, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN) for run in "rrq"
    ]
    assert by_run[0].id == by_run[1].id != by_run[2].id
    by_type = [DatasetRef(CALEXP, KEY, run, id_generation_mode=DatasetIdGenEnum.DATAID_TYPE) for run in "rq"]
    assert by_type[0].id == by_type[1].id
    assert by_type[0].id.version == 5
    assert DatasetRef(CALEXP, KEY, "r").id.version == 7


def test_a_uuid_may_come_as_its_bytes() -> None:
    """A ref that was made of 16 bytes has the same UUID as one that was made of it, asked in any order."""
    data_id = DataCoordinate.standardize({"instrument": "CAM"})
    kind = DatasetType("camera", ("instrument",), "StructuredDataDict")
    one = DatasetRef(kind, data_id, "run")
    [other] = DatasetRef.from_parts(kind, [data_id], ["run"], [one.id.bytes])
    assert other.id_bytes == one.id_bytes == one.id.bytes
    assert other == one
    assert other.id.is_safe is uuid.SafeUUID.unknown
    assert (other.id, other.id_bytes) == (one.id, one.id_bytes)


def test_files_hold_datasets_of_one_run() -> None:
    """A file is one dataset or several, but of one run."""
    assert FileDataset("a.fits", REF).refs == (REF,)
    other = DatasetRef(CALEXP, {**KEY, "detector": 3}, "r")
    assert FileDataset("a.fits", [REF, other], formatter="Fits").refs == (REF, other)
    with pytest.raises(DatasetTypeError, match="not in q, r"):
        FileDataset("a.fits", [REF, REF.replace(run="q")])
    with pytest.raises(DatasetTypeError, match="not in none"):
        FileDataset("a.fits", [])


def test_impossible_values_are_refused() -> None:
    """What cannot be says what would be possible."""
    with pytest.raises(UnknownComponentError, match="psf"):
        CALEXP.makeComponentDatasetType("psff")
    with pytest.raises(DatasetTypeError, match="component of"):
        CALEXP.makeCompositeDatasetType()
    with pytest.raises(DatasetTypeError, match="no component"):
        DatasetType("calexp", ["visit"], "ExposureF", "ExposureF")
    with pytest.raises(DatasetTypeError, match="another data ID"):
        REF.expanded(DataCoordinate.standardize({**KEY, "visit": 2}, dimensions=CALEXP.dimensions))
