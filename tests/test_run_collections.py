"""Where the outputs of a run go, and what is done again: chains, resuming, skipping, replacing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from toy_pipeline import VISITS, make_toy_repo, toy_pipeline

from butler import Butler, ButlerUserError, CollectionType
from connections import OutputExistsError, QuantumGraph, RunCollections, RunCollectionsError, build_graph
from tasks.cli import main
from tasks.execution import RunReport, run_graph


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    """Return a toy repository with two more runs."""
    butler = make_toy_repo(tmp_path / "repo")
    for name in ("more", "other"):
        butler.collections.register(name)
    return butler


def begin(butler: Butler, *inputs: str, **options: Any) -> RunCollections:
    """Find the collections of a run, and make them."""
    place = RunCollections.make(butler, inputs, **options)
    place.apply(butler)
    return place


def children(butler: Butler, chain: str = "out") -> tuple[str, ...]:
    return butler.collections.get_info(chain).children


def test_a_new_chain_begins_with_a_run_of_the_time(butler: Butler) -> None:
    """Behind it are the inputs, chains among them dissolved; nothing is made before it is applied."""
    butler.collections.register("both", CollectionType.CHAINED)
    butler.collections.redefine_chain("both", ["in", "more"])
    place = RunCollections.make(butler, ["both"], output="out")
    assert not butler.collections.query("out*")
    place.apply(butler)
    assert children(butler) == (place.run, "in", "more")
    assert place.inputs == ("in", "more")
    assert place.run.startswith("out/2")
    assert place.run.endswith("Z")


def test_runs_of_one_second_have_names_of_their_own(butler: Butler) -> None:
    """The newest run is first, and no name is taken twice."""
    runs = [begin(butler, "in", output="out").run for _ in range(3)]
    assert len(set(runs)) == 3
    assert children(butler) == (*reversed(runs), "in")


def test_a_chain_is_its_own_input(butler: Butler) -> None:
    """Without inputs, or with those that it has, a chain gets one run more."""
    first = begin(butler, "in", "more", output="out", output_run="o/1")
    second = begin(butler, output="out", output_run="o/2")
    third = begin(butler, "in", "more", output="out", output_run="o/3")
    assert third.inputs == (second.run, first.run, "in", "more")
    assert children(butler) == ("o/3", "o/2", "o/1", "in", "more")


def test_other_inputs_need_rebase(butler: Butler) -> None:
    """They are put behind the chain's own runs, and what else it had comes last."""
    begin(butler, "in", output="out", output_run="out/1")
    for inputs in (["more"], ["in", "more"]):
        with pytest.raises(RunCollectionsError, match="--rebase"):
            RunCollections.make(butler, inputs, output="out")
    begin(butler, "more", output="out", output_run="out/2", rebase=True)
    assert children(butler) == ("out/2", "out/1", "more", "in")


def test_a_run_is_extended_or_replaced(butler: Butler) -> None:
    """Extending writes into the newest run; replacing takes it out of the chain and keeps it."""
    begin(butler, "in", output="out", output_run="out/1")
    extended = begin(butler, output="out", extend_run=True)
    assert (extended.run, extended.inputs) == ("out/1", ("out/1", "in"))
    replacing = begin(butler, output="out", output_run="out/2", replace_run=True)
    assert replacing.replaced == "out/1"
    assert children(butler) == ("out/2", "in")
    assert butler.collections.query("out/1")


def test_resuming_begins_or_goes_on(butler: Butler) -> None:
    """The same command can be given until it succeeds."""
    first = begin(butler, "in", output="out", resume=True)
    assert begin(butler, "in", output="out", resume=True) == RunCollections(
        first.run, (first.run, "in"), "out", (first.run, "in")
    )
    assert begin(butler, "in", output_run="o", resume=True).inputs == ("in",)
    assert begin(butler, "in", output_run="o", resume=True).inputs == ("o", "in")


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["in"], {}, "give an output chain"),
        ([], {"output": "new"}, "no input collections"),
        ([], {"output_run": "new"}, "no input collections"),
        (["in"], {"output_run": "more"}, "--extend-run"),
        (["in"], {"output": "new", "output_run": "more"}, "--extend-run"),
        (["in"], {"output_run": "new", "extend_run": True}, "no run 'new' to extend"),
        (["in"], {"output": "new", "extend_run": True}, "to extend or replace"),
        (["in"], {"output": "new", "replace_run": True}, "to extend or replace"),
        (["in"], {"output_run": "new", "replace_run": True}, "give -o CHAIN"),
        (["in"], {"output": "out", "extend_run": True, "replace_run": True}, "not both"),
        (["in"], {"output": "out", "extend_run": True, "output_run": "x"}, "not a run x to extend|'x'"),
        (["in"], {"output": "in"}, "-o needs a chain"),
        (["in"], {"output_run": "out"}, "--output-run needs a run"),
        (["none"], {"output": "out"}, "no collection 'none'"),
    ],
)
def test_contradictions_are_refused(
    butler: Butler, inputs: list[str], options: dict[str, Any], message: str
) -> None:
    """Each is one error, and nothing is made."""
    begin(butler, "in", output="out", output_run="out/1")
    before = butler.collections.query("*")
    with pytest.raises(ButlerUserError, match=message):
        RunCollections.make(butler, inputs, **options)
    assert butler.collections.query("*") == before


def plan(
    butler: Butler, *, fail: list[int] | None = None, no_work: list[int] | None = None, **options: Any
) -> QuantumGraph:
    pipeline = toy_pipeline(fail=fail or [], noWork=no_work or [])
    return build_graph(pipeline, butler, collections=["in"], run="out", **options)


def execute(butler: Butler, **options: Any) -> RunReport:
    return run_graph(plan(butler, **options), butler)


def state(butler: Butler) -> dict[str, set[object]]:
    """Return the ids of what the run has, by dataset type, apart from configs and versions."""
    found: dict[str, set[object]] = {}
    for ref in butler.query_all_datasets("out"):
        if not ref.datasetType.name.endswith(("_config", "packages")):
            found.setdefault(ref.datasetType.name, set()).add(ref.id)
    return found


SKIP, CLOBBER = {"skip_existing": True}, {"clobber_outputs": True}


def test_all_done(butler: Butler) -> None:
    """Done quanta are refused, skipped, or replaced; with both options they are skipped."""
    execute(butler)
    before = state(butler)
    with pytest.raises(OutputExistsError):
        plan(butler)
    for options in (SKIP, SKIP | CLOBBER):
        assert plan(butler, **options).quanta == ()
        assert plan(butler, **options).n_skipped == {"double": len(VISITS), "sum": 1}
    assert execute(butler, **CLOBBER).succeeded
    after = state(butler)
    assert after.keys() == before.keys()
    for name, ids in after.items():
        assert len(ids) == len(before[name])
        assert not ids & before[name]
    assert butler.verify().is_clean


def test_no_work_counts_as_done(butler: Butler) -> None:
    """Outputs that a success did not write stay absent for what comes after it."""
    execute(butler, no_work=[2])
    assert plan(butler, no_work=[2], **SKIP).quanta == ()
    butler.pruneDatasets(
        [*butler.query_datasets("total", "out"), *butler.query_datasets("sum_metadata", "out")],
        disassociate=True,
        unstore=True,
        purge=True,
    )
    [left] = plan(butler, no_work=[2], **SKIP).quanta
    assert [ref.dataId["visit"] for ref in left.inputs["parts"]] == [1, 3, 4]


def test_what_was_left_half_done(butler: Butler) -> None:
    """Outputs without metadata block a run that only skips; they are replaced where that is allowed."""
    execute(butler)
    marks = butler.query_datasets("double_metadata", "out", where="visit = 3")
    marks += butler.query_datasets("sum_metadata", "out")
    butler.pruneDatasets(marks, disassociate=True, unstore=True, purge=True)
    for options in ({}, SKIP):
        with pytest.raises(OutputExistsError, match="--resume"):
            plan(butler, **options)
    graph = plan(butler, **SKIP, **CLOBBER)
    assert graph.count_by_label() == {"double": 1, "sum": 1}
    assert run_graph(graph, butler).succeeded
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 200}
    assert {name: len(ids) for name, ids in state(butler).items()} == {
        "doubled": 4,
        "double_log": 4,
        "double_metadata": 4,
        "total": 1,
        "sum_log": 1,
        "sum_metadata": 1,
    }


def test_successes_of_other_collections_count(butler: Butler) -> None:
    """What they have is read instead of being made again."""
    run_graph(build_graph(toy_pipeline().only("double"), butler, collections=["in"], run="first"), butler)
    graph = plan(butler, skip_existing_in=["first"])
    assert graph.count_by_label() == {"double": 0, "sum": 1}
    assert {ref.run for ref in graph.quanta[0].inputs["parts"]} == {"first"}
    assert run_graph(graph, butler).succeeded
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 200}


def test_one_flag_after_a_failure(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a failure and what it blocked goes on with --resume; then there is nothing to do."""
    monkeypatch.chdir(butler.root.parent)
    marker = butler.root.parent / "fixed"
    words = [
        "-b",
        "repo",
        "-t",
        "toy_pipeline:DoubleTask",
        "-t",
        "toy_pipeline:SumTask",
        "-i",
        "in",
        "-o",
        "out",
    ]
    words += ["--resume", "-c", f"double:failUntil={{{marker}: 2}}"]

    def run(command: str = "run") -> Any:
        return CliRunner().invoke(main, [command, *words])

    assert run().exit_code == 1
    marker.touch()
    assert run("qgraph").stdout.count("double") == 1
    again = run()
    assert again.exit_code == 0, again.output
    assert "double: 1 quanta (3 done before)" in again.stderr
    done = run()
    assert done.exit_code == 0
    assert "nothing to do: all was done before" in done.stderr
    assert len(children(butler)) == 2
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 200}


def test_a_replaced_run_is_pruned(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files go, or all of it; the chain has the new run in its place."""
    monkeypatch.chdir(butler.root.parent)
    words = ["-b", "repo", "-t", "toy_pipeline:DoubleTask", "-i", "in", "-o", "out"]

    def run(*more: str) -> str:
        result = CliRunner().invoke(main, ["run", *words, *more])
        assert result.exit_code == 0, result.output
        return children(butler)[0]

    first = run()
    second = run("--replace-run", "--prune-replaced", "unstore")
    assert first not in children(butler)
    refs = butler.query_datasets("doubled", first)
    assert len(refs) == len(VISITS)
    assert not any(butler.stored_many(refs).values())
    run("--replace-run", "--prune-replaced", "purge")
    assert second not in butler.collections.query("*")
    assert butler.verify().is_clean
