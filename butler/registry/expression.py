"""The tree of a parsed `where` expression.

Nodes are frozen values without behaviour: `parser.parse_expression` builds them from text and the
compiler gives them meaning, so names, types and functions are unchecked here. Two trees compare equal
if they say the same thing, wherever they stood in their texts.

::

    Node
    ├── boolean      Or, And, Not
    ├── comparison   Comparison, In, Between, Like, IsTest
    ├── value        Binary, Unary, Literal, TimeLiteral, Identifier, Bind, Call, Pair
    └── Range        only among the items of In
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

__all__ = [
    "And",
    "Between",
    "Binary",
    "BinaryOperator",
    "Bind",
    "Call",
    "Comparison",
    "ComparisonOperator",
    "Constant",
    "Expression",
    "Identifier",
    "In",
    "IsTest",
    "Item",
    "Like",
    "Literal",
    "Node",
    "Not",
    "Or",
    "Pair",
    "Range",
    "Sign",
    "TimeLiteral",
    "Unary",
    "children",
    "walk",
]

BinaryOperator: typing.TypeAlias = typing.Literal["+", "-", "*", "/", "%"]
ComparisonOperator: typing.TypeAlias = typing.Literal["=", "!=", "<", "<=", ">", ">=", "OVERLAPS"]
Constant: typing.TypeAlias = typing.Literal["NULL", "TRUE", "FALSE"]
Sign: typing.TypeAlias = typing.Literal["+", "-"]


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes."""

    position: int = field(default=0, kw_only=True, compare=False, repr=False)
    """0-based offset of the node's first character; parentheses around it do not count."""


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """An unsigned number or a string; signed only among the items of `In`."""

    value: int | float | str
    """An `int` if written without point and exponent; 1 and 1.0 compare equal, as in Python."""


@dataclass(frozen=True, slots=True)
class TimeLiteral(Node):
    """A time, ``T'...'``."""

    text: str
    """What stands between the quotes, with any format prefix and scale suffix."""


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """A name of one to three parts; also NULL, TRUE and FALSE where they do not follow IS."""

    name: str
    """The parts as written, joined by dots."""


@dataclass(frozen=True, slots=True)
class Bind(Node):
    """A value to be looked up, ``:name``."""

    name: str
    """Without the colon."""


@dataclass(frozen=True, slots=True)
class Range(Node):
    """The integers start, start + step, ... up to and including stop."""

    start: int
    stop: int
    """Never less than `start`."""
    step: int
    """At least 1."""


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A signed value."""

    sign: Sign
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic."""

    operator: BinaryOperator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function call."""

    name: str
    """In upper case."""
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Pair(Node):
    """A time span ``(begin, end)``."""

    first: Expression
    second: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """Two operands compared."""

    operator: ComparisonOperator
    """The canonical spelling: ``==`` is ``=`` and ``<>`` is ``!=``."""
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class In(Node):
    """``operand [NOT] IN (items)``; ``IN :list`` is ``IN (:list)``."""

    operand: Expression
    items: tuple[Item, ...]
    """At least one."""
    negated: bool


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``operand [NOT] BETWEEN low AND high``, both ends included."""

    operand: Expression
    low: Expression
    high: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Node):
    """``operand [NOT] LIKE pattern [ESCAPE 'c']``."""

    operand: Expression
    pattern: Literal | Bind | Identifier
    """A literal is a string; an identifier can only be the name of a bind."""
    escape: str | None
    """One character, or `None` without an ESCAPE clause."""
    negated: bool


@dataclass(frozen=True, slots=True)
class IsTest(Node):
    """``operand IS [NOT] constant``."""

    operand: Expression
    constant: Constant
    negated: bool


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Negation."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And(Node):
    """Conjunction."""

    operands: tuple[Expression, ...]
    """Two or more, none of them an `And`: ``(a AND b) AND c`` is one node."""


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Disjunction."""

    operands: tuple[Expression, ...]
    """Two or more, none of them an `Or`."""


Expression: typing.TypeAlias = (
    Literal
    | TimeLiteral
    | Identifier
    | Bind
    | Unary
    | Binary
    | Call
    | Pair
    | Comparison
    | In
    | Between
    | Like
    | IsTest
    | Not
    | And
    | Or
)
"""Everything that can stand alone in parentheses, and `Pair`, which brings its own."""

Item: typing.TypeAlias = Literal | TimeLiteral | Range | Identifier | Bind | Call | Pair
"""Everything that can stand in the list of `In`."""


_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _field_names(node: typing.Any) -> tuple[str, ...]:
    """Return the names of a node's fields; `dataclasses.fields` takes long."""
    kind = type(node)
    if kind not in _FIELD_NAMES:
        _FIELD_NAMES[kind] = tuple(each.name for each in fields(kind))
    return _FIELD_NAMES[kind]


def children(node: Node) -> Iterator[Node]:
    """Yield the direct sub-nodes of a node, in the order of the text."""
    for name in _field_names(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from value


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all nodes below it, each before its sub-nodes, in the order of the text."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))
