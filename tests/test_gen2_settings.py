"""Settings of Gen2 command lines, and what --show tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from connections import ConfigError, Override, Pipeline
from tasks.cli.gen2.settings import overrides_for, read_settings
from tasks.cli.gen2.showing import check_items, show_config
from tasks.ready_pipelines import load_pipeline

NAME = "coadd-safeclip#assembleCoadd"
PLAIN = load_pipeline(NAME)


def words(*edits: str) -> list[tuple[str, str]]:
    """Return edits: files by their names, and settings."""
    return [("config" if "=" in edit else "config_file", edit) for edit in edits]


def overrides(*edits: str, pipeline: Pipeline = PLAIN) -> dict[str, list[Override]]:
    return overrides_for(pipeline, read_settings(words(*edits)))


def values(*edits: str) -> list[Any]:
    return [override.value for override in overrides(*edits)["assembleCoadd"]]


@pytest.mark.parametrize(
    ("edit", "value"),
    [
        ("brightObjectMaskName=3", "3"),
        ("brightObjectMaskName=True", "True"),
        ("doNImage=False", "False"),
        ("clipIter=4", "4"),
        ("clipDetection.thresholdValue=3", "3"),
        ("badMaskPlanes=['BAD', 'SAT']", ["BAD", "SAT"]),
        ("subregionSize=100,200", (100, 200)),
        ("maskPropagationThresholds={'SAT': 0.5}", {"SAT": 0.5}),
    ],
)
def test_a_text_is_a_literal_only_where_the_field_takes_no_text(edit: str, value: Any) -> None:
    """As LSST's -c: the text first, and what it stands for if that is refused."""
    [override] = overrides(edit)["assembleCoadd"]
    assert (override.value, override.source) == (value, f"-c {edit}")
    config: Any = load_pipeline(NAME, {"assembleCoadd": [override]}).nodes[0].config
    assert config.doNImage is (edit != "doNImage=False")
    assert config.clipIter == (4 if edit == "clipIter=4" else 3)


def test_files_and_words_apply_as_typed(tmp_path: Path) -> None:
    """-c a=1 -C file -c a=2 ends with 2, and a file after -c wins."""
    python, yaml = tmp_path / "f.py", tmp_path / "f.yaml"
    python.write_text("config.sigmaClip = 5.5\nconfig.clipDetection.minPixels = 7\n")
    yaml.write_text("sigmaClip: 4.5\n")
    ends = {
        ("sigmaClip=2", str(python), "sigmaClip=3"): 3.0,
        ("sigmaClip=2", str(python)): 5.5,
        (str(python), str(yaml)): 4.5,
    }
    for edits, end in ends.items():
        config: Any = load_pipeline(NAME, overrides(*edits)).nodes[0].config
        assert config.sigmaClip == end
        assert config.clipDetection.minPixels == (7 if str(python) in edits else 4)


def test_a_file_is_never_run(tmp_path: Path) -> None:
    """What is no literal is refused with its line, and leaves no trace."""
    path, trace = tmp_path / "f.py", tmp_path / "trace"
    path.write_text(f"config.sigmaClip = open({str(trace)!r}, 'w')\n")
    with pytest.raises(ConfigError, match=r"f\.py:1: .* is not run"):
        values(str(path))
    with pytest.raises(ConfigError, match="sigmaClip"):
        values(f"sigmaClip=open({str(trace)!r}, 'w')")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("sigmaClipp=2", "did you mean 'sigmaClip'?"),
        ("sigmaClip=two", "sigmaClip cannot be 'two'"),
        ("badMaskPlanes=BAD", "badMaskPlanes cannot be 'BAD'"),
        ("statistic=MEDIAN", "its statistic is MEAN"),
        ("makeWarp.border=2", "has no field 'makeWarp'"),
    ],
)
def test_fields_and_values_that_cannot_be(edit: str, message: str) -> None:
    """The message tells the field, and who set it."""
    with pytest.raises(ConfigError) as error:
        overrides(edit)
    assert message in str(error.value)
    assert f"(set by -c {edit})" in str(error.value)


@pytest.mark.parametrize("word", ["sigmaClip=", "=2"])
def test_words_that_set_nothing(word: str) -> None:
    """A name and a value are needed."""
    with pytest.raises(click.UsageError, match="NAME=VALUE"):
        read_settings([("config", word)])


def test_a_label_in_front_names_another_task() -> None:
    """Names without label belong to the first task."""
    both = load_pipeline("coadd-comparewarp#makeWarp,makePsfMatchedWarp")
    found = overrides("border=40", "makePsfMatchedWarp.modelPsf.defaultFwhm=9", pipeline=both)
    assert {label: [entry.field for entry in entries] for label, entries in found.items()} == {
        "makeWarp": ["border"],
        "makePsfMatchedWarp": ["modelPsf.defaultFwhm"],
    }


def test_a_shown_config_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What --show config prints is a file for -C that makes the same config."""
    pipeline = load_pipeline(NAME, overrides("sigmaClip=2.5", "clipDetection.minPixels=9"))
    show_config(pipeline, ["config"])
    path = tmp_path / "shown.py"
    path.write_text(capsys.readouterr().out)
    again = load_pipeline(NAME, overrides(str(path)))
    assert again.nodes[0].config == pipeline.nodes[0].config
    assert again.nodes[0].config != PLAIN.nodes[0].config


@pytest.mark.parametrize(
    ("item", "fields"),
    [
        ("config=sigmaClip", ["config.sigmaClip", "config.doSigmaClip"]),
        ("config=config.sigmaclip", ["config.sigmaClip"]),
        ("config=sigmaClip:NOIGNORECASE", ["config.sigmaClip"]),
        ("config=sigmaclip:NOIGNORECASE", []),
        ("config=clipDetection.m*", ["config.clipDetection.minPixels"]),
    ],
)
def test_a_glob_is_open_at_its_beginning(
    item: str, fields: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It must fit up to the end of a name; case does not matter unless it is said."""
    show_config(PLAIN, [item])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("# ")]
    assert sorted(line.partition("=")[0] for line in lines) == sorted(fields)


def test_history_and_subtasks(capsys: pytest.CaptureFixture[str]) -> None:
    """Who set a field, and which tasks a task is made of."""
    pipeline = load_pipeline(NAME, overrides("sigmaClip=2.5"))
    show_config(pipeline, ["history=sigmaClip", "tasks", "history=nothing*"])
    told = capsys.readouterr().out.splitlines()
    assert "  '2.5'  # -c sigmaClip=2.5" in told
    assert told[told.index("Subtasks:") + 1] == "clipDetection: tasks.detection.SourceDetectionTask"


@pytest.mark.parametrize("item", ["nonsense", "history", "configs=*"])
def test_items_that_cannot_be_shown(item: str) -> None:
    """They end the program with status 1."""
    with pytest.raises(click.ClickException) as error:
        check_items(["config", item])
    assert error.value.exit_code == 1
