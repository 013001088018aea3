"""The stacking kernels alone, on planes of mapped files, against reading the same bytes once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from butler import Butler
from tasks.kernels import mean_and_meanclip_stack, statistics_stack

__all__ = ["kernel_lines"]

_OPTIONS: dict[str, Any] = {
    "and_mask": 0x113,
    "mask_propagation_thresholds": {1: 0.1},
    "clipped": 4096,
    "mask_map": [(3, 2048), (16, 8192), (4096, 4096)],
}


def kernel_lines(directory: Path, n_visits: int, repeats: int) -> list[str]:
    """Return the table of the kernels, in one thread, the fastest of some runs on all warps."""
    numba.set_num_threads(1)
    with Butler(directory / "repo") as butler:
        refs = butler.query_datasets("deepCoadd_directWarp", "warps", where=f"visit <= {n_visits}")
        warps = [
            butler.getDeferred(ref).get(component="maskedImage", parameters={"inPlace": True}) for ref in refs
        ]
        planes = [[getattr(w, kind).array for w in warps] for kind in ("image", "variance", "mask")]
    weights = np.linspace(0.5, 1.5, len(warps))
    n_pixels = len(warps) * warps[0].image.array.size

    def read() -> None:
        for plane in (plane for kind in planes for plane in kind):
            np.bitwise_xor.reduce(plane.view(np.uint32).reshape(-1))

    calls: dict[str, Callable[[], object]] = {"reading once (XOR)": read}
    for statistic in ("MEAN", "MEANCLIP", "MEDIAN"):
        calls[statistic] = lambda s=statistic: statistics_stack(*planes, weights, statistic=s, **_OPTIONS)
    calls["MEAN and MEANCLIP 1.5 sigma, 3 passes, at once"] = lambda: mean_and_meanclip_stack(
        *planes, weights, num_sigma=1.5, num_iter=3, **_OPTIONS
    )
    lines = ["| what | Mpv per CPU-s | of reading once |", "|---|---|---|"]
    fastest: dict[str, float] = {}
    for name, call in calls.items():
        call()
        times = []
        for _ in range(repeats):
            begin = time.process_time()
            call()
            times.append(time.process_time() - begin)
        fastest[name] = min(times)
        share = fastest["reading once (XOR)"] / fastest[name]
        lines.append(f"| {name} | {n_pixels / 1e6 / fastest[name]:.0f} | {share:.2f} |")
    return lines
