"""Loops that one process compiles and the next finds kept give the same bits, there without numba."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_RESAMPLE = """
import hashlib
import sys
import numpy as np
from resample_oracle import rotation, warp

rng = np.random.default_rng(3)
image = rng.normal(100.0, 30.0, (200, 200)).astype(np.float32)
variance = rng.uniform(1.0, 2.0, (200, 200)).astype(np.float32)
out = warp(image, rotation(0.1, 0.76, 20, 10), (180, 180), variance=variance)
assert np.isfinite(out.image).mean() > 0.5
print("numba" in sys.modules, hashlib.sha256(out.image.tobytes() + out.variance.tobytes()).hexdigest())
"""


def test_resampling_has_the_same_bits_when_it_was_compiled_before(tmp_path: Path) -> None:
    """The process that compiles the resampling loops gives the bits of the one that loads them."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}
    told = []
    for _ in range(2):
        command = [sys.executable, "-c", _RESAMPLE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout.split())
    (compiled, first), (compiled_again, second) = told
    assert (compiled, compiled_again) == ("True", "False")
    assert first == second
