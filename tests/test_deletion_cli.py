"""Commands that remove, tag and retrieve: what they print, ask and do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_repository import NOTE, TOTAL

from butler import Butler, CollectionType, DatasetRef
from butler.cli import main


@pytest.fixture
def notes(butler: Butler) -> list[DatasetRef]:
    """Put a note of each visit into ``run``, one of visit 1 into ``other``; chain both."""
    butler.registry.registerRun("other")
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["run", "other"])
    refs = [butler.put({"visit": visit}, NOTE, visit=visit) for visit in (1, 2, 3)]
    return [*refs, butler.put({}, NOTE, visit=1, run="other")]


def command(butler: Butler, name: str, *words: str, rc: int = 0) -> Result:
    """Run a command without a terminal."""
    result = CliRunner().invoke(main, [name, str(butler.root), *words])
    assert result.exit_code == rc, result.output
    return result


def alive(butler: Butler, refs: list[DatasetRef]) -> list[bool]:
    """Tell which datasets can be read."""
    return [bool(butler.exists(ref)) for ref in refs]


def test_nothing_goes_unasked(butler: Butler, notes: list[DatasetRef]) -> None:
    """Without a terminal and --yes the command is refused; a dry run shows the same and removes nothing."""
    butler.collections.register("tag", CollectionType.TAGGED)
    for words in (["prune-datasets", "run"], ["remove-runs", "run"], ["remove-collections", "tag"]):
        result = command(butler, *words, rc=2)
        assert "no terminal; give --yes" in result.stderr
        assert command(butler, *words, "--dry-run").stdout == result.stdout
    assert alive(butler, notes) == [True] * 4
    assert "tag" in butler.collections.query("*")


@pytest.mark.parametrize(("answer", "left"), [("n", 4), ("y", 2)])
def test_answer_counts(
    butler: Butler, notes: list[DatasetRef], monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    """On a terminal the question is asked, and its answer followed."""
    monkeypatch.setattr("butler.cli.arguments._is_terminal", lambda: True)
    words = ["prune-datasets", str(butler.root), "run", "--where", "visit < 3", "--purge"]
    result = CliRunner().invoke(main, words, input=f"{answer}\n")
    assert result.exit_code == (0 if answer == "y" else 1)
    assert "Go on?" in result.stderr
    assert sum(alive(butler, notes)) == left


def test_prune_unstores_by_default(butler: Butler, notes: list[DatasetRef]) -> None:
    """What is printed is what goes; rows stay."""
    result = command(butler, "prune-datasets", "chain", "--where", "visit = 1", "--yes")
    header, _, *rows = result.stdout.splitlines()
    assert header.split()[:5] == ["type", "run", "id", "instrument", "visit"]
    assert [row.split()[2] for row in rows] == [str(notes[0].id)]
    assert "1 datasets will be deleted from storage" in result.stderr
    assert alive(butler, notes) == [False, True, True, True]
    assert butler.find_dataset(NOTE, visit=1) == notes[0]


def test_prune_purges_what_the_named_runs_own(butler: Butler, notes: list[DatasetRef]) -> None:
    """A TAGGED collection does not put datasets of unnamed runs in danger."""
    total = butler.put({}, TOTAL)
    butler.collections.register("tag", CollectionType.TAGGED)
    butler.registry.associate("tag", [notes[0], notes[1]])
    assert "belongs to a RUN" in command(butler, "prune-datasets", "tag", "--purge", "-y", rc=1).stderr
    words = ["tag", "other", "--purge", "--find-all", "--datasets", "no*", "--yes"]
    result = command(butler, "prune-datasets", *words)
    assert "1 datasets will be removed altogether" in result.stderr
    assert butler.get_many_datasets([ref.id for ref in notes]) == notes[:3]
    assert butler.exists(total)


def test_purge_of_a_named_run(butler: Butler, notes: list[DatasetRef]) -> None:
    """RUN after --purge is searched if no collection is named, and limits what goes if one is."""
    result = command(
        butler, "prune-datasets", "chain", "--find-all", "--purge", "other", "-d", "note", "--dry-run"
    )
    assert [line.split()[1] for line in result.stdout.splitlines()[2:]] == ["other"]
    command(butler, "prune-datasets", "--purge", "other", "-d", "note", "--yes")
    assert butler.get_many_datasets([ref.id for ref in notes]) == notes[:3]
    command(butler, "prune-datasets", "run", "--purge", "-d", "note", "-d", "visit=2..3", "--no-confirm")
    assert butler.get_many_datasets([ref.id for ref in notes]) == notes[:1]


def test_quiet_removal(butler: Butler, notes: list[DatasetRef]) -> None:
    """With --quiet nothing is asked or printed; it cannot go with a dry run, which only prints."""
    refused = command(butler, "prune-datasets", "run", "--quiet", "--dry-run", rc=2)
    assert "leave one out" in refused.stderr
    result = command(butler, "prune-datasets", "run", "-d", "note", "--quiet")
    assert result.output == ""
    assert alive(butler, notes) == [False, False, False, True]


def test_prune_disassociates(butler: Butler, notes: list[DatasetRef]) -> None:
    """Datasets leave the tagged collection, and stay stored unless that is asked for, too."""
    butler.collections.register("tag", CollectionType.TAGGED)
    butler.registry.associate("tag", notes[:3])
    command(butler, "prune-datasets", "--disassociate", "tag", "--where", "visit=1", "--yes")
    assert butler.query_datasets("note", "tag") == notes[1:3]
    assert alive(butler, notes) == [True] * 4
    command(butler, "prune-datasets", "--disassociate", "tag", "--unstore", "--where", "visit=2", "--yes")
    assert butler.query_datasets("note", "tag") == notes[2:3]
    assert alive(butler, notes) == [True, False, True, True]


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        ([], 2, "name the collections"),
        (["r*"], 2, "add --find-all"),
        (["run", "--purge", "--disassociate", "tag"], 2, "leave --disassociate out"),
        (["run", "--datasets", "nope"], 2, "no dataset type 'nope'"),
        (["run", "--datasets", "z*"], 2, "no dataset type matches 'z*'"),
        (["run", "--datasets", "c*"], 1, "there is no dataset in run"),
        (["run", "--datasets", "note", "--where", "visit=9"], 1, "nothing fulfils"),
        (["nope"], 2, "no collection 'nope'"),
    ],
)
def test_prune_says_what_is_wrong(
    butler: Butler, notes: list[DatasetRef], words: list[str], rc: int, message: str
) -> None:
    """Contradictions and unknown names end with one clear line."""
    result = command(butler, "prune-datasets", *words, "--yes", rc=rc)
    assert message in " ".join(result.stderr.split())
    assert alive(butler, notes) == [True] * 4


def test_remove_runs(butler: Butler, notes: list[DatasetRef]) -> None:
    """A run in a chain goes only with --force; the table counts its datasets."""
    result = command(butler, "remove-runs", "o*", "run", "--yes", rc=1)
    assert "other is part of chain; run is part of chain; nothing was removed" in result.stderr
    assert alive(butler, notes) == [True] * 4
    result = command(butler, "remove-runs", "run", "--yes", "--force")
    assert result.stdout.splitlines()[2].split() == ["run", "3", "chain"]
    assert butler.collections.get_info("chain").children == ("other",)
    assert alive(butler, notes) == [False, False, False, True]
    assert "no RUN collection" in command(butler, "remove-runs", "chain", "--yes", rc=2).stderr
    assert butler.verify().is_clean


def test_remove_collections(butler: Butler, notes: list[DatasetRef]) -> None:
    """TAGGED collections and chains go, parents first; RUNs are left alone."""
    butler.collections.register("tag", CollectionType.TAGGED)
    butler.collections.register("upper", CollectionType.CHAINED)
    butler.collections.redefine_chain("upper", ["chain", "tag"])
    assert "part of upper" in command(butler, "remove-collections", "tag", "--yes", rc=1).stderr
    command(butler, "remove-collections", "tag", "--remove-from-parents", "--yes")
    result = command(butler, "remove-collections", "*", "--yes")
    assert "left alone" in result.stderr
    assert butler.collections.query("*", [CollectionType.CHAINED, CollectionType.TAGGED]) == []
    assert alive(butler, notes) == [True] * 4


def test_associate(butler: Butler, notes: list[DatasetRef]) -> None:
    """The collection is made, and filled with what a search finds first."""
    words = ["tag", "-d", "note", "--collections", "chain", "--where", "visit IN (1, 2)"]
    assert "2 datasets are in tag" in command(butler, "associate", *words).stderr
    assert butler.query_datasets("note", "tag") == notes[:2]
    command(butler, "associate", *words)
    result = command(butler, "associate", "tag", "-d", "note", "--collections", "other", rc=1)
    assert "holds another note" in result.stderr
    command(butler, "associate", "fresh", "-d", "nope", rc=2)
    assert "fresh" not in butler.collections.query("*")


def test_retrieve_artifacts(butler: Butler, notes: list[DatasetRef], tmp_path: Path) -> None:
    """The files are brought, and their names printed."""
    target = tmp_path / "out"
    words = [str(target), "-d", "note", "--collections", "chain", "--find-first", "--verbose"]
    result = command(butler, "retrieve-artifacts", *words)
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [json.loads(path.read_text()) for path in paths] == [{"visit": visit} for visit in (1, 2, 3)]
    assert "there already" in command(butler, "retrieve-artifacts", *words, rc=1).stderr
    command(butler, "retrieve-artifacts", *words, "--clobber")


def test_pop_and_flatten_chains(butler: Butler, notes: list[DatasetRef]) -> None:
    """Children are popped by position; a chain among the children can be flattened; purposes are kept."""
    result = command(butler, "collection-chain", "flat", "chain,run", "--flatten", "--doc", "for tests")
    assert result.stdout == "[run, other]\n"
    assert butler.collections.get_info("flat").doc == "for tests"
    assert command(butler, "collection-chain", "flat", "1", "--mode", "pop").stdout == "[run]\n"
    assert "is no position" in command(butler, "collection-chain", "flat", "1", "--mode", "pop", rc=2).stderr
    assert command(butler, "collection-chain", "flat", "--mode", "pop").stdout == "[]\n"
    command(butler, "collection-chain", "flat", "run", "other")
    assert command(butler, "collection-chain", "flat", "--mode", "pop", "--", "-1").stdout == "[run]\n"


def test_collections_as_tree_and_table(butler: Butler, notes: list[DatasetRef]) -> None:
    """Children stand below their chain, or in its column; dataset types come if asked for."""
    tree = command(butler, "query-collections", "--chains", "tree").stdout.splitlines()[2:]
    assert [line.split()[0] for line in tree if line.startswith("  ")] == ["run", "other"]
    assert sum("run" in line.split() for line in tree) == 1
    table = command(butler, "query-collections", "chain", "--chains", "table").stdout.splitlines()
    assert [line.split() for line in table[2:]] == [["chain", "CHAINED", name] for name in ("run", "other")]
    listed = json.loads(command(butler, "query-collections", "-t", "--format", "json").stdout)
    rows = {row["Name"]: row for row in listed}
    assert rows["chain"] == {
        "Name": "chain",
        "Type": "CHAINED",
        "Children": ["run", "other"],
        "Dataset Types": ["note"],
    }
    kinds = command(butler, "query-collections", "--collection-type", "chained", "--format", "csv").stdout
    assert kinds.splitlines() == ["Name,Type,Children", 'chain,CHAINED,"run,other"']
