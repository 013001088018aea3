"""Commands that a page prints, run as they are printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

from click.testing import CliRunner

import butler.cli
import tasks.cli

__all__ = ["DATA", "run_section"]

_ROOT: Final = Path(__file__).parents[1]
DATA: Final = _ROOT / ".." / "shared" / "data"
"""What ``$DATA`` stands for: sets of real exposures, where there are any."""
_PROGRAMS: Final = {"butler": butler.cli.main, "pipetask": tasks.cli.main}


def run_section(page: str, heading: str) -> str:
    """Run the commands below a heading of a page in ``docs``, here and now; return what they said."""
    section = (_ROOT / "docs" / page).read_text().split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()]
    said = []
    for line in lines:
        program, *words = shlex.split(line.replace("$DATA", str(DATA.resolve())))
        result = CliRunner().invoke(_PROGRAMS[program], words)
        assert result.exit_code == 0, f"{line}: {result.output}"
        said.append(result.output)
    return "".join(said)
