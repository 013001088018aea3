"""What Gen2 commands leave behind: runs and configs, exit statuses, files of profiles."""

from __future__ import annotations

import pstats
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from repository_snapshot import snapshot
from toy_pipeline import make_toy_repo

from butler import Butler
from tasks.cli.gen2 import process_ccd
from tasks.cli.gen2.processing import TaskCommand
from tasks.cli.gen2.selection import select_images


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a toy repository; processCcd doubles the number of each visit there."""
    make_toy_repo(tmp_path / "repo").close()
    tasks = {"double": "toy_pipeline:DoubleTask"}
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({"description": "double", "tasks": tasks}))
    command = TaskCommand(
        "processCcd", "double", lambda request, settings: (str(path), list(settings)), select_images
    )
    monkeypatch.setattr("tasks.cli.gen2.task_commands.PROCESS_CCD", command)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "repo"


def call(*words: str, rc: int = 0) -> Result:
    result = CliRunner().invoke(process_ccd, ["repo", *words])
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    assert result.exit_code == rc, result.output
    return result


def runs(repo: Path, chain: str = "rerun/default") -> list[str]:
    """Return the runs of a chain that are its own, newest first."""
    with Butler(repo) as butler:
        children = butler.collections.get_info(chain).children
    return [name for name in children if name.startswith(f"{chain}/")]


def doubled(repo: Path, collections: str = "rerun/default") -> dict[int, int]:
    """Return the doubled numbers by visit."""
    with Butler(repo) as butler:
        refs = butler.query_datasets("doubled", collections, explain=False)
        return {int(ref.dataId["visit"]): butler.get(ref)["value"] for ref in refs}


def test_the_same_command_again_replaces_what_it_made(repo: Path) -> None:
    """The newest run is extended; other data IDs stay, those of the command are made anew."""
    call("--id", "visit=1..2")
    [run] = runs(repo)
    with Butler(repo) as butler:
        before = {ref.dataId["visit"]: ref.id for ref in butler.query_datasets("doubled", run)}
    call("--id", "visit=2^3")
    assert runs(repo) == [run]
    with Butler(repo) as butler:
        after = {ref.dataId["visit"]: ref.id for ref in butler.query_datasets("doubled", run)}
    assert after.keys() == {1, 2, 3}
    assert after[1] == before[1]
    assert after[2] != before[2]
    assert doubled(repo) == {1: 20, 2: 40, 3: 60}


def test_outputs_that_are_reused(repo: Path) -> None:
    """--reuse-outputs-from leaves what is done; if all is, there is nothing to do."""
    call("--id", "visit=1")
    with Butler(repo) as butler:
        [before] = butler.query_datasets("doubled", "rerun/default")
    call("--id", "visit=1^2", "--reuse-outputs-from", "all")
    told = call("--id", "visit=1^2", "--reuse-outputs-from", "processCcd").stderr
    assert "INFO: nothing to do: all was done before" in told
    with Butler(repo) as butler:
        assert before in butler.query_datasets("doubled", "rerun/default")
    assert doubled(repo) == {1: 20, 2: 40}


def test_another_config_needs_a_new_run(repo: Path) -> None:
    """It is refused with the field; --clobber-config begins a run before the old one, which stays."""
    call("--id", "visit=1..2")
    [old] = runs(repo)
    before = snapshot(repo)
    told = call("--id", "visit=2", "-c", "noWork=[3]", rc=1).stderr
    assert told.startswith("Error: ")
    assert "noWork" in told
    assert "--clobber-config" in told
    assert snapshot(repo) == before
    call("--id", "visit=2", "-c", "noWork=[3]", "--clobber-config")
    new, kept = runs(repo)
    assert kept == old
    with Butler(repo) as butler:
        assert "[3]" in str(butler.get("double_config", collections=new))
        assert "[3]" not in str(butler.get("double_config", collections=old))
    assert doubled(repo, new) == {2: 40}


def test_a_config_without_backup(repo: Path) -> None:
    """With --no-backup-config the old config goes, and the old run if it has nothing else."""
    call("--id", "visit=1")
    [old] = runs(repo)
    call("--id", "visit=1", "-c", "noWork=[3]", "--clobber-config", "--no-backup-config")
    assert runs(repo)[1:] == [old]
    with Butler(repo) as butler:
        kept = {ref.datasetType.name for ref in butler.query_all_datasets(old)}
    assert "double_config" not in kept
    assert "doubled" in kept


def test_other_versions_need_a_new_run(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused with both versions; --clobber-versions begins a run, --no-versions does not look."""
    call("--id", "visit=1")
    before = snapshot(repo)
    monkeypatch.setattr("platform.python_version", lambda: "9.9")
    told = call("--id", "visit=2", rc=1).stderr
    assert "-> 9.9" in told
    assert "--clobber-versions begins a new run" in told
    call("--id", "visit=2", "--clobber-config", rc=1)
    assert snapshot(repo) == before
    call("--id", "visit=2", "--no-versions")
    assert len(runs(repo)) == 1
    call("--id", "visit=2", "--clobber-versions")
    assert len(runs(repo)) == 2


def test_an_output_that_is_cleared(repo: Path) -> None:
    """--clobber-output removes the runs of its chain, and nothing of others or of the inputs."""
    call("--id", "visit=1..2", "--rerun", "one")
    call("--id", "visit=1", "--rerun", "one/more")
    [more] = runs(repo, "rerun/one/more")
    call("--id", "visit=3", "--rerun", "one", "--clobber-output")
    assert doubled(repo, "rerun/one") == {3: 60}
    assert doubled(repo, "rerun/one/more") == {1: 20}
    assert runs(repo, "rerun/one/more") == [more]
    call("--id", "visit=4", "--rerun", "one:two")
    before = snapshot(repo)
    told = call("--id", "visit=3", "--rerun", "one", "--clobber-output", rc=1).stderr
    assert "rerun/two" in told
    assert snapshot(repo) == before


def test_what_is_read(repo: Path) -> None:
    """Without -i all runs that are no outputs, also ones that came later; with --rerun IN:OUT those of IN."""
    call("--id", "visit=1")
    with Butler(repo, writeable=True) as butler:
        butler.collections.register("later")
    call("--id", "visit=1")
    with Butler(repo) as butler:
        assert butler.collections.get_info("rerun/default").children[1:] == ("in", "later")
    call("--id", "visit=2", "--rerun", "default:next")
    with Butler(repo) as butler:
        children = butler.collections.get_info("rerun/next").children
    assert children[1:] == (*runs(repo), "in", "later")
    call("--id", "visit=1", "-i", "in", "--output", "mine/best")
    with Butler(repo) as butler:
        assert butler.collections.get_info("mine/best").children[1:] == ("in",)
    told = call("--id", "visit=2", "--rerun", "none:next", rc=1).stderr
    assert "no collection 'rerun/none'" in told


def test_the_status_is_the_number_of_failures(repo: Path) -> None:
    """What did not fail is there; --noExit ends with 0, and says so."""
    result = call("--id", "--rerun", "a", "-c", "fail=[1, 3]", rc=2)
    assert result.stderr.count("ERROR: Failed on dataId=") == 2
    assert "'visit': 3" in result.stderr
    assert "visit 3 is broken" in result.stderr
    assert "Traceback" not in result.stderr
    assert doubled(repo, "rerun/a") == {2: 40, 4: 80}
    result = call("--id", "--rerun", "b", "-c", "fail=[1, 3]", "--noExit")
    assert "ERROR: 2 failed" in result.stderr


def test_more_failures_than_a_status_can_tell(repo: Path) -> None:
    """300 failures are status 255, not 44, and never 0."""
    with Butler(repo, writeable=True) as butler:
        for visit in range(5, 301):
            record = {"instrument": "Cam", "id": visit, "name": str(visit), "physical_filter": "Cam-i"}
            butler.registry.insertDimensionData("visit", {**record, "day_obs": 20260101})
            butler.put({"value": visit}, "number", instrument="Cam", visit=visit, run="in")
    call("--id", "-c", f"fail={list(range(1, 301))}", rc=255)


def test_the_first_failure_can_end_it(repo: Path) -> None:
    """--doraise shows a traceback, and nothing more is begun."""
    result = call("--id", "--doraise", "-c", "fail=[2]", rc=1)
    assert "Traceback" in result.stderr
    assert "RuntimeError: visit 2 is broken" in result.stderr
    assert doubled(repo) == {1: 20}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_end_for_everything(repo: Path, tmp_path: Path, processes: str) -> None:
    """-t drops what still runs and keeps what is finished, with status 1; the rest can be done later."""
    words = ("--id", "-j", processes, "-c", f"sleepUntil={{'{tmp_path}/awake': 2}}")
    result = call(*words, "-t", "3", rc=1)
    assert "ERROR: stopped after 3 s" in result.stderr
    assert 2 not in doubled(repo)
    (tmp_path / "awake").touch()
    call(*words, "-t", "0", "--reuse-outputs-from", "all")
    assert doubled(repo) == {1: 20, 2: 40, 3: 60, 4: 80}


def test_an_end_for_each_data_id(repo: Path, tmp_path: Path) -> None:
    """--quantum-timeout ends what takes too long."""
    words = ("-c", f"sleepUntil={{'{tmp_path}/awake': 2}}", "--quantum-timeout", "1")
    result = call("--id", "visit=2", *words, rc=1)
    assert "'visit': 2" in result.stderr
    assert "killed after 1 s" in result.stderr


def test_data_ids_without_data(repo: Path) -> None:
    """Each has a warning; the status does not change."""
    result = call("--id", "visit=4..6", "--id", "visit=9")
    told = [line for line in result.stderr.splitlines() if "WARNING" in line]
    assert told == [f"processCcd WARNING: no data: --id visit={visit}" for visit in (5, 6, 9)]
    assert doubled(repo) == {4: 80}


def test_showing_changes_nothing(repo: Path) -> None:
    """Data IDs of the quanta are shown; nothing is run, unless run is among the items."""
    before = snapshot(repo)
    result = call("--id", "visit=1..2", "--show", "data", "config=fail")
    lines = result.stdout.splitlines()
    assert lines[0] == "config.fail=[]"
    assert [line.startswith("id dataRef.dataId = {") for line in lines[1:]] == [True, True]
    assert snapshot(repo) == before
    assert call("--id", "--show", "nonsense", rc=1).stderr.startswith("Error: ")
    call("--id", "visit=1", "--show", "data", "run")
    assert doubled(repo) == {1: 20}


def test_worker_processes_and_a_profile(repo: Path, tmp_path: Path) -> None:
    """-j uses worker processes; --profile leaves a file that pstats reads."""
    call("--id", "-j", "2", "--profile", str(tmp_path / "profile"))
    assert doubled(repo) == {1: 20, 2: 40, 3: 60, 4: 80}
    assert pstats.Stats(str(tmp_path / "profile")).total_tt > 0


def test_a_module_for_debugging(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-d imports debug.py; that there is none is only a warning."""
    monkeypatch.syspath_prepend(tmp_path)
    assert "WARNING: no debugging: cannot import debug.py" in call("-d", "--id", "visit=1").stderr
    (tmp_path / "debug.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    call("--debug", "--id", "visit=1")
    assert (tmp_path / "imported").exists()


def test_a_repository_below_a_root(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$PIPE_INPUT_ROOT is where a relative path begins."""
    monkeypatch.setenv("PIPE_INPUT_ROOT", str(tmp_path))
    monkeypatch.chdir("/")
    call("--id", "visit=1")
    assert doubled(repo) == {1: 20}


def test_log_levels(repo: Path) -> None:
    """Messages have level and logger; -L says which are told, --longlog adds the time."""
    assert "processCcd INFO: outputs are in rerun/default" in call("--id", "visit=1").stderr
    assert "INFO" not in call("--id", "visit=1", "-L", "warn").stderr
    told = call("--id", "visit=1", "-L", "warn", "processCcd=info", "--longlog").stderr
    assert "processCcd INFO: outputs are in" in told
    assert told.startswith("20")
