"""From the tree of a `where` expression to SQL, and to what SQL cannot say."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import sqlalchemy as sa

from ..dimensions import UNIVERSE, time_to_ns
from ..errors import InvalidQueryError, did_you_mean
from ..regions import SkyRegion
from .expression import (
    And,
    Between,
    Bind,
    Call,
    Comparison,
    Expression,
    Identifier,
    In,
    IsTest,
    Literal,
    Node,
    Not,
    Or,
    Range,
    TimeLiteral,
    Unary,
    walk,
)
from .parser import parse_expression, syntax_error

__all__ = ["ColumnSource", "SpatialTerm", "Where"]

_ORDER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Final = ("int", "float")


class ColumnSource(Protocol):
    """What gives the compiler its columns."""

    def dimension(self, name: str) -> sa.ColumnElement[Any]:
        """Return the column of a dimension's key."""

    def element_field(self, element: str, column: str) -> sa.ColumnElement[Any]:
        """Return a metadata column of an element."""


@dataclass(frozen=True, slots=True)
class SpatialTerm:
    """A condition that a region column overlaps a given region."""

    element: str
    region: SkyRegion


@dataclass(frozen=True, slots=True)
class _Value:
    """A column or constant with the type that the language gives it."""

    sql: Any
    type: str
    node: Node


@dataclass(frozen=True)
class Where:
    """A parsed expression with its binds.

    Parameters
    ----------
    text
        The expression, for messages.
    tree
        Its tree; None means always true.
    bind
        Values for ``:name``; a name without colon that is bound means the value, too.
    """

    text: str
    tree: Expression | None
    bind: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, bind: Mapping[str, Any] | None = None) -> Where:
        """Parse an expression.

        Raises
        ------
        InvalidQueryError
            Raised with the position of what is wrong.
        """
        return cls(text, parse_expression(text), bind or {})

    @property
    def terms(self) -> tuple[Expression, ...]:
        """Conditions that must all hold."""
        if self.tree is None:
            return ()
        return self.tree.operands if isinstance(self.tree, And) else (self.tree,)

    def referenced(self, known: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the dimensions that the expression needs, and the elements whose fields it uses.

        Parameters
        ----------
        known
            Elements of the query; a bare field name is looked for in them.
        """
        elements = {self._resolve(node, known)[0] for node in self._names()}
        dimensions = {name for element in elements for name in UNIVERSE[element].required}
        return dimensions, elements

    def keys(self, known: Iterable[str]) -> list[str]:
        """Return the dimensions whose key values the expression names; `known` as for `referenced`."""
        columns = dict.fromkeys(self._resolve(node, known)[1] for node in self._names())
        return [column for column in columns if column in UNIVERSE.names]

    def mentions(self, element: str) -> bool:
        """Tell whether the expression names an element or one of its fields."""
        return any(node.name.split(".")[0] == element for node in self._names())

    def _names(self) -> Iterator[Identifier]:
        """Yield the identifiers that stand for columns."""
        for node in () if self.tree is None else walk(self.tree):
            if isinstance(node, Identifier) and node.name not in self.bind and not _is_constant(node):
                yield node

    def compile(
        self, columns: ColumnSource, known: Iterable[str]
    ) -> tuple[list[sa.ColumnElement[bool]], list[SpatialTerm]]:
        """Return SQL conditions, and the spatial terms to be tested on exact regions.

        Raises
        ------
        InvalidQueryError
            Raised for an unknown name, or types that do not go together.
        """
        compiler = _Compiler(self, columns, tuple(known))
        conditions: list[sa.ColumnElement[bool]] = []
        spatial: list[SpatialTerm] = []
        for term in self.terms:
            if isinstance(term, Comparison) and term.operator == "OVERLAPS":
                spatial.append(compiler.spatial_term(term))
            else:
                conditions.append(compiler.predicate(term))
        return conditions, spatial

    def error(self, node: Node, message: str) -> InvalidQueryError:
        """Return the error that points at a node."""
        return syntax_error(self.text, node.position, message)

    def _resolve(self, node: Identifier, known: Iterable[str]) -> tuple[str, str]:
        """Return the element and column that a name means."""
        parts = node.name.split(".")
        if len(parts) == 1:
            if parts[0] in UNIVERSE.names:
                return parts[0], parts[0]
            return self._resolve_field(node, known)
        element = parts[0]
        if element not in UNIVERSE.elements:
            hint = did_you_mean(element, UNIVERSE.elements)
            raise self.error(node, f"no dimension or element {element!r}{hint}")
        definition = UNIVERSE[element]
        column = "_".join(parts[1:]) if parts[1] == "timespan" else ".".join(parts[1:])
        if definition.key is not None and column == definition.key.name:
            column = element
        fields = [*definition.required, *definition.implies, *(f.name for f in definition.fields)]
        fields += ["region"] if definition.spatial else []
        fields += ["timespan_begin", "timespan_end"] if definition.temporal else []
        if column not in fields:
            known_fields = [name.replace("timespan_", "timespan.") for name in fields]
            raise self.error(
                node, f"{element} has no field {parts[1]!r}{did_you_mean(parts[1], known_fields)}"
            )
        if column in UNIVERSE.names:
            return element if column == element else column, column
        return element, column

    def _resolve_field(self, node: Identifier, known: Iterable[str]) -> tuple[str, str]:
        having = [e for e in known if node.name in (f.name for f in UNIVERSE[e].fields)]
        if len(having) == 1:
            return having[0], node.name
        if having:
            choices = ", ".join(f"{e}.{node.name}" for e in having)
            raise self.error(node, f"{node.name!r} is ambiguous: write one of {choices}")
        candidates = [*UNIVERSE.names, *self.bind, *(f.name for e in known for f in UNIVERSE[e].fields)]
        raise self.error(node, f"unknown name {node.name!r}{did_you_mean(node.name, candidates)}")


class _Compiler:
    """Compiles one expression against one set of columns."""

    def __init__(self, where: Where, columns: ColumnSource, known: tuple[str, ...]) -> None:
        self._where = where
        self._columns = columns
        self._known = known

    def predicate(self, node: Expression) -> sa.ColumnElement[bool]:
        match node:
            case And(operands=operands):
                return sa.and_(*[self.predicate(o) for o in operands])
            case Or(operands=operands):
                return sa.or_(*[self.predicate(o) for o in operands])
            case Not(operand=operand):
                return sa.not_(self.predicate(operand))
            case Comparison():
                return self._comparison(node)
            case In():
                return self._membership(node)
            case Between(operand=operand, low=low, high=high, negated=negated):
                lower = Comparison(">=", operand, low, position=node.position)
                upper = Comparison("<=", operand, high, position=node.position)
                inside = sa.and_(self._comparison(lower), self._comparison(upper))
                return sa.not_(inside) if negated else inside
            case IsTest(operand=operand, constant="NULL", negated=negated):
                column = self._value(operand).sql
                return sa.and_(column.is_not(None) if negated else column.is_(None))
            case Identifier():
                value = self._value(node)
                if value.type == "bool":
                    return sa.and_(value.sql)
        raise self._where.error(node, "this is not a condition; compare it with something")

    def spatial_term(self, node: Comparison) -> SpatialTerm:
        """Return the condition of ``element.region OVERLAPS shape``, in either order."""
        sides = [node.left, node.right]
        columns = [s for s in sides if isinstance(s, Identifier) and s.name not in self._where.bind]
        shapes = [s for s in sides if s not in columns]
        if len(columns) != 1 or len(shapes) != 1:
            raise self._where.error(node, "OVERLAPS here takes one region column and one region")
        element, column = self._where._resolve(columns[0], self._known)
        if column != "region":
            raise self._where.error(columns[0], f"{columns[0].name} is no region; write {element}.region")
        return SpatialTerm(element, self._region(shapes[0]))

    def _region(self, node: Expression) -> SkyRegion:
        if isinstance(node, Bind | Identifier):
            value = self._bound(node, node.name)
            if isinstance(value, SkyRegion):
                return value
            raise self._where.error(node, f"{node.name} must be bound to a SkyRegion, not {value!r}")
        shapes: dict[str, tuple[int | None, Callable[..., SkyRegion]]] = {
            "POINT": (2, SkyRegion.from_point),
            "CIRCLE": (3, SkyRegion.from_circle),
            "BOX": (4, SkyRegion.from_box),
            "POLYGON": (None, lambda *v: SkyRegion.from_polygon(v[::2], v[1::2])),
        }
        if not isinstance(node, Call) or node.name not in shapes:
            raise self._where.error(node, f"expected a region: {', '.join(shapes)} or a bound SkyRegion")
        count, make = shapes[node.name]
        numbers = [self._number(argument) for argument in node.arguments]
        if len(numbers) != count if count is not None else len(numbers) < 6 or len(numbers) % 2:
            wanted = count if count is not None else "three or more ra, dec pairs"
            raise self._where.error(node, f"{node.name} takes {wanted} numbers, not {len(numbers)}")
        try:
            return make(*numbers)
        except ValueError as error:
            raise self._where.error(node, str(error)) from error

    def _number(self, node: Expression) -> float:
        value = self._value(node)
        if value.type not in _NUMBERS or not isinstance(value.sql, int | float):
            raise self._where.error(node, "expected a number")
        return float(value.sql)

    def _comparison(self, node: Comparison) -> sa.ColumnElement[bool]:
        if node.operator == "OVERLAPS":
            raise self._where.error(node, "OVERLAPS can only be combined with AND")
        nulls = [
            _is_null(side) and side.name not in self._where.bind
            for side in (node.left, node.right)
            if isinstance(side, Identifier)
        ]
        if any(nulls):
            return self._null_test(node)
        left, right = self._value(node.left), self._value(node.right)
        self._require_same_type(left, right, node)
        if node.operator in ("=", "!="):
            equal = left.sql if _is_sql(left.sql) else sa.literal(left.sql)
            return sa.and_(equal == right.sql if node.operator == "=" else equal != right.sql)
        if left.type == "bool":
            raise self._where.error(node, f"{node.operator} does not compare truth values")
        first = left.sql if _is_sql(left.sql) else sa.literal(left.sql)
        return sa.and_(_ORDER[node.operator](first, right.sql))

    def _null_test(self, node: Comparison) -> sa.ColumnElement[bool]:
        if node.operator not in ("=", "!="):
            raise self._where.error(node, f"{node.operator} cannot compare with NULL; use = NULL or != NULL")
        other = node.right if isinstance(node.left, Identifier) and _is_null(node.left) else node.left
        column = self._value(other).sql
        if not _is_sql(column):
            raise self._where.error(node, "only a column can be compared with NULL")
        return sa.and_(column.is_(None) if node.operator == "=" else column.is_not(None))

    def _membership(self, node: In) -> sa.ColumnElement[bool]:
        operand = self._value(node.operand)
        column = operand.sql if _is_sql(operand.sql) else sa.literal(operand.sql)
        conditions: list[sa.ColumnElement[bool]] = []
        plain: list[Any] = []
        for item in node.items:
            if isinstance(item, Range):
                if operand.type != "int":
                    raise self._where.error(item, "a range is compared with an integer")
                within = column.between(item.start, item.stop)
                if item.step > 1:
                    within = sa.and_(within, (column - item.start) % item.step == 0)
                conditions.append(within)
            elif isinstance(item, Identifier) and _is_null(item):
                conditions.append(column.is_(None))
            else:
                for value in self._items(item):
                    self._require_same_type(operand, value, item)
                    plain.append(value.sql)
        if plain or not conditions:
            conditions.append(column.in_(plain))
        found = sa.or_(*conditions)
        return sa.not_(found) if node.negated else found

    def _items(self, item: Any) -> list[_Value]:
        """Return the values of an item of IN; a bound list gives several."""
        if isinstance(item, Bind | Identifier):
            bound = self._where.bind.get(item.name)
            if isinstance(bound, Iterable) and not isinstance(bound, str | bytes):
                return [self._constant(value, item) for value in bound]
        return [self._value(item)]

    def _value(self, node: Any) -> _Value:
        match node:
            case Literal(value=value):
                return _Value(value, type(value).__name__, node)
            case TimeLiteral(text=text):
                return _Value(self._time(text, node), "datetime", node)
            case Bind(name=name):
                return self._constant(self._bound(node, name), node)
            case Identifier(name=name) if name in self._where.bind:
                return self._constant(self._where.bind[name], node)
            case Identifier():
                return self._column(node)
            case Unary(sign=sign, operand=operand):
                number = self._value(operand)
                if number.type not in _NUMBERS:
                    raise self._where.error(node, f"{sign} needs a number")
                return _Value(-number.sql if sign == "-" else number.sql, number.type, node)
        raise self._where.error(node, f"a {type(node).__name__} has no value in a comparison here")

    def _column(self, node: Identifier) -> _Value:
        element, column = self._where._resolve(node, self._known)
        if column in UNIVERSE.names:
            key = UNIVERSE[column].key
            return _Value(self._columns.dimension(column), key.type.__name__ if key else "str", node)
        sql = self._columns.element_field(element, column)
        if column.startswith("timespan_"):
            return _Value(sql, "datetime", node)
        types = {f.name: f.type.__name__ for f in UNIVERSE[element].fields}
        if column not in types:
            raise self._where.error(node, f"{node.name} can only be used with OVERLAPS")
        return _Value(sql, types[column], node)

    def _constant(self, value: Any, node: Node) -> _Value:
        """Return a bound value with its type."""
        plain = value.item() if hasattr(value, "item") and not hasattr(value, "tai") else value
        if hasattr(plain, "tai"):
            return _Value(time_to_ns(plain), "datetime", node)
        if isinstance(plain, bool | int | float | str):
            return _Value(plain, type(plain).__name__, node)
        raise self._where.error(node, f"cannot use {value!r} in a comparison; bind a number, text or time")

    def _bound(self, node: Node, name: str) -> Any:
        if name not in self._where.bind:
            hint = did_you_mean(name, self._where.bind) or "; bind it"
            raise self._where.error(node, f"no value is bound to {name!r}{hint}")
        return self._where.bind[name]

    def _time(self, text: str, node: Node) -> int:
        """Read ``[format/]value[/scale]``; ISO-like formats are UTC unless they say otherwise."""
        from astropy.time import Time

        parts = text.split("/")
        scale = parts.pop() if len(parts) > 1 and parts[-1].lower() in Time.SCALES else None
        style = parts.pop(0).lower() if len(parts) > 1 else None
        value: Any = "/".join(parts)
        try:
            number = float(value) if "." in value and ":" not in value else None
        except ValueError:
            number = None
        utc_styles = ("iso", "isot", "fits", "yday", "unix")
        try:
            if number is not None or style in ("mjd", "jd"):
                style, value = style or "mjd", float(value)
            default = "utc" if style is None or style in utc_styles else "tai"
            return time_to_ns(Time(value, format=style, scale=scale or default))
        except ValueError as error:
            raise self._where.error(node, f"cannot read the time {text!r}: {error}") from error

    def _require_same_type(self, left: _Value, right: _Value, node: Node) -> None:
        if left.type != right.type and not (left.type in _NUMBERS and right.type in _NUMBERS):
            raise self._where.error(node, f"cannot compare {_named(left)} with {_named(right)}")


def _named(value: _Value) -> str:
    words = {"int": "an integer", "float": "a number", "str": "a text", "bool": "a truth value"}
    what = words.get(value.type, f"a {value.type}")
    if isinstance(value.node, Identifier | Bind):
        return f"{value.node.name} ({what})"
    return f"{value.sql!r} ({what})"


def _is_null(node: Node) -> bool:
    return isinstance(node, Identifier) and node.name.upper() == "NULL"


def _is_sql(value: Any) -> bool:
    return isinstance(value, sa.ColumnElement)
