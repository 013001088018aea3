"""select_tasks: the tasks that an expression such as ``(<= stack | T:measure) & ~warp`` names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from butler.errors import did_you_mean

from .connection_types import InitInput, InitOutput, Input, Output
from .errors import PipelineError
from .pipeline_node import PipelineTaskNode, parent_name

__all__ = ["select_tasks"]

_TOKEN: Final = re.compile(r"\s*(?:(?P<sign><=|>=|[<>|&~()])|(?P<name>[^\s<>|&~()=]+))")
_DEEPEST: Final = 50
"""Signs and parentheses within each other."""
_Labels = frozenset[str]


def select_tasks(
    expression: str, nodes: Sequence[PipelineTaskNode], subsets: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the labels that an expression selects, in the order of the pipeline.

    Names are joined by ``|`` (or), ``&`` (and, which binds more tightly), ``~`` (all others) and parentheses.
    ``< X`` are the tasks that X needs, directly or not, and ``> X`` those that need X; ``<=`` and ``>=`` are
    the same with X itself. X is a label or a dataset type, which is between the task that makes it and those
    that read it. ``T:``, ``D:`` and ``S:`` before a name say that it is a task, a dataset type or a subset.

    Parameters
    ----------
    expression
        The expression.
    nodes
        The tasks, in order.
    subsets
        Labels by name of the subset.

    Raises
    ------
    PipelineError
        Raised if it is no such expression, or for a name that there is not.
    """
    chosen = _Parser(expression, _Names(nodes, subsets)).labels()
    return [node.label for node in nodes if node.label in chosen]


@dataclass
class _Names:
    """What names mean: tasks, their datasets, and subsets."""

    nodes: Sequence[PipelineTaskNode]
    subsets: Mapping[str, Sequence[str]]
    needed: dict[str, set[str]] = field(default_factory=dict)
    needing: dict[str, set[str]] = field(default_factory=dict)
    """Names that each task or dataset type needs, or is needed by, directly."""

    def __post_init__(self) -> None:
        for node in self.nodes:
            task = f"T:{node.label}"
            self._note(task)
            for connection in node.connections.allConnections.values():
                dataset = f"D:{parent_name(connection)}"
                self._note(dataset)
                if isinstance(connection, Output | InitOutput):
                    self._note(dataset, needs=task)
                elif isinstance(connection, Input | InitInput):
                    self._note(task, needs=dataset)

    def _note(self, name: str, needs: str | None = None) -> None:
        for relation in (self.needed, self.needing):
            relation.setdefault(name, set())
        if needs is not None:
            self._note(needs)
            self.needed[name].add(needs)
            self.needing[needs].add(name)

    def find(self, name: str) -> str:
        """Return a name with its prefix."""
        known = [*self.needed, *(f"S:{subset}" for subset in self.subsets)]
        is_told = name[:2] in ("T:", "D:", "S:")
        for candidate in [name] if is_told else [f"T:{name}", f"S:{name}", f"D:{name}"]:
            if candidate in known:
                return candidate
        bare = [other[2:] for other in known]
        raise PipelineError(f"no task, subset or dataset type {name!r}{did_you_mean(name, bare)}")

    def alone(self, name: str) -> _Labels:
        """Return the tasks of a name without a sign before it."""
        found = self.find(name)
        if found.startswith("D:"):
            raise PipelineError(
                f"the dataset type {name!r} selects no task; <= {name} are the tasks that it takes to make "
                f"it, > {name} those that need it"
            )
        return frozenset([found[2:]] if found.startswith("T:") else self.subsets[found[2:]])

    def related(self, sign: str, name: str) -> _Labels:
        """Return the tasks before or after a name, with its own if the sign says so."""
        found = self.find(name)
        if found.startswith("S:"):
            raise PipelineError(f"{sign} stands before a task or a dataset type, and {name!r} is a subset")
        reached = _reachable(found, self.needed if sign.startswith("<") else self.needing)
        if "=" in sign:
            reached.add(found)
        return frozenset(other[2:] for other in reached if other.startswith("T:"))


class _Parser:
    """Reads an expression from left to right."""

    def __init__(self, expression: str, names: _Names) -> None:
        self._expression = expression
        self._names = names
        self._all = frozenset(node.label for node in names.nodes)
        self._rest = self._tokens()
        self._depth = 0

    def labels(self) -> _Labels:
        """Return what the whole selects."""
        chosen = self._union()
        if self._rest:
            self._fail(f"{self._rest[0]!r} is too much")
        return chosen

    def _tokens(self) -> list[str]:
        tokens, place, end = [], 0, len(self._expression.rstrip())
        while place < end:
            found = _TOKEN.match(self._expression, place)
            if found is None:
                self._fail(f"{self._expression[place:].strip()[0]!r} is no part of one")
            tokens.append(found["sign"] or found["name"])
            place = found.end()
        return tokens

    def _union(self) -> _Labels:
        chosen = self._intersection()
        while self._takes("|"):
            chosen |= self._intersection()
        return chosen

    def _intersection(self) -> _Labels:
        chosen = self._part()
        while self._takes("&"):
            chosen &= self._part()
        return chosen

    def _part(self) -> _Labels:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"it has more than {_DEEPEST} levels")
        token = self._next("a task, a subset or a parenthesis")
        if token == "~":
            chosen = self._all - self._part()
        elif token == "(":
            chosen = self._union()
            if not self._takes(")"):
                self._fail("a parenthesis is not closed")
        elif token[0] in "<>":
            chosen = self._names.related(token, self._name())
        elif token in "|&)":
            self._fail(f"a name is missing before {token!r}")
        else:
            chosen = self._names.alone(token)
        self._depth -= 1
        return chosen

    def _name(self) -> str:
        token = self._next("a task or a dataset type")
        if token[0] in "<>|&~()":
            self._fail(f"a name is missing before {token!r}")
        return token

    def _next(self, what: str) -> str:
        if not self._rest:
            self._fail(f"{what} is missing at its end")
        return self._rest.pop(0)

    def _takes(self, sign: str) -> bool:
        if self._rest[:1] != [sign]:
            return False
        del self._rest[0]
        return True

    def _fail(self, reason: str) -> NoReturn:
        raise PipelineError(f"{self._expression!r} is no expression of tasks: {reason}")


def _reachable(begin: str, steps: Mapping[str, Iterable[str]]) -> set[str]:
    """Return what one comes to in any number of steps."""
    reached: set[str] = set()
    stack = [begin]
    while stack:
        new = set(steps[stack.pop()]) - reached
        reached |= new
        stack += new
    return reached
