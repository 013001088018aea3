"""RunCollections: which RUN the outputs of a pipeline go to, and where its inputs are searched."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from butler import Butler, CollectionType
from butler.errors import CollectionTypeError

from .errors import RunCollectionsError

__all__ = ["RunCollections"]


@dataclass(frozen=True)
class RunCollections:
    """Where a pipeline reads and writes.

    Parameters
    ----------
    run
        RUN for the outputs.
    inputs
        Collections to search, in order.
    chain
        CHAINED collection that shows the result; None if there is none.
    children
        Members of the chain when the run is in it, in order.
    replaced
        RUN that leaves the chain; None if none does.
    """

    run: str
    inputs: tuple[str, ...]
    chain: str | None = None
    children: tuple[str, ...] = ()
    replaced: str | None = None

    @classmethod
    def make(
        cls,
        butler: Butler,
        inputs: Sequence[str],
        *,
        output: str | None = None,
        output_run: str | None = None,
        extend_run: bool = False,
        replace_run: bool = False,
        rebase: bool = False,
        resume: bool = False,
    ) -> RunCollections:
        """Find the collections; nothing is changed.

        Parameters
        ----------
        butler
            Butler of the repository.
        inputs
            Input collections as given, in order.
        output
            Chain for the result; a new RUN named after the time (UTC) is put first into it.
        output_run
            Name of the RUN instead.
        extend_run
            Whether to write into the first RUN of the chain, or into `output_run`, which exists.
        replace_run
            Whether the first RUN of the chain leaves it.
        rebase
            Whether inputs that the chain does not have in this order are put behind its own runs.
        resume
            Whether to extend a run if there is one, and to begin one otherwise.

        Raises
        ------
        RunCollectionsError
            Raised if the options contradict each other or what is there.
        CollectionTypeError
            Raised if the output is no chain, or its run is none.
        MissingCollectionError
            Raised if an input does not exist.
        """
        if output is None and output_run is None:
            raise RunCollectionsError("give an output chain (-o CHAIN), or a run (--output-run RUN)")
        if extend_run and replace_run:
            raise RunCollectionsError("a run is extended or replaced, not both")
        known = {info.name: info.type for info in butler.collections.query_info("*")}
        given = [name for name in inputs if butler.collections.get_info(name)]
        flat = [info.name for info in butler.collections.flatten(given)] if given else []
        if output is None:
            assert output_run is not None
            if replace_run or rebase:
                raise RunCollectionsError("only the run of a chain is replaced or rebased; give -o CHAIN")
            return cls._of_a_run(output_run, flat, known, extend_run=extend_run, resume=resume)
        children = [] if output not in known else _children(butler, output)
        if resume:
            extend_run = (
                bool(children) and known[children[0]] is CollectionType.RUN and children[0] not in flat
            )
            extend_run = extend_run and output_run in (None, children[0])
        if not children:
            if extend_run or replace_run:
                raise RunCollectionsError(f"there is no run in a chain {output!r} to extend or replace")
            if not flat:
                raise RunCollectionsError("no input collections; give them with -i")
        rest = _rest(output, children, flat, rebase=rebase)
        if extend_run:
            return cls._of_first_child(output, rest, output_run, known)
        run = output_run or _named_after_now(output, known)
        if run in known:
            raise RunCollectionsError(f"the run {run!r} exists; --extend-run writes into it")
        replaced = rest[0] if replace_run else None
        if replaced is not None and known[replaced] is not CollectionType.RUN:
            raise RunCollectionsError(f"the first member of {output!r}, {replaced!r}, is no run to replace")
        kept = rest[1:] if replace_run else rest
        return cls(run, tuple(kept), output, (run, *kept), replaced)

    @classmethod
    def _of_a_run(
        cls, run: str, flat: list[str], known: dict[str, CollectionType], *, extend_run: bool, resume: bool
    ) -> RunCollections:
        """Return the collections of a run without a chain."""
        if run in known and known[run] is not CollectionType.RUN:
            raise CollectionTypeError(f"--output-run needs a run, {run!r} is a {known[run]} collection")
        if run in known and not (extend_run or resume):
            raise RunCollectionsError(f"the run {run!r} exists; --extend-run writes into it")
        if run not in known and extend_run:
            raise RunCollectionsError(f"there is no run {run!r} to extend")
        if not flat:
            raise RunCollectionsError("no input collections; give them with -i")
        own = [run] if run in known else []
        return cls(run, tuple(own + [name for name in flat if name != run]))

    @classmethod
    def _of_first_child(
        cls, output: str, children: list[str], output_run: str | None, known: dict[str, CollectionType]
    ) -> RunCollections:
        """Return the collections for going on in the newest run of a chain."""
        run = children[0]
        if known[run] is not CollectionType.RUN or output_run not in (None, run):
            raise RunCollectionsError(
                f"the first member of {output!r} is the {known[run]} collection {run!r}, "
                f"not a run {output_run or ''!r} to extend"
            )
        return cls(run, tuple(children), output, tuple(children))

    def renewed(self, butler: Butler, *, extend_run: bool = False, resume: bool = False) -> RunCollections:
        """Return the collections for a plan that was made before, as they are now; nothing is changed.

        Parameters
        ----------
        butler
            Butler of the repository.
        extend_run
            Whether to write into the run, which exists.
        resume
            Whether to write into the run if it exists.

        Raises
        ------
        RunCollectionsError
            Raised if the options contradict what is there.
        CollectionTypeError
            Raised if there is a collection of another type in place of the run or the chain.
        MissingCollectionError
            Raised if an input no longer exists.
        """
        known = {info.name: info.type for info in butler.collections.query_info("*")}
        if self.run in known and not (extend_run or resume):
            raise RunCollectionsError(
                f"the run {self.run!r} of the plan exists; --resume does what was not done in it"
            )
        if self.run not in known and extend_run:
            raise RunCollectionsError(f"there is no run {self.run!r} to extend")
        if known.get(self.run, CollectionType.RUN) is not CollectionType.RUN:
            raise CollectionTypeError(
                f"{self.run!r} is a {known[self.run]} collection, not a run to write into"
            )
        for name in self.inputs:
            butler.collections.get_info(name)
        if self.chain is None or self.chain not in known:
            return self
        now = _children(butler, self.chain)
        if self.run in now:
            return replace(self, children=tuple(now), replaced=None)
        return replace(self, children=(self.run, *(name for name in now if name != self.replaced)))

    def apply(self, butler: Butler) -> None:
        """Make the run, and the chain with it at its place, in one transaction."""
        with butler.transaction():
            butler.collections.register(self.run)
            if self.chain is not None:
                butler.collections.register(self.chain, CollectionType.CHAINED)
                butler.collections.redefine_chain(self.chain, self.children)


def _children(butler: Butler, chain: str) -> list[str]:
    info = butler.collections.get_info(chain)
    if info.type is not CollectionType.CHAINED:
        raise CollectionTypeError(f"-o needs a chain, {chain!r} is a {info.type} collection")
    return list(info.children)


def _rest(output: str, children: list[str], inputs: list[str], *, rebase: bool) -> list[str]:
    """Return the members of a chain with inputs among them.

    Raises
    ------
    RunCollectionsError
        Raised if they are not a part of it, in this order, and are not to be put there.
    """
    if not children:
        return inputs
    n = len(inputs)
    if any(children[i : i + n] == inputs for i in range(len(children) - n + 1)):
        return children
    if not rebase:
        raise RunCollectionsError(
            f"the chain {output!r} has {', '.join(children)}, not {', '.join(inputs)} in this order; "
            "leave -i out, or --rebase puts the new inputs behind the runs of the chain"
        )
    own = [child for child in children if child.startswith(f"{output}/")]
    return list(dict.fromkeys([*own, *inputs, *children]))


def _named_after_now(output: str, known: dict[str, CollectionType]) -> str:
    """Return a name that is free: the chain's with the time, in seconds."""
    time = datetime.datetime.now(datetime.UTC)
    while (name := f"{output}/{time:%Y%m%dT%H%M%SZ}") in known:
        time += datetime.timedelta(seconds=1)
    return name
