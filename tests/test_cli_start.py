"""How the butler command starts: imports, commands of other packages, options from a file, logging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from butler import Butler
from butler.cli import main
from butler.cli.catalog import COMMANDS

HEAVY = ("astropy", "lark", "lsst", "matplotlib", "numba", "numpy", "pydantic", "scipy", "sqlalchemy", "yaml")
PROGRAM = "from butler.cli import main; main()"


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def process(*words: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, with a directory of packages more."""
    places = [str(path)] if path else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*places, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    "words", [["--help"], ["query-datasets", "--help"], ["show", "--help"], ["nonsense"]]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """A help text, and a misspelt command, need none of the libraries that take long to import."""
    program = f"""
import sys
from butler.cli import main
try:
    main({words!r})
finally:
    print(*sorted(set({HEAVY!r}) & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == (2 if words == ["nonsense"] else 0)
    assert done.stderr.splitlines()[-1] == ""


def test_help_of_all_commands_imports_nothing_heavy() -> None:
    """No module of commands imports a heavy library before a command runs."""
    program = f"""
import sys
from butler.cli import main
from butler.cli.catalog import COMMANDS
for name in COMMANDS:
    main([name, "--help"], standalone_mode=False)
print(*sorted(set({HEAVY!r}) & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.count("Usage: ") == len(COMMANDS)
    assert done.stderr == "\n"


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    """Name and short help of each command are those of the command itself; all are in the list."""
    listed = " ".join(call("--help").stdout.split())
    for name, entry in COMMANDS.items():
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.name == name
        assert command.help is not None
        assert command.help.split("\n\n")[0] == entry.help
        assert f"{name} {entry.help}" in listed


def test_a_misspelt_command_is_told_the_nearest() -> None:
    """The exit status is 2, as for other wrong command lines."""
    result = call("query-dataset", "repo")
    assert result.exit_code == 2
    assert "no command 'query-dataset'; did you mean 'query-datasets'?" in result.stderr


# Commands of other packages.


def install(
    site: Path, package: str, source: str, entries: dict[str, str], requires: str = "coadd-butler>=0.1"
) -> None:
    """Install a distribution with one module, as pip would, into a directory."""
    (site / f"{package}.py").write_text(source)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    fields = ["Metadata-Version: 2.1", f"Name: {package}", "Version: 1.0", f"Requires-Dist: {requires}"]
    (info / "METADATA").write_text("\n".join(fields) + "\n")
    lines = [f"{name} = {place}" for name, place in entries.items()]
    (info / "entry_points.txt").write_text("[butler.cli]\n" + "\n".join(lines) + "\n")


PAGE = (Path(__file__).parents[1] / "docs" / "commands.md").read_text()
WORKING = (
    PAGE.partition("```python\n")[2].partition("```")[0]
    + """

def clashing():
    return [count_runs, click.Command("show"), 3]


def failing():
    raise RuntimeError("two\\nlines")
"""
)


def test_commands_of_other_packages(tmp_path: Path, repository: Path) -> None:
    """They are listed and run like ours; a broken one is named, and disturbs no other command."""
    install(tmp_path, "helpful", WORKING, {"helpful": "helpful:butler_commands", "more": "helpful:clashing"})
    entries = {"command": "hopeless:count_runs", "explode": "hopeless:failing", "gone": "hopeless:gone"}
    install(tmp_path, "hopeless", WORKING, entries)
    install(tmp_path, "stranger", "raise SystemExit(3)", {"all": "stranger:all"}, requires="lsst-daf-butler")
    listed = process("--help", path=tmp_path)
    assert listed.returncode == 0
    assert "Count the RUN collections." in listed.stdout
    told = listed.stderr.splitlines()
    assert told[:3] == [
        "warning: package helpful: its command 'count-runs' is left out, the name is taken",
        "warning: package helpful: its command 'show' is left out, the name is taken",
        "warning: package helpful: helpful:clashing returned a int, no named click command",
    ]
    unloaded = "warning: package hopeless: its commands cannot be loaded: "
    assert told[3].startswith(f"{unloaded}TypeError: hopeless:count_runs is a command")
    assert told[4] == f"{unloaded}RuntimeError: two lines"
    assert told[5].startswith(f"{unloaded}AttributeError")
    assert len(told) == 6
    counted = process("count-runs", repository, "--format", "json", path=tmp_path)
    assert json.loads(counted.stdout) == [{"runs": 2}]
    ours = process("query-collections", repository, "--format", "csv", path=tmp_path)
    assert (ours.returncode, ours.stderr) == (0, "")
    broken = process("count-run", path=tmp_path)
    assert broken.returncode == 2
    assert "did you mean 'count-runs'?" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_our_commands_leave_the_other_butler_alone() -> None:
    """The group of entry points is also that of LSST's butler, which lists our commands among its own."""
    pytest.importorskip("lsst.daf.butler")
    call_theirs = "from lsst.daf.butler.cli.butler import cli; cli(['--help'])"
    theirs = subprocess.run([sys.executable, "-c", call_theirs], capture_output=True, text=True, check=False)
    assert theirs.returncode == 0, theirs.stderr
    assert "query-datasets" in theirs.stdout
    assert "explain" in theirs.stdout


# Options that all commands have.


def test_options_from_a_file(repository: Path, tmp_path: Path) -> None:
    """A file gives options and arguments by command; the command line goes over it."""
    file = tmp_path / "options.yaml"
    file.write_text(
        f"query-collections:\n  REPO: {repository}\n  collection-type: run\n  format: csv\n"
        "query-data-ids:\n  order_by: [-visit]\n  limit: 2\n  where: visit > 1\n"
    )
    assert call("query-collections", "-@", file).stdout.splitlines()[1:] == ["run,RUN,", "skymaps,RUN,"]
    assert json.loads(call("query-collections", "-@", file, "--format", "json").stdout)[0]["Name"] == "run"
    rows = json.loads(call("query-data-ids", repository, "visit", "-@", file, "--format", "json").stdout)
    assert [row["visit"] for row in rows] == [3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query-datasets:\n  wher: x", "query-datasets has no option 'wher'; did you mean 'where'?"),
        ("query-dataset:\n  where: x", "no options for query-datasets; did you mean 'query-dataset'?"),
        ("query-datasets: 3", "must hold a mapping"),
        ("- 3", "holds no mapping"),
        ("a: [", "is not YAML"),
        ("query-datasets:\n  limit: many", "'many' is not a valid integer"),
    ],
)
def test_a_wrong_options_file_is_one_line(repository: Path, tmp_path: Path, text: str, message: str) -> None:
    """The message says what is wrong in the file."""
    (tmp_path / "o.yaml").write_text(text)
    result = call("query-datasets", repository, "-@", tmp_path / "o.yaml")
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """Before or after the command, and never without being asked."""
    for words in (["--debug", "query-collections", tmp_path], ["query-collections", tmp_path, "--debug"]):
        done = process(*words)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "RepositoryNotFoundError" in done.stderr
    assert "Traceback" not in process("query-collections", tmp_path).stderr


def test_logging_goes_to_the_standard_error_and_to_files(repository: Path, tmp_path: Path) -> None:
    """What is cut by a negative limit is told as a warning, unless that level is not wanted."""
    words = ("query-data-ids", repository, "visit", "--limit", -1, "--format", "csv")
    log = tmp_path / "butler.log"
    told = call("--log-file", log, "--long-log", *words)
    assert "WARNING: " in told.stderr
    assert "1" in told.stderr
    assert told.stdout.splitlines() == [
        "instrument,visit,band,day_obs,physical_filter",
        "CAM,1,g,20240101,CAM-g",
    ]
    assert log.read_text() == told.stderr
    assert call("--log-level", "ERROR", *words).stderr == ""
    assert call("--log-level", "butler.registry=error", *words).stderr == ""
    assert call("--no-log-tty", *words).stderr == ""
    assert "WARNING: " in call(*words).stderr
    wrong = call("--log-level", "LOUD", *words)
    assert wrong.exit_code == 2
    assert "no log level 'LOUD'; give one of CRITICAL" in wrong.stderr


def test_an_error_of_ours_is_not_hidden(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors that are raised on purpose become one line."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Butler, "query", fail)
    assert isinstance(call("query-data-ids", repository, "visit").exception, ZeroDivisionError)
