"""TAGGED collections: what they hold, how searches go through them, and what removes them."""

from __future__ import annotations

import pytest
from small_repository import NOTE, TOTAL, WARP

from butler import Butler, CollectionType, DatasetRef
from butler.errors import (
    CollectionTypeError,
    ConflictingDefinitionError,
    DatasetNotFoundError,
    MissingCollectionError,
    OrphanedRecordError,
)

pytestmark = pytest.mark.both_databases


@pytest.fixture
def notes(butler: Butler) -> dict[tuple[str, int], DatasetRef]:
    """Put a note of visits 1 and 2 into each of two runs; make the collection ``tag``."""
    butler.registry.registerRun("other")
    butler.collections.register("tag", CollectionType.TAGGED)
    return {
        (run, visit): butler.put({"from": run, "visit": visit}, NOTE, visit=visit, run=run)
        for run in ("run", "other")
        for visit in (1, 2)
    }


def test_tagged_dataset_keeps_its_run(butler: Butler, notes: dict[tuple[str, int], DatasetRef]) -> None:
    """A search in a TAGGED collection finds the dataset as its RUN owns it, in every way of asking."""
    butler.registry.associate("tag", [notes["other", 1]])
    found = butler.find_dataset(NOTE, visit=1, collections="tag")
    assert found == notes["other", 1]
    assert found.run == "other"
    assert butler.query_datasets("note", "tag") == [found]
    assert butler.query_datasets("note", "tag")[0].run == "other"
    assert butler.get(NOTE, visit=1, collections="tag") == {"from": "other", "visit": 1}
    assert butler.find_dataset(NOTE, visit=2, collections="tag") is None
    assert butler.get_dataset(found.id) == found


def test_first_in_the_chain_is_found(butler: Butler, notes: dict[tuple[str, int], DatasetRef]) -> None:
    """Of a TAGGED collection and a RUN in a chain, the earlier one with the data ID counts."""
    butler.registry.associate("tag", [notes["other", 2]])
    butler.collections.register("chain", CollectionType.CHAINED)
    for children, owner_of_2 in ((["tag", "run"], "other"), (["run", "tag"], "run")):
        butler.collections.redefine_chain("chain", children)
        runs = {ref.dataId["visit"]: ref.run for ref in butler.query_datasets("note", "chain")}
        assert runs == {1: "run", 2: owner_of_2}
        for visit, run in runs.items():
            assert butler.get(NOTE, visit=visit, collections="chain")["from"] == run
    assert butler.collections.query("chain", flatten_chains=True) == ["run", "tag"]


def test_same_again_changes_nothing(butler: Butler, notes: dict[tuple[str, int], DatasetRef]) -> None:
    """Associating twice and disassociating what is not there are no errors."""
    tag = butler.registry
    tag.associate("tag", [notes["run", 1], notes["run", 1]])
    tag.associate("tag", [notes["run", 1], notes["run", 2]])
    tag.disassociate("tag", [notes["other", 1]])
    assert len(butler.query_datasets("note", "tag")) == 2
    tag.disassociate("tag", [notes["run", 1], notes["other", 2]])
    assert butler.query_datasets("note", "tag") == [notes["run", 2]]
    tag.disassociate("tag", list(notes.values()))
    assert butler.query_datasets("note", "tag", explain=False) == []
    assert all(butler.exists(ref) for ref in notes.values())


def test_another_of_the_same_data_id_is_refused(
    butler: Butler, notes: dict[tuple[str, int], DatasetRef]
) -> None:
    """A TAGGED collection holds one dataset of a data ID; a call that breaks this changes nothing."""
    butler.registry.associate("tag", [notes["run", 1]])
    with pytest.raises(ConflictingDefinitionError, match="holds another note"):
        butler.registry.associate("tag", [notes["run", 2], notes["other", 1]])
    with pytest.raises(ConflictingDefinitionError, match="two datasets are note"):
        butler.registry.associate("tag", [notes["run", 2], notes["other", 2]])
    assert butler.query_datasets("note", "tag") == [notes["run", 1]]


def test_types_and_names_are_checked(butler: Butler, notes: dict[tuple[str, int], DatasetRef]) -> None:
    """Only TAGGED collections refer to datasets, and only to registered ones."""
    butler.collections.register("chain", CollectionType.CHAINED)
    for collection in ("run", "chain"):
        with pytest.raises(CollectionTypeError, match="only TAGGED"):
            butler.registry.associate(collection, [notes["run", 1]])
        with pytest.raises(CollectionTypeError, match="only TAGGED"):
            butler.registry.disassociate(collection, [notes["run", 1]])
    with pytest.raises(MissingCollectionError, match="did you mean 'tag'"):
        butler.registry.associate("tags", [notes["run", 1]])
    with pytest.raises(DatasetNotFoundError, match="not registered"):
        butler.registry.associate("tag", [DatasetRef(NOTE, {"instrument": "CAM", "visit": 3}, "run")])
    with pytest.raises(CollectionTypeError, match="exists as TAGGED"):
        butler.registry.registerRun("tag")


def test_several_types_and_many_datasets(butler: Butler) -> None:
    """Types without dimensions and with five go into one collection, also more than fit one statement."""
    butler.collections.register("tag", CollectionType.TAGGED)
    total = butler.put({}, TOTAL)
    warp = butler.put({}, WARP, visit=1, tract=0, patch=0)
    with butler.transaction():
        butler.registry.insertDimensionData("day_obs", {"instrument": "CAM", "id": 20250101})
        for number in range(1000, 1600):
            values = {"instrument": "CAM", "id": number, "name": str(number), "physical_filter": "CAM-g"}
            butler.registry.insertDimensionData("visit", {**values, "day_obs": 20250101})
        notes = [
            DatasetRef(NOTE, {"instrument": "CAM", "visit": number}, "run") for number in range(1000, 1600)
        ]
        butler.registry.insert_datasets("run", notes)
    butler.registry.associate("tag", [total, *notes, warp])
    assert {ref.id for ref in butler.query_datasets("note", "tag")} == {ref.id for ref in notes}
    assert butler.find_dataset(TOTAL, collections="tag") == total
    assert butler.find_dataset(WARP, visit=1, tract=0, patch=0, collections="tag") == warp
    assert set(butler.get_many_datasets([ref.id for ref in notes])) == set(notes)
    butler.registry.disassociate("tag", [total, *notes])
    (info,) = butler.collections.query_info("tag", include_summary=True)
    assert info.dataset_types == ("warp",)


def test_removal(butler: Butler, notes: dict[tuple[str, int], DatasetRef]) -> None:
    """Purging a dataset removes its tags; removing a TAGGED collection leaves the datasets."""
    butler.registry.associate("tag", [notes["run", 1], notes["run", 2]])
    butler.pruneDatasets([notes["run", 1]], purge=True, unstore=True)
    assert butler.query_datasets("note", "tag") == [notes["run", 2]]
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["tag"])
    with pytest.raises(OrphanedRecordError, match="part of chain"):
        butler.collections.remove("tag")
    butler.collections.remove("chain")
    butler.collections.remove("tag")
    assert butler.collections.query("t*") == []
    assert butler.exists(notes["run", 2])
    with pytest.raises(OrphanedRecordError, match="holds datasets"):
        butler.collections.remove("other")


def test_info_tells_parents_summary_and_purpose(
    butler: Butler, notes: dict[tuple[str, int], DatasetRef]
) -> None:
    """Parents and dataset types come if asked for; a chain holds what its children hold."""
    butler.put({}, TOTAL, run="other")
    butler.registry.associate("tag", [notes["run", 1]])
    for chain in ("inner", "outer"):
        butler.collections.register(chain, CollectionType.CHAINED)
    butler.collections.redefine_chain("inner", ["tag", "other"])
    butler.collections.redefine_chain("outer", ["inner", "tag"])
    butler.registry.setCollectionDocumentation("tag", "the best")
    infos = {
        info.name: info for info in butler.collections.query_info(include_parents=True, include_summary=True)
    }
    assert infos["tag"].parents == ("inner", "outer")
    assert infos["outer"].parents == ()
    assert infos["tag"].dataset_types == ("note",)
    assert infos["outer"].dataset_types == ("note", "total")
    assert infos["tag"].doc == butler.registry.getCollectionDocumentation("tag") == "the best"
    plain = butler.collections.get_info("tag")
    assert plain.parents is None
    assert plain.dataset_types is None


def test_default_instrument_comes_from_a_tagged_collection(
    butler: Butler, notes: dict[tuple[str, int], DatasetRef]
) -> None:
    """A butler that searches a TAGGED collection infers the instrument from what is in it."""
    butler.registry.insertDimensionData("instrument", {"name": "OTHER"})
    butler.registry.associate("tag", [notes["other", 1]])
    with Butler(butler.root, collections="tag") as reader:
        assert reader.get("note", visit=1)["from"] == "other"
