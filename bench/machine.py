"""What the benchmarks tell of the machine."""

from __future__ import annotations

import os


def load() -> str:
    """Return how busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
