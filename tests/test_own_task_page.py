"""The page on a task of one's own: its task, commands and Python run in fresh processes as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tasks.demo import SurveyConfig, simulate_survey, write_survey

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own_task.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def write_commands(folder: Path) -> None:
    """Write ``butler`` and ``pipetask`` that are those of this checkout, whatever is installed."""
    folder.mkdir()
    sources = {"butler": "from butler.cli import main", "pipetask": "from tasks.cli import main"}
    for name, source in sources.items():
        (folder / name).write_text(
            f"#!{sys.executable}\n{source}\n\nif __name__ == '__main__':\n    main()\n"
        )
        (folder / name).chmod(0o755)


def shell(text: str, folder: Path) -> str:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_task_has_about_twenty_lines() -> None:
    """A task of one's own is short."""
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 20


def test_the_page_runs_as_printed(tmp_path: Path) -> None:
    """The task is saved, run twice and asked for its results."""
    survey = simulate_survey(SurveyConfig(n_visits=2, n_x=160, n_y=160, n_stars=30))
    write_survey(survey, tmp_path / "demo" / "survey")
    write_commands(tmp_path / "bin")
    task, script = blocks("python")
    (tmp_path / "sky_level.py").write_text(task)
    (commands,) = blocks("sh")
    table = shell(commands, tmp_path)
    assert table.count("sky_level") == table.count("dark_level") == 2
    (tmp_path / "script.py").write_text(script)
    printed = shell(f"{sys.executable} script.py", tmp_path).splitlines()
    assert [line.split()[0] for line in printed] == ["101", "102"]
    for line in printed:
        assert float(line.split()[1]) > 0
