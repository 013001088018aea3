"""From conditions to SQL that every database understands."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.functions import FunctionElement

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
from .schema import UNBOUNDED

__all__ = ["ColumnSource", "all_of", "compile_condition", "sql_type"]

_Sql = sa.ColumnElement[Any]
_Predicate = sa.ColumnElement[bool]

_TYPES: Final[Mapping[ValueType, sa.types.TypeEngine[Any]]] = {
    "int": sa.BigInteger(),
    "float": sa.Double(),
    "str": sa.String(),
    "bool": sa.Boolean(),
    "datetime": sa.BigInteger(),
    "uuid": sa.LargeBinary(),
    "region": sa.LargeBinary(),
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_CHAIN: Final = 300
"""Most conditions in one AND or OR of the SQL: databases limit the depth of a chain."""


class ColumnSource(Protocol):
    """What gives the compiler its columns and values."""

    def column(self, column: Column) -> _Sql:
        """Return a column."""

    def constant(self, constant: Constant) -> _Sql:
        """Return the place of a value."""

    def listed(self, constant: Constant) -> sa.Select[Any]:
        """Return the query of the values of a long list."""

    def overlap(self, condition: RegionsOverlap) -> _Predicate:
        """Return whether regions overlap."""


def sql_type(kind: ValueType) -> sa.types.TypeEngine[Any]:
    """Return how a database keeps values of a type."""
    return _TYPES[kind]


def compile_condition(condition: Condition, source: ColumnSource) -> _Predicate:
    """Return the SQL of a condition.

    Parameters
    ----------
    condition
        The condition.
    source
        Where columns and values come from.
    """
    match condition:
        case Known(value=value):
            return sa.cast(sa.null(), sa.Boolean) if value is None else (sa.true() if value else sa.false())
        case AllOf(parts=parts):
            return _chain(sa.and_, "AND", [compile_condition(part, source) for part in parts])
        case AnyOf(parts=parts):
            return _chain(sa.or_, "OR", [compile_condition(part, source) for part in parts])
        case Negated(part=part):
            return sa.not_(compile_condition(part, source))
        case Compared(operator=sign, left=left, right=right):
            return sa.and_(_COMPARE[sign](_scalar(left, source), _scalar(right, source)))
        case Member():
            return _member(condition, source)
        case InSteps(operand=operand, first=first, last=last, step=step):
            number, begin = _scalar(operand, source), source.constant(first)
            within = number.between(begin, source.constant(last))
            return sa.and_(within, (number - begin) % source.constant(step) == 0)
        case Matched(operand=operand, pattern=pattern):
            return _matches(_scalar(operand, source), source.constant(pattern))
        case IsNull(operand=tested):
            ends = _ends(tested, source) if isinstance(tested, Span) else (_scalar(tested, source),)
            return sa.and_(*[end.is_(None) for end in ends if end is not None])
        case IsTruth(operand=operand, value=truth):
            return source.column(operand).is_(truth)
        case Truth(operand=operand):
            return sa.and_(source.column(operand))
        case RegionsOverlap():
            return source.overlap(condition)
        case RegionsEqual(first=first, second=second):
            return sa.and_(_scalar(first, source) == _scalar(second, source))
    return _of_times(condition, source)


def all_of(conditions: Sequence[_Predicate]) -> _Predicate:
    """Return whether all conditions hold, however many there are."""
    return _chain(sa.and_, "AND", conditions) if conditions else sa.true()


def _of_times(condition: SpansOverlap | SpansEqual | InSpan, source: ColumnSource) -> _Predicate:
    match condition:
        case SpansOverlap(first=first, second=second):
            one, two = _ends(first, source), _ends(second, source)
            within = [_before(one[0], two[1]), _before(two[0], one[1])]
            within += [
                _before(*ends) for span, ends in ((first, one), (second, two)) if _may_hold_nothing(span)
            ]
            return _unless_unknown([first, second], sa.and_(sa.true(), *within), source)
        case InSpan(instant=instant, span=span):
            time, (begin, end) = _scalar(instant, source), _ends(span, source)
            within = [time >= begin] if begin is not None else []
            within += [time < end] if end is not None else []
            # A bound that is null is no bound.
            checks = [
                sa.or_(check, side.is_(None))
                for check, side in zip(within, [s for s in (begin, end) if s is not None], strict=True)
            ]
            return _unless_unknown([span], sa.and_(time.is_not(None), *checks), source, time)
        case SpansEqual(first=first, second=second):
            one, two = _ends(first, source), _ends(second, source)
            if _is_validity(first) or _is_validity(second):
                one, two = _limited(one), _limited(two)
            same = [_same(a, b) for a, b in zip(one, two, strict=True)]
            return _unless_unknown([first, second], sa.and_(*same), source)


def _unless_unknown(
    spans: Sequence[Span], condition: _Predicate, source: ColumnSource, *scalars: _Sql
) -> _Predicate:
    """Return a condition that is unknown if a span is, or a scalar."""
    tests: list[_Predicate] = [scalar.is_(None) for scalar in scalars]
    for span in spans:
        columns = [e for e in (span.begin, span.end) if e is not None and not isinstance(e, Constant)]
        if columns and not _is_validity(span):
            tests.append(sa.and_(*[_scalar(column, source).is_(None) for column in columns]))
    if not tests:
        return condition
    return sa.case((sa.not_(sa.or_(*tests)), condition), else_=sa.cast(sa.null(), sa.Boolean)) == sa.true()


def _ends(span: Span, source: ColumnSource) -> tuple[_Sql | None, _Sql | None]:
    begin, end = (None if e is None else _scalar(e, source) for e in (span.begin, span.end))
    return begin, end


def _may_hold_nothing(span: Span) -> bool:
    """Tell whether a span may run backwards: it is given, or a pair with columns, not one that is stored."""
    match span:
        case Span(begin=None) | Span(end=None):
            return False
        case Span(begin=Column() as begin, end=Column() as end):
            stored = begin.name == "timespan_begin" and end.name == "timespan_end"
            return begin.owner != end.owner or not stored
    return True


def _is_validity(span: Span) -> bool:
    """Tell whether a span is that of datasets, whose columns are never null."""
    return isinstance(span.begin, Column) and span.begin.of_dataset


def _limited(ends: tuple[_Sql | None, _Sql | None]) -> tuple[_Sql, _Sql]:
    """Return the ends of a span with the numbers that validities have in place of null."""
    limits: list[_Sql] = [sa.literal_column(str(limit)) for limit in (-UNBOUNDED, UNBOUNDED)]
    begin, end = (x if e is None else sa.func.coalesce(e, x) for e, x in zip(ends, limits, strict=True))
    return begin, end


def _before(begin: _Sql | None, end: _Sql | None) -> _Predicate:
    """Return whether a bound lies before another; null, like None, is none."""
    if begin is None or end is None:
        return sa.true()
    return sa.or_(begin < end, begin.is_(None), end.is_(None))


def _same(first: _Sql | None, second: _Sql | None) -> _Predicate:
    if first is None or second is None:
        given = first if second is None else second
        return sa.true() if given is None else given.is_(None)
    return first.is_not_distinct_from(second)


def _scalar(scalar: Scalar, source: ColumnSource) -> _Sql:
    match scalar:
        case Constant():
            return source.constant(scalar)
        case Column():
            return source.column(scalar)
        case Minus(operand=operand):
            return -_scalar(operand, source)
        case Arithmetic(operator=sign, left=left, right=right):
            first, second = _scalar(left, source), _scalar(right, source)
            match sign:
                case "+":
                    return first + second
                case "-":
                    return first - second
                case "*":
                    return first * second
                case "/":
                    return sa.cast(first, sa.Double) / sa.func.nullif(sa.cast(second, sa.Double), 0.0)
            return first % sa.func.nullif(second, 0)


def _member(condition: Member, source: ColumnSource) -> _Predicate:
    operand = _scalar(condition.operand, source)
    found: list[_Predicate] = []
    if condition.items or condition.listed is None:
        found.append(operand.in_([_scalar(item, source) for item in condition.items]))
    if condition.listed is not None:
        found.append(operand.in_(source.listed(condition.listed)))
    return sa.or_(*found)


class _matches(FunctionElement[bool]):  # noqa: N801
    """Whether a text fits a pattern, heeding upper and lower case."""

    type = sa.Boolean()
    name = "matches"
    inherit_cache = True


@compiles(_matches)
def _like(element: _matches, compiler: SQLCompiler, **kwargs: Any) -> str:
    text, pattern = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '\\')"


@compiles(_matches, "sqlite")
def _glob(element: _matches, compiler: SQLCompiler, **kwargs: Any) -> str:
    # SQLite's LIKE ignores case.
    text, pattern = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"({text} GLOB {pattern})"


def _chain(join: Callable[..., _Predicate], word: str, conditions: Sequence[_Predicate]) -> _Predicate:
    """Join conditions with AND or OR, in halves if they are many."""
    if len(conditions) <= _MAX_CHAIN:
        return join(*conditions)
    half = len(conditions) // 2
    first, second = (_chain(join, word, part) for part in (conditions[:half], conditions[half:]))
    # With the highest precedence the operands keep their parentheses; the whole needs its own.
    return Grouping(first.bool_op(word, precedence=100)(second))
