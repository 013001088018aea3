"""From the tree of a `where` expression to conditions with known names and types."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeVar, cast

from ..errors import did_you_mean
from ..regions import SkyRegion
from . import expression as ex
from .conditions import (
    AllOf,
    AnyOf,
    Arithmetic,
    Column,
    Compared,
    Condition,
    Constant,
    InSpan,
    InSteps,
    IsNull,
    IsTruth,
    Known,
    Matched,
    Member,
    Minus,
    Negated,
    RegionsEqual,
    RegionsOverlap,
    Scalar,
    Span,
    SpansEqual,
    SpansOverlap,
    Truth,
    ValueType,
)
from .where import CONSTANTS, Scope, Where
from .where_values import SHAPES, Pattern, calculate, is_list, plain_value, read_time, region_of

__all__ = ["MAX_ITEMS", "bind_where"]

_NUMBERS: Final = ("int", "float")
_ORDERED: Final = (*_NUMBERS, "str", "datetime")
_WORDS: Final[dict[str, str]] = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "a truth value",
    "uuid": "a UUID",
    "null": "NULL",
}
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
MAX_ITEMS: Final = 1000
"""More items of one IN are kept as a list: databases limit the number of values in a statement."""
_MAX_RANGES: Final = 20
"""More ranges of one IN are kept as a list of all their members,"""
_MAX_MEMBERS: Final = 1_000_000
"""unless these are more than so many."""
_FUNCTIONS: Final = ("GLOB", "REGION", "UUID", *SHAPES)
_NEVER: Final = (2**63 - 1, -(2**63))
"""Bounds of a span that holds no time."""
_Done = TypeVar("_Done")


def bind_where(where: Where, scope: Scope, values: list[Any]) -> tuple[Condition, ...]:
    """Return the conditions that must all hold.

    Parameters
    ----------
    where
        The expression.
    scope
        Where its names are looked for.
    values
        Constants; those of this expression are appended.

    Raises
    ------
    InvalidQueryError
        Raised for an unknown name, or types that do not go together.
    """
    binder = _Binder(where, scope, values)
    return tuple(binder.condition(term) for term in where.terms)


@dataclass(frozen=True, slots=True)
class _Value:
    """What an operand means: a scalar, a span, or a region; constants have a slot in the list of values."""

    meant: Scalar | Span
    type: ValueType
    node: ex.Node


class _Binder:
    """Gives names and constants of one expression their meaning; parameters as `bind_where`."""

    def __init__(self, where: Where, scope: Scope, values: list[Any]) -> None:
        self._where = where
        self._scope = scope
        self._values = values

    # Conditions.

    def condition(self, node: ex.Node) -> Condition:
        match node:
            case ex.And(operands=operands):
                return AllOf(tuple(self.condition(o) for o in operands))
            case ex.Or(operands=operands):
                return AnyOf(tuple(self.condition(o) for o in operands))
            case ex.Not(operand=operand):
                return Negated(self.condition(operand))
            case ex.Comparison(operator="OVERLAPS"):
                return self._overlap(node)
            case ex.Comparison():
                return self._comparison(node)
            case ex.In():
                return self._membership(node)
            case ex.Between(operand=operand, low=low, high=high, negated=negated):
                lower = ex.Comparison(">=", operand, low, position=node.position)
                upper = ex.Comparison("<=", operand, high, position=node.position)
                return _negated(AllOf((self._comparison(lower), self._comparison(upper))), negated)
            case ex.Like(operand=operand, pattern=pattern, escape=escape, negated=negated):
                text = self._text(pattern)
                made = self._checked(pattern, lambda: Pattern.from_like(text, escape))
                return _negated(self._matched(operand, made), negated)
            case ex.Call(name="GLOB"):
                if len(node.arguments) != 2:
                    raise self._where.error(node, "write GLOB(column, 'pattern')")
                glob = self._text(node.arguments[1])
                matched = self._matched(node.arguments[0], Pattern.from_glob(glob))
                # As in LSST, what anything fits is fitted by null, too.
                return Known(True) if glob == "*" else matched
            case ex.IsTest():
                return self._is_test(node)
            case ex.Identifier():
                value = self._value(node)
                if value.type == "bool" and isinstance(value.meant, Column):
                    return Truth(value.meant)
        raise self._where.error(node, "this is not a condition; compare it with something")

    def _comparison(self, node: ex.Comparison) -> Condition:
        if self._is_null(node.left) or self._is_null(node.right):
            if node.operator not in ("=", "!="):
                raise self._where.error(
                    node, f"{node.operator} cannot compare with NULL; use = NULL or != NULL"
                )
            other = node.right if self._is_null(node.left) else node.left
            test = ex.IsTest(other, "NULL", node.operator == "!=", position=node.position)
            return self._is_test(test)
        left, right = self._value(node.left), self._value(node.right)
        self._require_same_type(left, right, node)
        operator = cast("Literal['=', '!=', '<', '<=', '>', '>=']", node.operator)
        if operator in ("=", "!="):
            return _negated(self._equal(left, right, node), operator == "!=")
        if left.type not in _ORDERED:
            raise self._where.error(node, f"{operator} does not compare {self._named(left)}")
        return self._compared(operator, left, right)

    def _equal(self, left: _Value, right: _Value, node: ex.Node) -> Condition:
        if left.type == "region":
            column, other = (left, right) if isinstance(left.meant, Column) else (right, left)
            if not isinstance(column.meant, Column):
                raise self._where.error(node, "two given regions; one must be a column")
            assert isinstance(other.meant, Column | Constant)
            return RegionsEqual(column.meant, other.meant)
        if isinstance(left.meant, Span) and isinstance(right.meant, Span):
            return SpansEqual(left.meant, right.meant)
        return self._compared("=", left, right)

    def _compared(
        self, operator: Literal["=", "!=", "<", "<=", ">", ">="], left: _Value, right: _Value
    ) -> Condition:
        first, second = left.meant, right.meant
        assert not isinstance(first, Span)
        assert not isinstance(second, Span)
        if isinstance(first, Constant) and isinstance(second, Constant):
            a, b = self._values[first.slot], self._values[second.slot]
            return Known(None if a is None or b is None else _COMPARE[operator](a, b))
        return Compared(operator, first, second)

    def _is_test(self, node: ex.IsTest) -> Condition:
        value = self._value(node.operand)
        if isinstance(value.meant, Constant):
            raise self._where.error(node, f"only a column can be {node.constant}")
        if node.constant == "NULL":
            return _negated(IsNull(value.meant), node.negated)
        if value.type != "bool" or not isinstance(value.meant, Column):
            raise self._where.error(node, f"{self._named(value)} is neither TRUE nor FALSE")
        return _negated(IsTruth(value.meant, node.constant == "TRUE"), node.negated)

    def _matched(self, operand: ex.Node, pattern: Pattern) -> Condition:
        value = self._value(operand)
        if value.type != "str":
            raise self._where.error(operand, f"a pattern is compared with a text, not {self._named(value)}")
        assert not isinstance(value.meant, Span)
        return Matched(value.meant, self._constant(pattern, "str"))

    def _overlap(self, node: ex.Comparison) -> Condition:
        left, right = self._value(node.left), self._value(node.right)
        kinds = {left.type, right.type}
        if kinds == {"region"}:
            column, other = (left, right) if isinstance(left.meant, Column) else (right, left)
            if not isinstance(column.meant, Column):
                raise self._where.error(node, "OVERLAPS of two given regions; one must be a column")
            assert isinstance(other.meant, Column | Constant)
            return RegionsOverlap(column.meant, other.meant)
        if kinds == {"timespan"}:
            assert isinstance(left.meant, Span)
            assert isinstance(right.meant, Span)
            return SpansOverlap(left.meant, right.meant)
        if kinds == {"timespan", "datetime"}:
            span, time = (left, right) if left.type == "timespan" else (right, left)
            assert isinstance(span.meant, Span)
            assert not isinstance(time.meant, Span)
            return InSpan(time.meant, span.meant)
        raise self._where.error(
            node,
            f"OVERLAPS takes two regions, or timespans and times, not {self._named(left)} "
            f"and {self._named(right)}",
        )

    # IN.

    def _membership(self, node: ex.In) -> Condition:
        operand = self._value(node.operand)
        parts: list[Condition] = []
        items: list[_Value] = []
        ranges = [item for item in node.items if isinstance(item, ex.Range)]
        parts += self._in_ranges(operand, ranges)
        for item in node.items:
            for value in self._items(item) if not isinstance(item, ex.Range) else ():
                if value.type == "null":
                    parts.append(IsNull(operand.meant))
                elif value.type == "timespan" and operand.type == "datetime":
                    assert isinstance(value.meant, Span)
                    assert not isinstance(operand.meant, Span)
                    parts.append(InSpan(operand.meant, value.meant))
                else:
                    self._require_same_type(operand, value, item)
                    items.append(value)
        if operand.type in ("region", "timespan"):
            parts += [self._equal(operand, item, node) for item in items]
        elif items or not parts:
            parts.append(self._member(operand, items))
        return _negated(parts[0] if len(parts) == 1 else AnyOf(tuple(parts)), node.negated)

    def _member(self, operand: _Value, items: Sequence[_Value]) -> Condition:
        meant = operand.meant
        assert not isinstance(meant, Span)
        if not items:
            return Known(False)
        if isinstance(meant, Constant) and all(isinstance(item.meant, Constant) for item in items):
            found = [self._compared("=", operand, item) for item in items]
            return next((f for f in (Known(True), Known(None)) if f in found), Known(False))
        constants = [i.meant for i in items if isinstance(i.meant, Constant)]
        if len(constants) <= MAX_ITEMS:
            return Member(meant, tuple(i.meant for i in items if not isinstance(i.meant, Span)))
        listed = [self._values[constant.slot] for constant in constants]
        others = tuple(i.meant for i in items if not isinstance(i.meant, Constant | Span))
        kind: ValueType = "float" if any(c.type == "float" for c in constants) else constants[0].type
        return Member(meant, others, self._constant(listed, kind))

    def _items(self, item: ex.Node) -> list[_Value]:
        """Return the values of an item of IN; a bound list gives several."""
        if isinstance(item, ex.Bind | ex.Identifier):
            bound = self._where.bind.get(item.name)
            if bound is not None and is_list(bound):
                return [self._given(value, item) for value in bound]
        if self._is_null(item):
            return [self._given(None, item)]
        return [self._value(item)]

    def _in_ranges(self, operand: _Value, ranges: Sequence[ex.Range]) -> list[Condition]:
        """Return what is true of the members of ranges; many short ones are taken as a list of numbers."""
        for item in ranges:
            if operand.type != "int":
                raise self._where.error(item, "a range is compared with an integer")
        n_members = sum((item.stop - item.start) // item.step + 1 for item in ranges)
        if len(ranges) <= _MAX_RANGES or n_members > _MAX_MEMBERS:
            return [self._steps(operand, item) for item in ranges]
        for end in (end for item in ranges for end in (item.start, item.stop)):
            self._checked(ranges[0], partial(plain_value, end))
        # As conditions of their own, each of them would be asked of each row.
        members = {n for item in ranges for n in range(item.start, item.stop + 1, item.step)}
        assert not isinstance(operand.meant, Span)
        return [Member(operand.meant, (), self._constant(sorted(members), "int"))]

    def _steps(self, operand: _Value, item: ex.Range) -> Condition:
        assert not isinstance(operand.meant, Span)
        ends = [self._given(number, item).meant for number in (item.start, item.stop, item.step)]
        first, last, step = (end for end in ends if isinstance(end, Constant))
        return InSteps(operand.meant, first, last, step)

    # Values.

    def _value(self, node: ex.Node) -> _Value:
        match node:
            case ex.Literal(value=value):
                return self._given(value, node)
            case ex.TimeLiteral(text=text):
                time = self._checked(node, lambda: read_time(text))
                return _Value(self._constant(time, "datetime"), "datetime", node)
            case ex.Bind(name=name):
                return self._given(self._bound(node, name), node)
            case ex.Identifier(name=name) if name in self._where.bind:
                return self._given(self._where.bind[name], node)
            case ex.Identifier():
                return self._named_value(node)
            case ex.Unary(sign=sign, operand=operand):
                return self._unary(sign, operand, node)
            case ex.Binary():
                return self._arithmetic(node)
            case ex.Pair(first=first, second=second):
                return self._pair(self._bound_of(first), self._bound_of(second), node)
            case ex.Call():
                return self._call(node)
        raise self._where.error(node, "a condition cannot stand here; write a name, a value or a :bind")

    def _named_value(self, node: ex.Identifier) -> _Value:
        if node.name.upper() in CONSTANTS:
            return self._given(CONSTANTS[node.name.upper()], node)
        meant = self._where.resolve(node, self._scope)
        return _Value(meant, "timespan" if isinstance(meant, Span) else meant.type, node)

    def _call(self, node: ex.Call) -> _Value:
        match node.name:
            case "UUID" if len(node.arguments) == 1:
                text = self._text(node.arguments[0])
                return self._given(self._checked(node, lambda: uuid.UUID(text)), node)
            case "REGION" if len(node.arguments) == 1:
                text = self._text(node.arguments[0])
                return self._given(self._checked(node, lambda: SkyRegion.from_pos(text)), node)
            case "UUID" | "REGION":
                raise self._where.error(node, f"write {node.name}('...')")
            case "GLOB":
                raise self._where.error(node, "a condition cannot stand here; write a name or a value")
        if node.name not in SHAPES:
            hint = did_you_mean(node.name, _FUNCTIONS)
            raise self._where.error(node, f"no function {node.name!r}{hint}")
        numbers = [self._number(argument) for argument in node.arguments]
        return self._given(self._checked(node, lambda: region_of(node.name, numbers)), node)

    def _unary(self, sign: str, operand: ex.Node, node: ex.Node) -> _Value:
        number = self._value(operand)
        if number.type not in _NUMBERS:
            raise self._where.error(node, f"{sign} needs a number, not {self._named(number)}")
        assert not isinstance(number.meant, Span)
        if sign == "+":
            return number
        if isinstance(number.meant, Constant):
            value = self._values[number.meant.slot]
            return self._given(None if value is None else -value, node, number.type)
        return _Value(Minus(number.meant, number.type), number.type, node)

    def _arithmetic(self, node: ex.Binary) -> _Value:
        left, right = self._value(node.left), self._value(node.right)
        for side in (left, right):
            if side.type not in _NUMBERS:
                raise self._where.error(
                    side.node, f"{node.operator} calculates with numbers, not {self._named(side)}"
                )
        if node.operator == "%" and (left.type, right.type) != ("int", "int"):
            raise self._where.error(node, "% is the remainder of integers")
        kind: ValueType = "int" if (left.type, right.type) == ("int", "int") else "float"
        first, second = left.meant, right.meant
        assert not isinstance(first, Span)
        assert not isinstance(second, Span)
        if isinstance(first, Constant) and isinstance(second, Constant):
            a, b = self._values[first.slot], self._values[second.slot]
            found = self._checked(node, lambda: calculate(node.operator, a, b))
            return self._given(found, node, "float" if isinstance(found, float) else kind)
        return _Value(Arithmetic(node.operator, first, second, kind), kind, node)

    def _pair(self, begin: Scalar | None, end: Scalar | None, node: ex.Node) -> _Value:
        """Return the span of two bounds; as of `Timespan`, equal times make the shortest one."""
        if isinstance(begin, Constant) and isinstance(end, Constant):
            first, last = self._values[begin.slot], self._values[end.slot]
            if first > last:
                first, last = _NEVER
            elif first == last:
                last += 1
            begin, end = self._constant(first, "datetime"), self._constant(last, "datetime")
        return _Value(Span(begin, end), "timespan", node)

    def _bound_of(self, node: ex.Node) -> Scalar | None:
        """Return one end of a pair."""
        if self._is_null(node):
            return None
        value = self._value(node)
        if value.type != "datetime":
            raise self._where.error(node, f"a timespan is a pair of times, not {self._named(value)}")
        assert not isinstance(value.meant, Span)
        return value.meant

    def _number(self, node: ex.Node) -> float:
        value = self._value(node)
        if value.type not in _NUMBERS or not isinstance(value.meant, Constant):
            raise self._where.error(node, "expected a number")
        number = self._values[value.meant.slot]
        if number is None:
            raise self._where.error(node, "a division by zero is no number")
        return float(number)

    def _text(self, node: ex.Node) -> str:
        value = self._value(node)
        if value.type != "str" or not isinstance(value.meant, Constant):
            raise self._where.error(node, "a pattern is a text or bound to one")
        return str(self._values[value.meant.slot])

    # Constants.

    def _given(self, value: Any, node: ex.Node, kind: ValueType | None = None) -> _Value:
        """Return a given value with its type, or with a type that is known."""
        plain, found = self._checked(node, lambda: plain_value(value))
        if found == "timespan":
            begin, end = plain.begin_ns, plain.end_ns
            if begin is not None and begin == end:
                begin, end = _NEVER
            ends = [None if ns is None else self._constant(ns, "datetime") for ns in (begin, end)]
            return _Value(Span(*ends), "timespan", node)
        return _Value(self._constant(plain, kind or found), kind or found, node)

    def _constant(self, value: Any, kind: ValueType) -> Constant:
        self._values.append(value)
        return Constant(len(self._values) - 1, kind)

    def _bound(self, node: ex.Node, name: str) -> Any:
        if name not in self._where.bind:
            hint = did_you_mean(name, self._where.bind) or "; bind it"
            raise self._where.error(node, f"no value is bound to {name!r}{hint}")
        return self._where.bind[name]

    def _checked(self, node: ex.Node, make: Callable[[], _Done]) -> _Done:
        """Return what a function makes; what is wrong for it is wrong with the expression."""
        try:
            return make()
        except ValueError as error:
            raise self._where.error(node, str(error)) from error

    def _is_null(self, node: ex.Node) -> bool:
        """Tell whether a node is NULL; a list that is bound to that name has precedence."""
        bind = self._where.bind
        if isinstance(node, ex.Bind):
            return node.name in bind and bind[node.name] is None
        if not isinstance(node, ex.Identifier):
            return False
        if node.name.upper() == "NULL":
            return not is_list(bind.get(node.name))
        return node.name in bind and bind[node.name] is None

    def _require_same_type(self, left: _Value, right: _Value, node: ex.Node) -> None:
        if left.type != right.type and not (left.type in _NUMBERS and right.type in _NUMBERS):
            raise self._where.error(node, f"cannot compare {self._named(left)} with {self._named(right)}")

    def _named(self, value: _Value) -> str:
        what = _WORDS.get(value.type, f"a {value.type}")
        if isinstance(value.node, ex.Identifier | ex.Bind):
            return f"{value.node.name} ({what})"
        if isinstance(value.meant, Constant) and value.type in (*_NUMBERS, "str"):
            return f"{self._values[value.meant.slot]!r} ({what})"
        return what


def _negated(condition: Condition, negated: bool) -> Condition:
    if not negated:
        return condition
    if isinstance(condition, Known):
        return Known(None if condition.value is None else not condition.value)
    return Negated(condition)
