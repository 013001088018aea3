"""Settings of a camera: between the defaults and the pipeline, with their place in the history."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from click.testing import CliRunner
from toy_pipeline import DoubleConfig, DoubleConnections, DoubleTask, make_toy_repo

from butler import Butler
from connections import ConfigError, Pipeline, PipelineError, config_lines, history_lines
from connections.camera_config import FOLDERS_VARIABLE, PLUGINS
from connections.task_class import load_task
from tasks.cli import main
from tasks.config import Config, ConfigurableField
from tasks.ready_pipelines import load_pipeline
from tasks.task import Task
from tasks.warp.model_psf_match import ModelPsfMatchConfig


class ScaledConfig(DoubleConfig, pipelineConnections=DoubleConnections):
    scale: int = 1
    tenfold: int = 10
    label: str = "plain"


class ScaledTask(DoubleTask):
    ConfigClass: ClassVar[type[Config]] = ScaledConfig
    _DefaultName = "scaled"

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        config.tenfold = 10 * config.scale


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a pipeline, and folders of camera settings."""
    monkeypatch.chdir(tmp_path)
    task = {"class": f"{__name__}:ScaledTask", "config": {"label": "of the file"}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({"description": "x", "tasks": {"mine": task}}))
    (tmp_path / "cams" / "Cam").mkdir(parents=True)
    (tmp_path / "cams" / "scaled.yaml").write_text("scale: 2\nlabel: of all cameras\n")
    (tmp_path / "cams" / "Cam" / "scaled.py").write_text("config.scale = 3\nconfig.fail = [9]\n")
    (tmp_path / "cams" / "Cam" / "other.py").write_text("config.nothing = 3\n")
    return tmp_path


def plan(
    instrument: str | None = "Cam", cameras: tuple[Path, ...] = (Path("cams"),), **call: Any
) -> Pipeline:
    return load_pipeline("plan.yaml", {"mine": call}, instrument=instrument, cameras=cameras)


@pytest.mark.usefixtures("here")
def test_each_comes_after_the_one_before() -> None:
    """Defaults, all cameras, this camera, the task's own hook, the file, the call: the last one holds."""
    made = plan(fail=[1])
    told = {line for line in config_lines(made, "mine::*") if "#" in line}
    assert told == {
        "mine:fail = [1]  # the call",
        "mine:scale = 3  # cams/Cam/scaled.py:1",
        f"mine:tenfold = 30  # applyOverrides of {__name__}:ScaledTask",
        "mine:label = 'of the file'  # plan.yaml, tasks.mine",
    }
    assert history_lines(made, "mine::scale") == [
        "mine:scale = 3",
        "  1  # default",
        "  2  # cams/scaled.yaml",
        "  3  # cams/Cam/scaled.py:1",
    ]
    assert history_lines(made, "mine::label") == [
        "mine:label = 'of the file'",
        "  'plain'  # default",
        "  'of all cameras'  # cams/scaled.yaml",
        "  'of the file'  # plan.yaml, tasks.mine",
    ]


@pytest.mark.usefixtures("here")
def test_another_camera_has_what_all_have() -> None:
    """Its own files are missing; a name that leads out of the folder finds nothing more."""
    for instrument in ("Other", "../cams/Cam", ".."):
        made = plan(instrument)
        assert made.nodes[0].config.scale == 2  # type: ignore[attr-defined]
        assert made.nodes[0].config.tenfold == 20  # type: ignore[attr-defined]


@pytest.mark.usefixtures("here")
def test_settings_survive_the_text_of_the_pipeline() -> None:
    """A saved pipeline says all, and takes nothing from cameras a second time."""
    made = plan()
    again = Pipeline.from_values(yaml.safe_load(made.to_yaml()))
    assert again.nodes[0].config == made.nodes[0].config


@pytest.mark.usefixtures("here")
def test_the_environment_and_packages_name_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages come first, then the environment, then the call."""
    package = Path("cam_package")
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "scaled.yaml").write_text("scale: 7\nnoWork: [4]\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    point = metadata.EntryPoint("Cam", package.name, PLUGINS)
    monkeypatch.setattr(metadata, "entry_points", lambda **wanted: [point] if wanted["name"] == "Cam" else [])
    monkeypatch.setenv(FOLDERS_VARIABLE, "cams")
    node = plan(cameras=()).nodes[0]
    assert (node.config.scale, node.config.noWork) == (3, [4])  # type: ignore[attr-defined]
    monkeypatch.setenv(FOLDERS_VARIABLE, "nowhere")
    with pytest.raises(ConfigError, match="'nowhere', which is no folder"):
        plan()
    monkeypatch.delenv(FOLDERS_VARIABLE)
    sys.modules.pop(package.name, None)
    gone = metadata.EntryPoint("Cam", "no_such_package", PLUGINS)
    monkeypatch.setattr(metadata, "entry_points", lambda **wanted: [gone])
    with pytest.raises(ConfigError, match="'no_such_package' cannot be found"):
        plan()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Cam/scaled.yaml", "scal: 3", r"no field 'scal'; did you mean 'scale'\? \(set by cams/Cam/scaled"),
        ("scaled.py", "import os", r"cams/scaled\.py:1: 'import os' is not run"),
        ("scaled.yaml", "[1, 2]", "must map fields to values"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_mistake_names_the_file(name: str, text: str, message: str) -> None:
    """A field that does not exist and code are refused."""
    (Path("cams") / name).write_text(text)
    with pytest.raises((ConfigError, PipelineError), match=message):
        plan()


@pytest.mark.usefixtures("here")
def test_folders_need_an_instrument() -> None:
    """Without one they would be ignored in silence."""
    with pytest.raises(PipelineError, match="name of an instrument"):
        plan(None)
    assert plan(None, ()).nodes[0].config.scale == 1  # type: ignore[attr-defined]


def test_the_command_line_finds_the_camera_of_the_repository(here: Path) -> None:
    """build is told the instrument, run finds the only one; the command line has the last word."""
    shown = ("--show", "config=mine::scale", "--show", "history=mine::tenfold")
    cameras = ("--camera-config", "cams")
    build = CliRunner().invoke(main, ["build", "-p", "plan.yaml", *cameras, "--instrument", "Cam", *shown])
    assert build.stdout.splitlines() == [
        "mine:scale = 3  # cams/Cam/scaled.py:1",
        "mine:tenfold = 30",
        "  10  # default",
        f"  30  # applyOverrides of {__name__}:ScaledTask",
    ]
    refused = CliRunner().invoke(main, ["build", "-p", "plan.yaml", *cameras])
    assert refused.exit_code == 1
    assert "--instrument" in refused.stderr
    make_toy_repo(here / "repo")
    words = ["-b", "repo", "-p", "plan.yaml", "-i", "in", "--output-run", "out", "-c", "mine:label=typed"]
    done = CliRunner().invoke(main, ["run", *words, *cameras])
    assert done.exit_code == 0, done.output
    with Butler("repo") as butler:
        kept = butler.get("mine_config", collections="out")
    assert (kept["config"]["scale"], kept["config"]["label"]) == (3, "typed")
    assert [o["source"] for o in kept["history"] if o["field"] == "label"] == [
        "cams/scaled.yaml",
        "plan.yaml, tasks.mine",
        "-c mine:label=typed",
    ]


class OuterConfig(Config):
    inner: ConfigurableField = ScaledTask.makeField("a replaceable part")
    size: int = 3


class OuterTask(Task):
    ConfigClass: ClassVar[type[Config]] = OuterConfig
    _DefaultName = "outer"


@pytest.mark.parametrize("name", ["iner", "size", "nothing_like_it"])
def test_a_subtask_that_is_none_is_told(name: str) -> None:
    """The nearest field that holds a subtask is named, also for a field that holds something else."""
    with pytest.raises(ConfigError, match=rf"OuterConfig has no subtask {name!r}; .*'?inner"):
        OuterTask().makeSubtask(name)


def test_fields_that_contradict_each_other_are_told_alone() -> None:
    """The line has the reason, which names the fields, and not the whole config as what is wrong."""
    with pytest.raises(
        ConfigError, match=r"^ModelPsfMatchConfig\.kernelSize: kernelSize must be odd, not 10$"
    ):
        ModelPsfMatchConfig().updated({"kernelSize": 10})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{__name__}:ScaledTsk", "did you mean 'ScaledTask'"),
        (f"{__name__}:Path", "has no task 'Path'"),
        ("no_such_module:Task", "no_such_module"),
        ("no colon", "write package.module:Class"),
    ],
)
def test_a_target_that_is_no_task_is_told(target: str, message: str) -> None:
    """The nearest task of the module is named; a class that is no task is refused."""
    with pytest.raises(ConfigError, match=message):
        OuterConfig().updated({"inner.target": target})
    with pytest.raises(ConfigError, match=message):
        load_task(target)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "inner cannot be 3"),
        ("ScaledTask", "inner cannot be"),
        ({"target": 3, "value": {}}, "needs its target"),
    ],
)
def test_a_subtask_is_not_a_plain_value(value: object, message: str) -> None:
    """A field for a subtask takes a subtask alone."""
    with pytest.raises(ConfigError, match=message):
        OuterConfig(inner=value)
    if not isinstance(value, dict):
        with pytest.raises(ConfigError, match=r"by \.target"):
            OuterConfig().updated({"inner": value})
