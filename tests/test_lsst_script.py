"""A script written for LSST's butler runs with ours once its imports are changed, and prints the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_repository import CALEXP, make_exposure

from butler import Butler
from butler.images import Box2I, Extent2I, Point2I

pytestmark = pytest.mark.both_databases

SCRIPT = Path(__file__).with_name("lsst_script.py")
IMPORTS = {
    "from butler import": "from lsst.daf.butler import",
    "from butler.errors import": "from lsst.daf.butler.registry import",
}


def run(script: Path, root: Path) -> list[str]:
    """Return the lines that the script prints when it works in a new repository."""
    done = subprocess.run(
        [sys.executable, str(script), str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def with_lsst_imports(text: str) -> str:
    """Change the imports, and nothing else."""
    lines = []
    for line in text.splitlines():
        ours = next((start for start in IMPORTS if line.startswith(start + " ")), None)
        lines.append(line if ours is None else line.replace(ours, IMPORTS[ours]))
    return "\n".join(lines) + "\n"


def test_a_script_for_lsst_prints_the_same(tmp_path: Path) -> None:
    """Create, register, insert, put, query, read, chain, tag, transact, prune: line by line as LSST's."""
    pytest.importorskip("lsst.daf.butler")
    text = SCRIPT.read_text()
    theirs = with_lsst_imports(text)
    changed = [
        pair for pair in zip(text.splitlines(), theirs.splitlines(), strict=True) if len(set(pair)) > 1
    ]
    assert len(changed) == len(IMPORTS)
    (tmp_path / "theirs.py").write_text(theirs)
    expected = run(tmp_path / "theirs.py", tmp_path / "lsst")
    assert len(expected) > 100
    assert run(SCRIPT, tmp_path / "ours") == expected


def test_a_deferred_box_reads_as_in_lsst(butler: Butler) -> None:
    """The calls by which LSST's tasks read cutouts; there they need afw, so only ours is asked."""
    whole = make_exposure((100, 50))
    butler.put(whole, CALEXP, visit=1, detector=0)
    box = Box2I(Point2I(103, 52), Extent2I(4, 3))
    handle = butler.getDeferred("calexp", {"visit": 1, "detector": 0})
    cutout = handle.get(parameters={"bbox": box})
    assert cutout.getBBox() == box
    image = handle.get(component="image", parameters={"bbox": box})
    np.testing.assert_array_equal(image.array, whole.maskedImage.image[box].array)
    assert handle.get(component="bbox") == whole.getBBox()
    assert handle.dataId["detector"] == 0
    same = butler.get("calexp", visit=1, detector=0, parameters={"bbox": box})
    np.testing.assert_array_equal(same.maskedImage.image.array, image.array)
