"""Where a Gen2 command writes, and what it reads: reruns are chains of runs."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import click

from butler import Butler, CollectionType
from connections import RunCollections

from .arguments import Request

__all__ = ["DEFAULT_CHAIN", "Place", "repository"]

_RERUN: Final = "rerun/"
DEFAULT_CHAIN: Final = f"{_RERUN}default"
"""Chain for the outputs of commands without ``--rerun`` and ``--output``."""


@dataclass(frozen=True)
class Place:
    """Where a command writes, and what it reads.

    Parameters
    ----------
    chain
        Chain of the outputs; its own runs are named after it.
    inputs
        Collections to read besides those runs, in order.
    """

    chain: str
    inputs: tuple[str, ...]

    @classmethod
    def find(cls, butler: Butler, request: Request) -> Self:
        """Find the collections that a command line names.

        Without names, what is read is what the chain has read before, and all runs of the repository that
        belong to no chain of outputs, the newest first.

        Raises
        ------
        UsageError
            Raised if ``--rerun`` or ``--output`` cannot be.
        MissingCollectionError
            Raised if a collection does not exist.
        """
        chain, before = _chains(request)
        if before is not None:
            butler.collections.get_info(before)
        infos = {info.name: info for info in butler.collections.query_info("*")}
        chains = [info.name for info in infos.values() if info.type is CollectionType.CHAINED]
        old = infos[chain].children if chain in chains else ()
        inputs = [before] if before is not None else []
        inputs += request.inputs or [name for name in old if not _is_output_of(name, [chain])]
        if not request.inputs:
            runs = [info.name for info in infos.values() if info.type is CollectionType.RUN]
            inputs += [name for name in reversed(runs) if not _is_output_of(name, [*chains, chain])]
        return cls(chain, tuple(dict.fromkeys([*inputs, *request.calib])))

    def collections(self, butler: Butler, *, new_run: bool = False) -> RunCollections:
        """Return the run to write into: the newest of the chain, or a new one; nothing is changed."""
        return RunCollections.make(butler, self.inputs, output=self.chain, resume=not new_run, rebase=True)

    def clear(self, butler: Butler) -> list[str]:
        """Remove the chain with its own runs in it, and return their names; other collections stay.

        Raises
        ------
        UsageError
            Raised if the chain is an input as well.
        OrphanedRecordError
            Raised if another chain has one of the runs; then nothing is removed.
        """
        if self.chain in self.inputs:
            raise click.UsageError(f"{self.chain} is read, too; --clobber-output would remove its data")
        if self.chain not in butler.collections.query("*"):
            return []
        children = butler.collections.get_info(self.chain).children
        runs = [name for name in children if _is_output_of(name, [self.chain])]
        with butler.transaction():
            butler.collections.remove(self.chain)
            butler.removeRuns(runs)
        return runs


def _is_output_of(run: str, chains: Collection[str]) -> bool:
    """Tell whether a run is named after one of some chains: the chain's name, and a time."""
    chain, slash, _ = run.rpartition("/")
    return bool(slash) and chain in chains


def _chains(request: Request) -> tuple[str, str | None]:
    """Return the chain of the outputs, and the one that is read, if one is named."""
    if request.output is not None:
        if request.output.startswith(("/", ".", "~")):
            raise click.UsageError(
                f"--output {request.output!r} looks like a directory; outputs stay in the repository, in the "
                "chain that it names: write --output my/coadds, or --rerun my/coadds"
            )
        return request.output, None
    if request.rerun is None:
        return DEFAULT_CHAIN, None
    before, colon, after = request.rerun.rpartition(":")
    if not after or (colon and not before) or ":" in before:
        raise click.UsageError(f"write --rerun OUT or --rerun IN:OUT, not {request.rerun!r}")
    return f"{_RERUN}{after}", f"{_RERUN}{before}" if colon else None


def repository(name: str) -> str:
    """Return the place of a repository; a relative path may begin at ``$PIPE_INPUT_ROOT``."""
    root = os.environ.get("PIPE_INPUT_ROOT")
    below = Path(root, name) if root else None
    return str(below) if below is not None and below.is_dir() else name
