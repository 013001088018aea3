"""What `bench/coadd.py` runs in a process of its own: a start, the limit of reading, and ccdproc."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


def start(_: Sequence[str]) -> None:
    """Import what assembling a coadd imports, and nothing more."""
    from butler import Butler
    from tasks.coadd import SafeClipAssembleCoaddTask
    from tasks.ready_pipelines import load_pipeline

    load_pipeline("coadd-safeclip#assembleCoadd")
    SafeClipAssembleCoaddTask()
    assert Butler


def nothing(_: Sequence[str]) -> None:
    """Do no more than start Python and import numpy."""


def limit(files: Sequence[str]) -> None:
    """Read every byte of some files once, mapped into memory: the XOR of all words."""
    total = 0
    for name in files:
        with Path(name).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            words = np.frombuffer(mapped, np.uint64, len(mapped) // 8)
            total ^= int(np.bitwise_xor.reduce(words))
            del words
    print(total)


def combine(method: str) -> Callable[[Sequence[str]], None]:
    """Return what combines images with ccdproc, in pieces of at most 1 GB."""

    def run(files: Sequence[str]) -> None:
        from ccdproc import combine as ccdproc_combine

        clip = {"sigma_clip": True, "sigma_clip_low_thresh": 3, "sigma_clip_high_thresh": 3}
        ccdproc_combine(
            list(files),
            f"ccdproc_{method}.fits",
            method="average",
            unit="adu",
            mem_limit=1e9,
            dtype=np.float32,
            overwrite_output=True,
            **(clip if method == "sigma_clip" else {}),
        )

    return run


if __name__ == "__main__":
    commands = {
        "start": start,
        "nothing": nothing,
        "limit": limit,
        **{m: combine(m) for m in ("average", "sigma_clip")},
    }
    commands[sys.argv[1]](sys.argv[2:])
