"""Collections: names, chains as an ordered search path, and what stands in the way of removing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_homes import RegistryHome
from small_repository import NOTE, broken_off

from butler import Butler, CollectionType
from butler.errors import (
    CollectionCycleError,
    CollectionError,
    CollectionTypeError,
    MissingCollectionError,
    OrphanedRecordError,
)
from butler.registry import CollectionStore

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="module")
def named(registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the runs a, b, c and the chains x, y, to be copied."""
    root = tmp_path_factory.mktemp("collections") / "repository"
    registry_home.make(root)
    with Butler(root, writeable=True) as butler:
        for name in "abc":
            butler.collections.register(name)
        for name in "xy":
            butler.collections.register(name, CollectionType.CHAINED)
    return root


@pytest.fixture
def store(named: Path, registry_home: RegistryHome, tmp_path: Path) -> Iterator[CollectionStore]:
    """Return the collections of an own copy of the repository."""
    registry_home.copy(named, tmp_path / "named")
    with Butler(tmp_path / "named", writeable=True) as butler:
        yield butler.registry.collections
    registry_home.remove(tmp_path / "named")


def flat(store: CollectionStore, *names: str) -> list[str]:
    return [info.name for info in store.flatten(names)]


def test_register_once(store: CollectionStore) -> None:
    """Registering again is no error unless the type differs; type and text are kept."""
    assert store.register("d", doc="what for") is True
    assert store.register("d") is False
    with pytest.raises(CollectionTypeError, match="exists as RUN, not CHAINED"):
        store.register("d", CollectionType.CHAINED)
    info = store.get_info("d")
    assert (info.type, info.doc, info.children) == (CollectionType.RUN, "what for", ())


@pytest.mark.parametrize("name", ["u/me/2024-01-01T00:00:00Z", "a+b@c", "HSC/RC2/w_2024_01", "x" * 250])
def test_names_that_lsst_uses_are_allowed(store: CollectionStore, name: str) -> None:
    """Letters, digits and _-+.:@ in parts separated by slashes."""
    assert store.register(name)
    assert store.query(name) == [name]


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "/a", "a/", "a/../b", "..", ".", "a b", "a\nb", "é", "a*", "a\\b", "x" * 251]
)
def test_names_that_could_be_no_directory_are_refused(store: CollectionStore, name: str) -> None:
    """A name is a part of paths and an argument of commands."""
    with pytest.raises(CollectionError, match="named with"):
        store.register(name)
    assert store.query() == ["a", "b", "c", "x", "y"]


def test_query_by_name_glob_and_type(store: CollectionStore) -> None:
    """Globs match in order of registration; a missing name is an error, a glob without match is not."""
    store.register("u/b")
    assert store.query("u*") == ["u/b"]
    assert store.query(["x", "?", "a"]) == ["x", "a", "b", "c", "y"]
    assert store.query("*", CollectionType.CHAINED) == ["x", "y"]
    assert store.query("z*") == []
    with pytest.raises(MissingCollectionError, match="did you mean 'u/b'"):
        store.query("u/bb")


def test_chains_flatten_depth_first(store: CollectionStore) -> None:
    """Runs come in search order, each at its first occurrence."""
    store.redefine_chain("x", ["b", "a"])
    store.redefine_chain("y", ["c", "x", "b"])
    assert flat(store, "y") == ["c", "b", "a"]
    assert flat(store, "a", "y") == ["a", "c", "b"]
    assert store.query("y", flatten_chains=True) == ["c", "b", "a"]
    assert store.parents("x") == ["y"]


def test_chain_edits(store: CollectionStore) -> None:
    """Duplicates collapse to the first; prepend and extend move what is there; remove forgives."""
    store.redefine_chain("x", ["a", "b", "a"])
    assert store.get_info("x").children == ("a", "b")
    store.prepend_chain("x", ["c", "b"])
    assert store.get_info("x").children == ("c", "b", "a")
    store.extend_chain("x", "c")
    assert store.get_info("x").children == ("b", "a", "c")
    store.remove_from_chain("x", ["a", "y"])
    assert store.get_info("x").children == ("b", "c")
    store.redefine_chain("x", [])
    assert store.get_info("x").children == ()


def test_refused_edits_change_nothing(store: CollectionStore) -> None:
    """A cycle, direct or not, a missing child and a parent that is no chain leave all chains as they are."""
    store.redefine_chain("x", ["a"])
    store.redefine_chain("y", ["x"])
    for edit, parent, children, error in [
        (store.redefine_chain, "x", ["b", "x"], CollectionCycleError),
        (store.extend_chain, "x", ["b", "y"], CollectionCycleError),
        (store.prepend_chain, "x", ["b", "nothing"], MissingCollectionError),
        (store.remove_from_chain, "x", ["a", "nothing"], MissingCollectionError),
        (store.redefine_chain, "a", ["b"], CollectionTypeError),
        (store.redefine_chain, "nothing", ["b"], MissingCollectionError),
    ]:
        with pytest.raises(error):
            edit(parent, children)
        assert (store.get_info("x").children, store.get_info("y").children) == (("a",), ("x",))


def test_remove_only_what_nothing_needs(butler: Butler) -> None:
    """A run with datasets and a child of a chain stay; the error says what holds them."""
    collections = butler.collections
    collections.register("chain", CollectionType.CHAINED)
    collections.register("empty")
    collections.redefine_chain("chain", ["empty"])
    butler.put({"a": 1}, NOTE, visit=1)
    with pytest.raises(OrphanedRecordError, match="part of chain"):
        collections.remove("empty")
    with pytest.raises(OrphanedRecordError, match="holds datasets"):
        collections.remove("run")
    collections.remove("chain")
    collections.remove("empty")
    assert collections.query() == ["run", "skymaps"]
    with pytest.raises(MissingCollectionError):
        collections.remove("empty")


def test_chain_edit_is_undone_with_its_transaction(butler: Butler) -> None:
    """A chain that was changed in a failed block has its old children."""
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["skymaps", "run"])
    with broken_off(butler.transaction()):
        butler.collections.remove_from_chain("chain", "run")
    assert butler.collections.get_info("chain").children == ("skymaps", "run")


# Random edits against a dictionary.

Chains = dict[str, list[str]]
edits = st.lists(
    st.tuples(
        st.sampled_from(["redefine", "prepend", "extend", "remove"]),
        st.sampled_from("xyz"),
        st.lists(st.sampled_from("abxyz"), max_size=4),
    ),
    max_size=12,
)


def reaches(chains: Mapping[str, Sequence[str]], start: str, goal: str) -> bool:
    """Tell whether a chain contains another, at any depth."""
    return start == goal or any(reaches(chains, child, goal) for child in chains.get(start, ()))


def edited(old: Sequence[str], how: str, names: Sequence[str]) -> list[str]:
    """Return the children after an edit, by plain list work."""
    rest = [child for child in old if child not in names]
    unique = list(dict.fromkeys(names))
    return {"redefine": unique, "prepend": unique + rest, "extend": rest + unique, "remove": rest}[how]


def search_path(chains: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Return the runs below a name with repetitions, by recursion."""
    if name not in chains:
        return [name]
    return [run for child in chains[name] for run in search_path(chains, child)]


@given(edits)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_edits_agree_with_lists(store: CollectionStore, steps: list[tuple]) -> None:
    """Whatever the order of edits, children and search path are those of plain lists, and no cycle arises."""
    store.register("z", CollectionType.CHAINED)
    chains: Chains = {"x": [], "y": [], "z": []}
    for name in chains:
        store.redefine_chain(name, [])
    for how, parent, names in steps:
        wanted = edited(chains[parent], how, names)
        method = getattr(store, f"{how}_chain" if how != "remove" else "remove_from_chain")
        if any(reaches(chains, child, parent) for child in wanted):
            with pytest.raises(CollectionCycleError):
                method(parent, names)
        else:
            method(parent, names)
            chains[parent] = wanted
    for name, children in chains.items():
        assert list(store.get_info(name).children) == children
        assert flat(store, name) == list(dict.fromkeys(search_path(chains, name)))
