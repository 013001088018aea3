"""parseAndRun: a script runs a task by the words of its command, as those of LSST's second generation do."""

import logging
import shutil
import sys

import numpy as np
import pytest
from trying_tasks import TryingConfig, TryingTask
from two_patches import fill, key

from butler import Butler
from connections.camera_config import FOLDERS_VARIABLE
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    SafeClipAssembleCoaddTask,
)
from tasks.errors import TaskError

CHOSEN = ["--id", "tract=0", "patch=0,0", "filter=Cam-i", "--selectId", "visit=2^3^5"]


class OwnTask(AssembleCoaddTask):
    """A task of a user's own: it says that it ran, and has its own last word on the camera's settings."""

    @classmethod
    def applyOverrides(cls, config):
        config.clipIter += 10

    def run(self, skyInfo, tempExpRefList, *args, **kwargs):
        self.log.warning("running my own with %d passes", self.config.clipIter)
        return super().run(skyInfo, tempExpRefList, *args, **kwargs)


class FailingTask(AssembleCoaddTask):
    def run(self, *args, **kwargs):
        raise TaskError("not today")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "repo"
    Butler.makeRepo(root)
    with Butler(root, run="warps") as butler:
        fill(butler)
    return root


@pytest.fixture
def repo(made, tmp_path):
    """Return a copy of a repository with warps that a test may change."""
    return str(shutil.copytree(made, tmp_path / "repo"))


def coadd_of(repo, chain="rerun/default"):
    with Butler(repo, collections=chain) as butler:
        return butler.get("deepCoadd", key())


def test_the_words_of_the_command_run_the_task(repo):
    """The task runs with its own defaults, and what comes of it is returned if that is wanted."""
    done = SafeClipAssembleCoaddTask.parseAndRun([repo, *CHOSEN, "-c", "doNImage=True"], doReturnResults=True)
    assert done.parsedCmd.repo == repo
    assert str(done.parsedCmd.select_ids[0]) == "--selectId visit=2^3^5"
    assert "usage: assembleCoadd REPO" in done.argumentParser.format_help()
    assert done.taskRunner.name == "assembleCoadd"
    [one] = done.resultList
    assert one.exitStatus == 0
    assert one.dataId.items() >= key().items()
    assert one.metadata["assembleCoadd:interpImage.runEndCpuTime"] > 0
    written = coadd_of(repo)
    assert sorted(row.visit for row in written.coaddInputs.visits) == [2, 3, 5]
    np.testing.assert_array_equal(one.result.coaddExposure.image.array, written.image.array)
    assert one.result.nImage.array.max() == 3
    assert len(one.result.clipRecord.colnames) > 0


def test_without_results_there_is_the_exit_status_alone(repo, monkeypatch):
    """The words are those of the program if none are given."""
    monkeypatch.setattr(sys, "argv", ["assembleCoadd.py", repo, *CHOSEN])
    [one] = AssembleCoaddTask.parseAndRun().resultList
    assert vars(one) == {"exitStatus": 0}
    assert coadd_of(repo).metadata["STATISTI"] == "MEANCLIP"


def test_settings_apply_in_their_order(repo, tmp_path, monkeypatch):
    """Defaults, the camera's, applyOverrides, the config of the call, then the words."""
    (tmp_path / "camera").mkdir()
    (tmp_path / "camera" / "assembleCoadd.yaml").write_text("{clipIter: 4, sigmaClip: 2.5, doInterp: false}")
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "camera"))
    config = AssembleCoaddConfig(sigmaClip=4.5, badMaskPlanes=["BAD"])
    OwnTask.parseAndRun([repo, *CHOSEN, "-c", "badMaskPlanes=['SAT']"], config=config)
    with Butler(repo, collections="rerun/default") as butler:
        kept = butler.get("assembleCoadd_config")["config"]
    assert (kept["clipIter"], kept["sigmaClip"], kept["doInterp"]) == (14, 4.5, False)
    assert kept["badMaskPlanes"] == ["SAT"]


def test_a_logger_of_the_caller_gets_the_messages(repo):
    """What the task logs reaches the handlers of a logger that is given."""
    heard = []
    handler = logging.Handler()
    handler.emit = heard.append
    log = logging.getLogger("some.script")
    log.addHandler(handler)
    before = logging.getLogger().handlers[:]
    OwnTask.parseAndRun([repo, *CHOSEN], log=log)
    log.removeHandler(handler)
    told = [record.getMessage() for record in heard]
    assert told.count("running my own with 12 passes") == 1
    assert "outputs are in rerun/default" in told
    assert logging.getLogger().handlers == before


def test_failures_end_the_program_unless_told_otherwise(repo, capsys):
    """The exit status is the number of data IDs that failed; --noExit returns them."""
    words = [repo, "--id", "tract=0", "patch=0,0^1,0", "filter=Cam-i"]
    with pytest.raises(SystemExit) as ended:
        FailingTask.parseAndRun(words)
    assert ended.value.code == 2
    assert "patch': 1" in capsys.readouterr().err
    done = FailingTask.parseAndRun([*words, "--noExit"], doReturnResults=True)
    assert [(one.exitStatus, one.result) for one in done.resultList] == [(1, None)] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*CHOSEN, "--legacyCoadd"], "parseAndRun of SafeClipAssembleCoaddTask runs that task"),
        (["--id", "tract=0", "patch=0,0"], "a filter is needed"),
        ([*CHOSEN, "-c", "sigmaClip=-1"], "sigmaClip"),
        ([*CHOSEN, "-c", "statistic=MEDIAN"], "its statistic is MEAN"),
        ([*CHOSEN, "--rrun", "x"], "did you mean '--rerun'"),
    ],
)
def test_a_mistake_is_one_line(repo, capsys, words, message):
    """What is wrong with the words is told as by the command."""
    with pytest.raises(SystemExit) as ended:
        SafeClipAssembleCoaddTask.parseAndRun([repo, *words])
    assert ended.value.code in (1, 2)
    told = capsys.readouterr().err
    assert message in told.strip().splitlines()[-1]
    assert "Traceback" not in told


def test_nothing_to_do_has_no_results(repo, capsys):
    """Words that choose nothing, or only show, return an empty list; --help ends the program."""
    assert AssembleCoaddTask.parseAndRun([repo, *CHOSEN[:-1], "visit=99"]).resultList == []
    assert AssembleCoaddTask.parseAndRun([repo, *CHOSEN, "--show", "config=sigmaClip"]).resultList == []
    assert "config.sigmaClip=3.0" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        AssembleCoaddTask.parseAndRun(["--help"])


def test_what_has_no_command_is_refused(repo):
    """A config of another task, and a task without a command, are the caller's mistakes."""
    with pytest.raises(TypeError, match="needs a SafeClipAssembleCoaddConfig, not a AssembleCoaddConfig"):
        SafeClipAssembleCoaddTask.parseAndRun([repo], config=AssembleCoaddConfig())
    with pytest.raises(TaskError, match=r"TryingTask has no command of its own.*pipetask run"):
        TryingTask.parseAndRun([repo], config=TryingConfig())
