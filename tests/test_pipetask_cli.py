"""The pipetask command on the toy pipeline: runs, overrides, failures, chains."""

from __future__ import annotations

import json
import pstats
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from toy_camera import snapshot
from toy_pipeline import make_toy_repo

from butler import Butler
from tasks.cli import main
from tasks.cli.catalog import COMMANDS

DOUBLED_SUM = 2 * (10 + 20 + 30 + 40)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a toy repository; beside it, in the working directory, lies the pipeline."""
    make_toy_repo(tmp_path / "repo").close()
    tasks = {"double": "toy_pipeline:DoubleTask", "sum": "toy_pipeline:SumTask"}
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump({"description": "double and add", "tasks": tasks}))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "repo"


def run(*words: object, pipeline: str = "toy.yaml") -> Result:
    given = ["run", "-b", "repo", "-p", pipeline, *(str(word) for word in words)]
    return CliRunner().invoke(main, given)


def error(*words: object, pipeline: str = "toy.yaml") -> str:
    """Run a command that is refused; return its one message."""
    result = run(*words, pipeline=pipeline)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    assert result.stderr.count("Error: ") == 1
    return result.stderr.partition("Error: ")[2]


def total(repo: Path, collection: str) -> int:
    with Butler(repo) as butler:
        value: int = butler.get("total", instrument="Cam", collections=collection)["value"]
    return value


def test_a_pipeline_runs_into_a_chain(repo: Path) -> None:
    """The chain holds the new run and the inputs, and the plan and the outcome are told."""
    result = run("-i", "in", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "double: 4 quanta" in result.stderr
    assert "sum: 1 succeeded" in result.stderr
    assert "outputs are in out" in result.stderr
    assert total(repo, "out") == DOUBLED_SUM
    with Butler(repo) as butler:
        first, second = butler.collections.get_info("out").children
    assert first.startswith("out/")
    assert second == "in"


def test_a_second_run_goes_before_the_first(repo: Path) -> None:
    """The chain is its own input; the newest run is found first, and the older one stays."""
    first = ("-i", "in", "-o", "out", "--output-run", "out/1")
    assert run(*first).exit_code == 0
    again = run("-o", "out", "--output-run", "out/2", "-c", "sum:doCount=true")
    assert again.exit_code == 0, again.output
    with Butler(repo) as butler:
        assert butler.collections.get_info("out").children == ("out/2", "out/1", "in")
        assert butler.get("count", instrument="Cam", collections="out") == {"value": 4}


def test_a_selection_runs_alone(repo: Path) -> None:
    """Labels after # and a data query restrict what runs."""
    result = run("-i", "in", "--output-run", "o", "-d", "visit < 3", pipeline="toy.yaml#double")
    assert result.exit_code == 0, result.output
    with Butler(repo) as butler:
        assert [r.dataId["visit"] for r in butler.query_datasets("doubled", "o")] == [1, 2]
        assert [registered.type.name for registered in butler.registry.datasets.query_types("total")] == []


def test_a_failure_is_summed_up_and_the_others_are_done(repo: Path) -> None:
    """Status 1 and one line for the failure; what did not need it is done."""
    result = run("-i", "in", "--output-run", "o", "-c", "double:fail=[2]")
    assert result.exit_code == 1
    failures = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 1
    assert "visit 2 is broken" in failures[0]
    assert "double: 3 succeeded, 1 failed" in result.stderr
    assert "Traceback" not in result.output
    with Butler(repo) as butler:
        assert [r.dataId["visit"] for r in butler.query_datasets("doubled", "o")] == [1, 3, 4]
        assert butler.verify().is_clean


def test_debug_prints_the_traceback(repo: Path) -> None:
    """With --debug the failed quantum's traceback is told."""
    result = run("-i", "in", "--output-run", "o", "-c", "double:fail=[2]", "--debug")
    assert "Traceback" in result.stderr


def test_existing_outputs(repo: Path) -> None:
    """Running into the same run again is refused, or with --resume nothing is left to do."""
    words = ("-i", "in", "--output-run", "o")
    assert run(*words).exit_code == 0
    before = snapshot(repo)
    assert "--extend-run" in error(*words)
    result = run(*words, "--resume")
    assert result.exit_code == 0, result.output
    assert "done before" in result.stderr
    assert snapshot(repo) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-i", "in"), "give an output chain (-o CHAIN)"),
        (("-o", "out"), "no input collections"),
        (("-i", "none", "-o", "out"), "no collection 'none'"),
        (("-i", "in", "-o", "in"), "-o needs a chain"),
        (("-i", "in", "-o", "out", "-c", "double:fial=[2]"), "fail"),
        (("-i", "in", "-o", "out", "-c", "duble:fail=[2]"), "double"),
        (("-i", "in", "-o", "out", "-c", "double:fail=two"), "fail"),
        (("-i", "in", "-o", "out", "-c", "double:fail"), "LABEL:FIELD=VALUE"),
        (("-i", "in", "-o", "out", "-c", "double:fail=[2"), "the value of 'double:fail=[2' is not YAML"),
        (("-i", "in", "-o", "out", "-d", "vist = 1"), "did you mean 'visit'?"),
        (("-i", "in", "-o", "out", "-j", "0"), "-j"),
    ],
)
def test_a_mistake_is_one_message(repo: Path, words: tuple[str, ...], message: str) -> None:
    """What is wrong is said before anything is written."""
    before = snapshot(repo)
    assert message in error(*words)
    assert snapshot(repo) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coad-safeclip", "did you mean 'coadd-safeclip'?"),
        ("toy.yaml#duble", "duble"),
        ("broken.yaml", "is not YAML"),
        ("empty.yaml", "empty.yaml"),
    ],
)
def test_a_pipeline_that_is_none(repo: Path, name: str, message: str) -> None:
    """A wrong name, label or file is told, with the nearest name."""
    Path("broken.yaml").write_text("a: [1,")
    Path("empty.yaml").touch()
    before = snapshot(repo)
    assert message in error("-i", "in", "-o", "out", pipeline=name)
    assert snapshot(repo) == before


def test_the_ready_pipelines_are_listed() -> None:
    """Each has a line with its name and what it does."""
    result = CliRunner().invoke(main, ["pipelines"])
    assert result.exit_code == 0
    names = [line.partition(": ")[0] for line in result.stdout.splitlines()]
    whole_way = ["from-exposures", "from-exposures-safeclip", "from-exposures-select"]
    assert sorted(names) == ["coadd-comparewarp", "coadd-direct", "coadd-safeclip", *whole_way]
    assert all(line.partition(": ")[2] for line in result.stdout.splitlines())


def test_limits_and_summary(repo: Path) -> None:
    """The options reach the runner, and the summary is LSST's, with ours in it."""
    result = run(
        *("-i", "in", "--output-run", "o", "-c", "double:fail=[2]", "-j", "2", "--summary", "s.json"),
        *("--timeout", "60", "--memory-per-quantum", "1.5GiB", "--retries", "0", "-n", "1"),
    )
    assert result.exit_code == 1
    assert "3 of 5 quanta succeeded, 1 failed, 1 are blocked, 0 were not run" in result.stderr
    summary = json.loads(Path("s.json").read_text())
    assert (summary["status"], summary["exitCode"]) == ("failure", 1)
    assert summary["qgraphSummary"]["qgraphTaskSummaries"]["double"]["numQuanta"] == 4
    by_status = {report["status"]: report for report in summary["quantaReports"]}
    assert by_status["failure"]["dataId"] == {"instrument": "Cam", "visit": 2}
    assert by_status["failure"]["exceptionInfo"] == {
        "className": "RuntimeError",
        "message": "RuntimeError: visit 2 is broken",
    }
    assert by_status["skipped"]["taskLabel"] == "sum"
    assert by_status["success"]["wallTime"] > 0


def test_a_debugger_stops_where_a_quantum_failed(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--pdb takes pdb, or a module that debugs in its own way; the run goes on after it."""
    monkeypatch.syspath_prepend(".")
    Path("debugs.py").write_text(
        "import sys, traceback\n"
        "def post_mortem(trace):\n"
        "    print('at', traceback.extract_tb(trace)[-1].name, file=sys.stderr)\n"
    )
    words = ("-i", "in", "-c", "double:fail=[2]", "--output-run")
    result = run(*words, "o", "--pdb", "debugs")
    assert result.exit_code == 1
    assert result.stderr.count("at run\n") == 1
    assert "3 of 5 quanta succeeded" in result.stderr
    stopped: list[Any] = []
    monkeypatch.setattr("pdb.post_mortem", stopped.append)
    assert run(*words, "p", "--pdb").exit_code == 1
    assert [type(trace).__name__ for trace in stopped] == ["traceback"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pdb", "-j", "2", "--timeout", "9"), "with -j, --timeout they run in others"),
        (("--pdb", "--executor", "dask"), "with --executor dask"),
        (("--pdb", "no_such_module"), "is no module with a debugger's post_mortem"),
        (("--pdb", "json"), "is no module with a debugger's post_mortem"),
        (("--start-method", "fork"), "'forkserver', 'spawn'"),
        (("--graph-fixup", "json:order"), "is no function of a module"),
        (("--scheduler", "tcp://here:1"), "--scheduler needs --executor dask"),
        (("-n", "1", "--enable-implicit-threading"), "give one of them"),
    ],
)
def test_options_of_execution_that_cannot_be(repo: Path, words: tuple[str, ...], message: str) -> None:
    """What could not be done is refused before anything is written."""
    before = snapshot(repo)
    assert message in error("-i", "in", "--output-run", "o", *words)
    assert snapshot(repo) == before


def test_quanta_in_an_order_of_ones_own(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--graph-fixup has quanta wait for others; one that waits for a failure is blocked."""
    monkeypatch.syspath_prepend(".")
    Path("fixups.py").write_text(
        "def backwards(graph):\n"
        "    ids = [quantum.id for quantum in graph.quanta if quantum.label == 'double']\n"
        "    return zip(ids[1:], ids)\n"
        "def around(graph):\n"
        "    return [(quantum.id, quantum.id) for quantum in graph.quanta[:1]]\n"
        "def astray(graph):\n"
        "    return [(graph.id, graph.quanta[0].id)]\n"
    )
    words = ("-i", "in", "--output-run")
    result = run(*words, "o", "--graph-fixup", "fixups:backwards", "-c", "double:fail=[2]", "--summary", "s")
    assert result.exit_code == 1
    reports = [r for r in json.loads(Path("s").read_text())["quantaReports"] if r["taskLabel"] == "double"]
    assert [(r["dataId"]["visit"], r["status"]) for r in reports] == [
        (4, "success"),
        (3, "success"),
        (2, "failure"),
        (1, "skipped"),
    ]
    assert "quanta would wait for each other: double {" in error(
        *words, "p", "--graph-fixup", "fixups:around"
    )
    assert "no quantum" in error(*words, "q", "--graph-fixup", "fixups:astray")


def test_a_profile_of_the_quanta(repo: Path) -> None:
    """--profile sees what quanta do in this process."""
    assert run("-i", "in", "--output-run", "o", "--profile", "profile").exit_code == 0
    functions = {name for _, _, name in pstats.Stats("profile").stats}  # type: ignore[attr-defined]
    assert {"run_graph", "runQuantum"} <= functions


def test_workers_that_are_spawned(repo: Path) -> None:
    """Each is an interpreter of its own; they do the same."""
    result = run("-i", "in", "--output-run", "o", "-j", "2", "--start-method", "spawn", "-d", "visit = 1")
    assert result.exit_code == 0, result.output
    assert total(repo, "o") == 20


@pytest.mark.parametrize("amount", ["much", "0", "3 furlongs"])
def test_an_amount_of_memory_that_is_none(repo: Path, amount: str) -> None:
    """A wrong unit is a wrong command line."""
    assert "is no amount of memory" in error("-i", "in", "-o", "o", "--memory-per-quantum", amount)


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    """Name and short help of each command are those of the command itself; all are in the list."""
    listed = " ".join(CliRunner().invoke(main, ["--help"]).stdout.split())
    for name, entry in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert (command.name, (command.help or "").split("\n\n")[0]) == (name, entry.help)
        assert f"{name} {entry.help}" in listed
    done = CliRunner().invoke(main, ["rnu"])
    assert (done.exit_code, "no command 'rnu'; did you mean 'run'?" in done.stderr) == (2, True)


def test_help_imports_no_command() -> None:
    """The list of commands is there before any of them is imported."""
    program = (
        "import sys\nfrom tasks.cli import main\nmain(['--help'], standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    places = {f"tasks.cli.{entry.place.partition(':')[0]}" for entry in COMMANDS.values()}
    assert not loaded & {*places, "numpy", "pydantic", "sqlalchemy", "yaml"}
