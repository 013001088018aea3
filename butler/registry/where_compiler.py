"""From the tree of a `where` expression to SQL, and to what SQL cannot say."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import sqlalchemy as sa

from ..dimensions import UNIVERSE, Field, time_to_ns
from ..errors import DataIdValueError, InvalidQueryError, did_you_mean
from ..regions import SkyRegion
from .expression import (
    And,
    Between,
    Binary,
    Bind,
    Call,
    Comparison,
    Expression,
    Identifier,
    In,
    IsTest,
    Like,
    Literal,
    Node,
    Not,
    Or,
    Pair,
    Range,
    TimeLiteral,
    Unary,
)
from .where import CONSTANTS, Where, is_constant

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["ColumnSource", "SpatialTerm", "compile_where"]

_ORDER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS: Final = ("int", "float")
_ORDERED: Final = (*_NUMBERS, "str", "datetime")
_MAX_CHAIN: Final = 300
"""Most conditions in one AND or OR of the SQL: databases limit the depth of a chain."""


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


def compile_where(
    where: Where, columns: ColumnSource, known: Iterable[str]
) -> tuple[list[sa.ColumnElement[bool]], list[SpatialTerm]]:
    """Return SQL conditions, and the spatial terms to be tested on exact regions.

    Parameters
    ----------
    where
        The condition.
    columns
        Where columns come from.
    known
        Elements of the query; a bare field name is looked for in them.

    Raises
    ------
    InvalidQueryError
        Raised for an unknown name, or types that do not go together.
    """
    return _WhereCompiler(where, columns, tuple(known)).conditions(where.terms)


class _WhereCompiler:
    """Compiles one expression against one set of columns.

    Parameters
    ----------
    where
        The expression and its binds.
    columns
        Where columns come from.
    known
        Elements of the query; a bare field name is looked for in them.
    """

    def __init__(self, where: Where, columns: ColumnSource, known: tuple[str, ...]) -> None:
        self._where = where
        self._columns = columns
        self._known = known

    def conditions(
        self, terms: Iterable[Expression]
    ) -> tuple[list[sa.ColumnElement[bool]], list[SpatialTerm]]:
        """Return SQL conditions, and the spatial terms to be tested on exact regions.

        Raises
        ------
        InvalidQueryError
            Raised for an unknown name, or types that do not go together.
        """
        plain: list[sa.ColumnElement[bool]] = []
        spatial: list[SpatialTerm] = []
        for term in terms:
            if isinstance(term, Comparison) and term.operator == "OVERLAPS":
                spatial.append(self._spatial_term(term))
            else:
                plain.append(self._predicate(term))
        return [_chain(sa.and_, "AND", plain)] if plain else [], spatial

    def _predicate(self, node: Expression) -> sa.ColumnElement[bool]:
        match node:
            case And(operands=operands):
                return _chain(sa.and_, "AND", [self._predicate(o) for o in operands])
            case Or(operands=operands):
                return _chain(sa.or_, "OR", [self._predicate(o) for o in operands])
            case Not(operand=operand):
                return sa.not_(self._predicate(operand))
            case Comparison():
                return self._comparison(node)
            case In():
                return self._membership(node)
            case Between(operand=operand, low=low, high=high, negated=negated):
                lower = Comparison(">=", operand, low, position=node.position)
                upper = Comparison("<=", operand, high, position=node.position)
                inside = sa.and_(self._comparison(lower), self._comparison(upper))
                return sa.not_(inside) if negated else inside
            case Like(operand=operand, negated=negated):
                matches = self._glob(operand, self._like_pattern(node))
                return sa.not_(matches) if negated else matches
            case Call(name="GLOB"):
                return self._glob_call(node)
            case IsTest():
                return self._is_test(node)
            case Identifier():
                value = self._value(node)
                if value.type == "bool" and _is_sql(value.sql):
                    return sa.and_(value.sql)
        raise self._where.error(node, "this is not a condition; compare it with something")

    def _spatial_term(self, node: Comparison) -> SpatialTerm:
        """Return the condition of ``element.region OVERLAPS shape``, in either order."""
        sides = [node.left, node.right]
        columns = [s for s in sides if isinstance(s, Identifier) and s.name not in self._where.bind]
        shapes = [s for s in sides if s not in columns]
        if len(columns) != 1 or len(shapes) != 1:
            raise self._where.error(node, "OVERLAPS here takes one region column and one region")
        element, column = self._where.resolve(columns[0], self._known)
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
            wanted = count if count is not None else "three or more ra, dec pairs of"
            raise self._where.error(node, f"{node.name} takes {wanted} numbers, not {len(numbers)}")
        try:
            return make(*numbers)
        except ValueError as error:
            raise self._where.error(node, str(error)) from error

    def _number(self, node: Expression) -> float:
        value = self._value(node)
        if value.type not in _NUMBERS or _is_sql(value.sql):
            raise self._where.error(node, "expected a number")
        return float(value.sql)

    def _comparison(self, node: Comparison) -> sa.ColumnElement[bool]:
        if node.operator == "OVERLAPS":
            raise self._where.error(node, "OVERLAPS can only be combined with AND")
        if self._is_null(node.left) or self._is_null(node.right):
            if node.operator not in ("=", "!="):
                raise self._where.error(
                    node, f"{node.operator} cannot compare with NULL; use = NULL or != NULL"
                )
            other = node.right if self._is_null(node.left) else node.left
            return self._is_test(IsTest(other, "NULL", node.operator == "!=", position=node.position))
        left, right = self._value(node.left), self._value(node.right)
        self._require_same_type(left, right, node)
        first = _as_sql(left.sql)
        if node.operator in ("=", "!="):
            return sa.and_(first == right.sql if node.operator == "=" else first != right.sql)
        if left.type not in _ORDERED:
            raise self._where.error(node, f"{node.operator} does not compare {_named(left)}")
        return sa.and_(_ORDER[node.operator](first, right.sql))

    def _is_test(self, node: IsTest) -> sa.ColumnElement[bool]:
        value = self._value(node.operand)
        if not _is_sql(value.sql):
            raise self._where.error(node, f"only a column can be {node.constant}")
        if node.constant != "NULL" and value.type != "bool":
            raise self._where.error(node, f"{_named(value)} is neither TRUE nor FALSE")
        constant = CONSTANTS[node.constant]
        return sa.and_(value.sql.is_not(constant) if node.negated else value.sql.is_(constant))

    def _membership(self, node: In) -> sa.ColumnElement[bool]:
        operand = self._value(node.operand)
        column = _as_sql(operand.sql)
        conditions: list[sa.ColumnElement[bool]] = []
        plain: list[Any] = []
        for item in node.items:
            if isinstance(item, Range):
                if operand.type != "int":
                    raise self._where.error(item, "a range is compared with an integer")
                first, last = (self._constant(end, item).sql for end in (item.start, item.stop))
                within: sa.ColumnElement[bool] = column.between(first, last)
                if item.step > 1:
                    step = self._constant(item.step, item).sql
                    within = sa.and_(within, (column - first) % step == 0)
                conditions.append(within)
            elif self._is_null(item):
                conditions.append(column.is_(None))
            else:
                for value in self._items(item):
                    self._require_same_type(operand, value, item)
                    plain.append(value.sql)
        if plain or not conditions:
            conditions.append(column.in_(plain))
        found = _chain(sa.or_, "OR", conditions)
        return sa.not_(found) if node.negated else found

    def _items(self, item: Any) -> list[_Value]:
        """Return the values of an item of IN; a bound list gives several."""
        if isinstance(item, Bind | Identifier):
            bound = self._where.bind.get(item.name)
            if bound is not None and _is_list(bound):
                return [self._constant(value, item) for value in bound]
        return [self._value(item)]

    def _glob_call(self, node: Call) -> sa.ColumnElement[bool]:
        if len(node.arguments) != 2:
            raise self._where.error(node, "write GLOB(column, 'pattern')")
        operand, pattern = node.arguments
        return self._glob(operand, self._text(pattern).replace("[", "[[]"))

    def _glob(self, operand: Expression, pattern: str) -> sa.ColumnElement[bool]:
        """Return whether a text matches a pattern of SQLite's GLOB."""
        value = self._value(operand)
        if value.type != "str":
            raise self._where.error(operand, f"a pattern is compared with a text, not {_named(value)}")
        matches: sa.ColumnElement[bool] = _as_sql(value.sql).bool_op("GLOB")(pattern)
        return matches

    def _like_pattern(self, node: Like) -> str:
        """Return the GLOB pattern of a LIKE pattern: LIKE itself ignores case on SQLite."""
        pattern, characters = [], iter(self._text(node.pattern))
        for character in characters:
            if character == node.escape:
                literal = next(characters, None)
                if literal is None:
                    raise self._where.error(node.pattern, "the pattern ends with its escape character")
                pattern.append(_glob_literal(literal))
            else:
                pattern.append({"%": "*", "_": "?"}.get(character) or _glob_literal(character))
        return "".join(pattern)

    def _text(self, node: Expression) -> str:
        value = self._value(node)
        if value.type != "str" or _is_sql(value.sql):
            raise self._where.error(node, "a pattern is a text or bound to one")
        return str(value.sql)

    def _value(self, node: Any) -> _Value:
        match node:
            case Literal(value=value):
                return self._constant(value, node)
            case TimeLiteral(text=text):
                return _Value(self._time(text, node), "datetime", node)
            case Bind(name=name):
                return self._constant(self._bound(node, name), node)
            case Identifier(name=name) if name in self._where.bind:
                return self._constant(self._where.bind[name], node)
            case Identifier(name=name) if is_constant(node):
                return self._constant(CONSTANTS[name.upper()], node)
            case Identifier():
                return self._column(node)
            case Unary(sign=sign, operand=operand):
                number = self._value(operand)
                if number.type not in _NUMBERS:
                    raise self._where.error(node, f"{sign} needs a number")
                return _Value(-number.sql if sign == "-" else number.sql, number.type, node)
            case Call(name=name):
                raise self._where.error(node, f"{name}() has no value that can be compared")
        what = {Binary: "arithmetic", Pair: "a time span"}.get(type(node), "a condition")
        raise self._where.error(node, f"{what} cannot stand here; write a name, a value or a :bind")

    def _column(self, node: Identifier) -> _Value:
        element, column = self._where.resolve(node, self._known)
        if element == column:
            key = UNIVERSE[column].key
            return _Value(self._columns.dimension(column), key.type.__name__ if key else "str", node)
        types = {f.name: f.type.__name__ for f in UNIVERSE[element].fields}
        types |= {"region": "region", "timespan_begin": "datetime", "timespan_end": "datetime"}
        return _Value(self._columns.element_field(element, column), types[column], node)

    def _constant(self, value: Any, node: Node) -> _Value:
        """Return a given value with its type."""
        plain = value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value
        if hasattr(plain, "tai"):
            return _Value(self._instant(plain, node), "datetime", node)
        if not isinstance(plain, bool | int | float | str):
            raise self._where.error(node, f"cannot compare with {value!r}; bind a number, text or time")
        kind = next(kind for kind in (bool, int, float, str) if isinstance(plain, kind))
        try:
            known = Field("", kind).coerce(plain, "a value in a condition")
        except DataIdValueError as error:
            raise self._where.error(node, str(error)) from None
        if known is None:
            raise self._where.error(node, "nothing can be compared with NaN")
        return _Value(known, kind.__name__, node)

    def _bound(self, node: Node, name: str) -> Any:
        if name not in self._where.bind:
            hint = did_you_mean(name, self._where.bind) or "; bind it"
            raise self._where.error(node, f"no value is bound to {name!r}{hint}")
        return self._where.bind[name]

    def _time(self, text: str, node: Node) -> int:
        """Read ``[format/]value[/scale]``; ISO-like formats are UTC unless they say otherwise."""
        from astropy.time import Time

        parts = text.split("/")
        scale = parts.pop().lower() if len(parts) > 1 and parts[-1].lower() in Time.SCALES else None
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
            time = Time(value, format=style, scale=scale or default)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise self._where.error(node, f"cannot read the time {text!r}: {reason}") from error
        return self._instant(time, node)

    def _instant(self, time: Time, node: Node) -> int:
        """Return a time as nanoseconds."""
        try:
            return int(self._constant(time_to_ns(time), node).sql)
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InvalidQueryError):
                raise
            raise self._where.error(node, f"cannot use the time {time}: {error}") from error

    def _is_null(self, node: Any) -> bool:
        """Tell whether a node is NULL; a list that is bound to that name has precedence."""
        is_null = isinstance(node, Identifier) and node.name.upper() == "NULL"
        return is_null and not _is_list(self._where.bind.get(node.name))

    def _require_same_type(self, left: _Value, right: _Value, node: Node) -> None:
        if left.type != right.type and not (left.type in _NUMBERS and right.type in _NUMBERS):
            raise self._where.error(node, f"cannot compare {_named(left)} with {_named(right)}")


def _chain(
    join: Callable[..., sa.ColumnElement[bool]], word: str, conditions: Sequence[sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool]:
    """Join conditions with AND or OR, in halves if they are many."""
    if len(conditions) <= _MAX_CHAIN:
        return join(*conditions)
    half = len(conditions) // 2
    first, second = (_chain(join, word, part) for part in (conditions[:half], conditions[half:]))
    # With the highest precedence the operands keep their parentheses.
    return first.bool_op(word, precedence=100)(second)


def _named(value: _Value) -> str:
    words = {"int": "an integer", "float": "a number", "str": "a text", "bool": "a truth value"}
    what = words.get(value.type, f"a {value.type}")
    if isinstance(value.node, Identifier | Bind):
        return f"{value.node.name} ({what})"
    return f"{value.sql!r} ({what})"


def _is_list(value: Any) -> bool:
    """Tell whether a bound value stands for several; numpy and astropy scalars have the shape ()."""
    return isinstance(value, Iterable) and not isinstance(value, str) and getattr(value, "shape", None) != ()


def _is_sql(value: Any) -> bool:
    return isinstance(value, sa.ColumnElement)


def _as_sql(value: Any) -> sa.ColumnElement[Any]:
    return value if isinstance(value, sa.ColumnElement) else sa.literal(value)


def _glob_literal(character: str) -> str:
    """Return the pattern of SQLite's GLOB that matches one character."""
    return f"[{character}]" if character in "*?[" else character
