"""How much the trust tests do: a seeded sample in `make test`, the full counts in `make trust` (TRUST=1)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import Final, NoReturn

import pytest

__all__ = ["FULL", "SEED", "count", "lacking", "some"]

FULL: Final = os.environ.get("TRUST") == "1"
"""Whether the full counts are run."""
SEED: Final = int(os.environ.get("TRUST_SEED", "20240101"))
"""What random numbers start from; `make trust TRUST_SEED=n` looks elsewhere."""


def count(*, sample: int, full: int) -> int:
    """Return how often something is tried."""
    return full if FULL else sample


def some(names: Iterable[str], sample: int) -> list[str]:
    """Return the names of what is tried: a few of them, or all."""
    known = list(names)
    return known if FULL else random.Random(SEED).sample(known, sample)


def lacking(reason: str) -> NoReturn:
    """End a test for which the machine lacks something: a skip, or a failure where all must run.

    Parameters
    ----------
    reason
        What is lacking, and the command that installs it.
    """
    if FULL:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
