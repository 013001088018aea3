"""What a butler remembers is true, whoever changes it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_repository import broken_off

from butler import Butler, CollectionType
from butler.errors import MissingCollectionError

OTHER = """
import sys
from butler import Butler
with Butler(sys.argv[1], writeable=True) as butler:
    exec(sys.argv[2])
"""


def elsewhere(repository: Path, statements: str) -> None:
    """Run statements on a butler of the same repository in another process."""
    subprocess.run([sys.executable, "-c", OTHER, str(repository), statements], check=True)


@pytest.fixture
def chained(butler: Butler) -> Butler:
    """Return a butler that has looked through a chain of the run, in which there is a note of visit 1."""
    butler.collections.register("other", CollectionType.RUN)
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["run", "other"])
    butler.put({"in": "run"}, "note", instrument="CAM", visit=1)
    butler.put({"in": "other"}, "note", instrument="CAM", visit=1, run="other")
    assert butler.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "run"}
    return butler


def test_a_chain_edited_elsewhere_is_searched_anew(chained: Butler) -> None:
    """After another process' commit no search follows the old chain."""
    elsewhere(chained.root, "butler.collections.redefine_chain('chain', ['other', 'run'])")
    assert chained.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "other"}
    elsewhere(chained.root, "butler.collections.redefine_chain('chain', [])")
    assert chained.find_dataset("note", instrument="CAM", visit=1, collections="chain") is None


def test_a_collection_removed_elsewhere_is_gone(chained: Butler) -> None:
    """A name that was known is missed as soon as another process has removed it."""
    chained.collections.register("empty", CollectionType.RUN)
    assert chained.collections.get_info("empty").type is CollectionType.RUN
    elsewhere(chained.root, "butler.collections.remove('empty')")
    with pytest.raises(MissingCollectionError):
        chained.collections.get_info("empty")


def test_a_collection_made_anew_elsewhere_is_the_new_one(chained: Butler) -> None:
    """A collection that was removed and registered again, under another number, is found by that."""
    chained.collections.register("again", CollectionType.RUN)
    assert chained.find_dataset("note", instrument="CAM", visit=1, collections="again") is None
    elsewhere(
        chained.root,
        "butler.collections.remove('again'); butler.registry.registerRun('between');"
        "butler.put({'in': 'again'}, 'note', instrument='CAM', visit=1, run='again')"
        " if butler.registry.registerRun('again') else None",
    )
    assert chained.get("note", instrument="CAM", visit=1, collections="again") == {"in": "again"}


def test_a_record_replaced_elsewhere_is_read_anew(butler: Butler) -> None:
    """Expanded data IDs have the values of the last commit."""
    data_id = {"instrument": "CAM", "visit": 1}
    before = butler.registry.expandDataId(data_id).records["visit"]
    assert before is not None
    elsewhere(
        butler.root,
        "row = butler.registry.records.fetch_one('visit', {'instrument': 'CAM', 'visit': 1}).columns();"
        "row['exposure_time'] = 123.0; butler.registry.syncDimensionData('visit', row, update=True)",
    )
    after = butler.registry.expandDataId(data_id).records["visit"]
    assert after is not None
    assert (before.exposure_time, after.exposure_time) != (123.0, before.exposure_time)
    assert after.exposure_time == 123.0


def test_what_was_undone_is_not_remembered(chained: Butler) -> None:
    """After a block that failed, an inner or the outermost one, everything is as it was before."""
    with broken_off(chained.transaction()):
        chained.collections.redefine_chain("chain", ["other"])
        chained.collections.register("never", CollectionType.RUN)
        assert chained.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "other"}
    assert chained.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "run"}
    with pytest.raises(MissingCollectionError):
        chained.collections.get_info("never")
    with chained.transaction():
        with broken_off(chained.transaction()):
            chained.collections.redefine_chain("chain", ["other"])
            assert chained.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "other"}
        assert chained.get("note", instrument="CAM", visit=1, collections="chain") == {"in": "run"}


def test_threads_do_not_see_what_is_not_committed(chained: Butler) -> None:
    """A thread reads what was committed while another is amid a transaction of the same butler."""
    found: list[object] = []

    def read() -> None:
        found.append(chained.get("note", instrument="CAM", visit=1, collections="chain"))

    with chained.transaction():
        chained.collections.redefine_chain("chain", ["other"])
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    read()
    assert found == [{"in": "run"}, {"in": "other"}]
