"""Conditions: what a `where` expression means, once its names and types are known.

Nodes are frozen values without constants: these stand beside the tree, numbered by slots, so that two
expressions that differ in constants only have the same tree and share one compiled statement.

::

    Condition
    ├── AllOf, AnyOf, Negated                      combine conditions
    ├── Known                                      true, false or unknown whatever the row
    ├── Compared, Member, InSteps, Matched         of scalars
    ├── IsNull, IsTruth, Truth                     tests of a column
    ├── SpansOverlap, InSpan, SpansEqual           of times
    └── RegionsOverlap, RegionsEqual               on the sky
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

__all__ = [
    "AllOf",
    "AnyOf",
    "Arithmetic",
    "Column",
    "Compared",
    "Condition",
    "Constant",
    "InSpan",
    "InSteps",
    "IsNull",
    "IsTruth",
    "Known",
    "Matched",
    "Member",
    "Minus",
    "Negated",
    "RegionsEqual",
    "RegionsOverlap",
    "Scalar",
    "Span",
    "SpansEqual",
    "SpansOverlap",
    "Truth",
    "ValueType",
    "columns_of",
    "parts_of",
]

ValueType: TypeAlias = Literal[
    "int", "float", "str", "bool", "datetime", "timespan", "region", "uuid", "null"
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is given."""

    slot: int
    """Where it stands among the values of the expression."""
    type: ValueType


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an element or of a dataset type."""

    owner: str
    """Element or dataset type; a key, also where another element has it, belongs to its own dimension."""
    name: str
    """Its name; of a key, that of the dimension."""
    type: ValueType
    of_dataset: bool = False

    @property
    def is_key(self) -> bool:
        """Whether it identifies a record of a dimension."""
        return self.owner == self.name and not self.of_dataset


@dataclass(frozen=True, slots=True)
class Minus:
    """A scalar with its sign turned round."""

    operand: Scalar
    type: ValueType


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers combined; a division by zero is unknown."""

    operator: Literal["+", "-", "*", "/", "%"]
    left: Scalar
    right: Scalar
    type: ValueType


Scalar: TypeAlias = Constant | Column | Minus | Arithmetic


@dataclass(frozen=True, slots=True)
class Span:
    """The times from one to before another; unbounded where there is None, or a column is null."""

    begin: Scalar | None
    end: Scalar | None


@dataclass(frozen=True, slots=True)
class Known:
    """A condition that does not depend on the row."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conditions that must all hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions of which one must hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition that must be false."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Compared:
    """Two scalars compared."""

    operator: Literal["=", "!=", "<", "<=", ">", ">="]
    left: Scalar
    right: Scalar


@dataclass(frozen=True, slots=True)
class Member:
    """A scalar equal to one of some; many of them stand in one slot, as a list."""

    operand: Scalar
    items: tuple[Scalar, ...]
    listed: Constant | None = None


@dataclass(frozen=True, slots=True)
class InSteps:
    """An integer among first, first + step, ..., last."""

    operand: Scalar
    first: Constant
    last: Constant
    step: Constant


@dataclass(frozen=True, slots=True)
class Matched:
    """A text that fits a `Pattern`."""

    operand: Scalar
    pattern: Constant


@dataclass(frozen=True, slots=True)
class IsNull:
    """A scalar or span that is not known; a span is not if all of its columns are null."""

    operand: Scalar | Span


@dataclass(frozen=True, slots=True)
class IsTruth:
    """A truth value that is the given one, and known."""

    operand: Column
    value: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A truth value itself."""

    operand: Column


@dataclass(frozen=True, slots=True)
class SpansOverlap:
    """Two spans that have an instant in common."""

    first: Span
    second: Span


@dataclass(frozen=True, slots=True)
class SpansEqual:
    """Two spans with the same bounds."""

    first: Span
    second: Span


@dataclass(frozen=True, slots=True)
class InSpan:
    """An instant within a span."""

    instant: Scalar
    span: Span


@dataclass(frozen=True, slots=True)
class RegionsOverlap:
    """Two regions, one of them at least of a column, that share a position."""

    first: Column
    second: Column | Constant


@dataclass(frozen=True, slots=True)
class RegionsEqual:
    """Two regions with the same encoding."""

    first: Column
    second: Column | Constant


Condition: TypeAlias = (
    Known
    | AllOf
    | AnyOf
    | Negated
    | Compared
    | Member
    | InSteps
    | Matched
    | IsNull
    | IsTruth
    | Truth
    | SpansOverlap
    | SpansEqual
    | InSpan
    | RegionsOverlap
    | RegionsEqual
)


def parts_of(node: Any) -> Iterator[Any]:
    """Yield a node and all nodes below it."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        for name in _field_names(current):
            value = getattr(current, name)
            if isinstance(value, tuple):
                pending.extend(value)
            elif hasattr(value, "__dataclass_fields__"):
                pending.append(value)


_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _field_names(node: Any) -> tuple[str, ...]:
    """Return the names of a node's fields; `dataclasses.fields` takes long."""
    kind = type(node)
    if kind not in _FIELD_NAMES:
        _FIELD_NAMES[kind] = tuple(each.name for each in fields(kind))
    return _FIELD_NAMES[kind]


def columns_of(node: Any) -> Iterator[Column]:
    """Yield the columns that a condition is about."""
    return (part for part in parts_of(node) if isinstance(part, Column))
