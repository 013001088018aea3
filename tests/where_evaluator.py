"""A slow, obvious meaning of `where` expressions: a tree evaluated on one row, in three-valued logic."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from astropy.time import Time

from butler import Timespan
from butler.dimensions import time_to_ns
from butler.regions import SkyRegion
from butler.registry.expression import (
    And,
    Between,
    Binary,
    Bind,
    Call,
    Comparison,
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

__all__ = ["evaluate", "matches_glob", "matches_like", "unparse"]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}


def evaluate(node: Node, row: Mapping[str, Any], bind: Mapping[str, Any]) -> bool | None:
    """Return whether a condition holds for a row of values by name; None if that is unknown."""
    match node:
        case And(operands=operands):
            results = [evaluate(o, row, bind) for o in operands]
            return False if False in results else None if None in results else True
        case Or(operands=operands):
            results = [evaluate(o, row, bind) for o in operands]
            return True if True in results else None if None in results else False
        case Not(operand=operand):
            return negate(evaluate(operand, row, bind))
        case Comparison(operator="OVERLAPS", left=left, right=right):
            return overlaps(value_of(left, row, bind), value_of(right, row, bind))
        case Comparison(operator=sign, left=left, right=right):
            if Identifier("NULL") in (left, right):
                other = value_of(right if left == Identifier("NULL") else left, row, bind)
                return (other is None) == (sign == "=")
            return compare(sign, value_of(left, row, bind), value_of(right, row, bind))
        case Between(operand=operand, low=low, high=high, negated=negated):
            parts = And((Comparison(">=", operand, low), Comparison("<=", operand, high)))
            found = evaluate(parts, row, bind)
            return negate(found) if negated else found
        case In(operand=operand, items=items, negated=negated):
            value = value_of(operand, row, bind)
            results = [r for item in items for r in memberships(value, item, row, bind)]
            found = True if True in results else None if None in results else False
            return negate(found) if negated else found
        case Like(operand=operand, pattern=pattern, escape=escape, negated=negated):
            value, text = value_of(operand, row, bind), value_of(pattern, row, bind)
            found = None if value is None else matches_like(value, text, escape)
            return negate(found) if negated else found
        case Call(name="GLOB", arguments=(operand, pattern)):
            value, text = value_of(operand, row, bind), value_of(pattern, row, bind)
            # As in LSST, what anything fits is fitted by null, too.
            return True if text == "*" else None if value is None else matches_glob(value, text)
        case IsTest(operand=operand, constant=constant, negated=negated):
            return (value_of(operand, row, bind) is _CONSTANTS[constant]) != negated
        case Identifier(name=name):
            return row[name]
    raise TypeError(node)


def negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def compare(sign: str, left: Any, right: Any) -> bool | None:
    return None if left is None or right is None else _COMPARE[sign](left, right)


def memberships(value: Any, item: Node, row: Mapping[str, Any], bind: Mapping[str, Any]) -> list[bool | None]:
    """Return whether a value equals each of what an item of IN stands for."""
    if item == Identifier("NULL"):
        return [value is None]
    if isinstance(item, Range):
        inside = value is not None and value in range(item.start, item.stop + 1, item.step)
        return [None if value is None else inside]
    meant = value_of(item, row, bind)
    if isinstance(meant, tuple) or (meant is None and isinstance(value, int) and isinstance(item, Pair)):
        return [overlaps(value, meant)]
    return [compare("=", value, one) for one in (meant if isinstance(meant, list) else [meant])]


def overlaps(first: Any, second: Any) -> bool | None:
    """Return whether regions share a position, or times an instant; a time is a number, a span a tuple."""
    if first is None or second is None:
        return None
    if isinstance(first, SkyRegion):
        return first.overlaps(second)
    (b1, e1), (b2, e2) = ((x, x + 1) if isinstance(x, int) else x for x in (first, second))
    low, high = -(2**70), 2**70
    b1, b2 = (low if b is None else b for b in (b1, b2))
    e1, e2 = (high if e is None else e for e in (e1, e2))
    return max(b1, b2) < min(e1, e2)


def calculate(sign: str, left: Any, right: Any) -> Any:
    """Return what two numbers make; the remainder has the sign of the dividend, and zero divides nothing."""
    if left is None or right is None or (sign in "/%" and right == 0):
        return None
    if sign == "%":
        remainder = abs(left) % abs(right)
        return -remainder if left < 0 else remainder
    return {"+": left + right, "-": left - right, "*": left * right, "/": right and left / right}[sign]


def value_of(node: Node, row: Mapping[str, Any], bind: Mapping[str, Any]) -> Any:
    match node:
        case Literal(value=value):
            return value
        case Bind(name=name):
            return (
                (bind[name].begin_ns, bind[name].end_ns) if isinstance(bind[name], Timespan) else bind[name]
            )
        case TimeLiteral(text=text):
            return time_to_ns(Time(text.removesuffix("/tai"), scale="tai"))
        case Pair(first=first, second=second):
            ends = [value_of(end, row, bind) for end in (first, second)]
            given = [end for end in (first, second) if end != Identifier("NULL")]
            columns = [end for end in given if not isinstance(end, TimeLiteral)]
            if columns and all(value_of(end, row, bind) is None for end in columns):
                return None
            # As of a Timespan, two equal times make the shortest span.
            return ends[0], ends[1] + (not columns and None not in ends and ends[0] == ends[1]) if ends[
                1
            ] else None
        case Binary(operator=sign, left=left, right=right):
            return calculate(sign, value_of(left, row, bind), value_of(right, row, bind))
        case Call(name="CIRCLE", arguments=arguments):
            return SkyRegion.from_circle(*(float(value_of(a, row, bind)) for a in arguments))
        case Call(name="POINT", arguments=arguments):
            return SkyRegion.from_point(*(float(value_of(a, row, bind)) for a in arguments))
        case Unary(sign=sign, operand=operand):
            value = value_of(operand, row, bind)
            return value if value is None or sign == "+" else -value
        case Identifier(name=name):
            return _CONSTANTS[name] if name in _CONSTANTS else row[name]
    raise TypeError(node)


def matches_glob(text: str, pattern: str) -> bool:
    """Match ``*`` and ``?``, character by character."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(matches_glob(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and matches_glob(text[1:], pattern[1:])


def matches_like(text: str, pattern: str, escape: str | None = None) -> bool:
    """Match ``%`` and ``_``, character by character; what follows the escape character is itself."""
    if not pattern:
        return not text
    if pattern[0] == escape:
        return bool(text) and text[0] == pattern[1] and matches_like(text[1:], pattern[2:], escape)
    if pattern[0] == "%":
        return any(matches_like(text[i:], pattern[1:], escape) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and matches_like(text[1:], pattern[1:], escape)


def unparse(node: Node) -> str:
    """Return the text of a tree, with more parentheses than needed."""
    match node:
        case And(operands=operands) | Or(operands=operands):
            word = " AND " if isinstance(node, And) else " OR "
            return "(" + word.join(unparse(o) for o in operands) + ")"
        case Not(operand=operand):
            return f"(NOT {unparse(operand)})"
        case Comparison(operator=sign, left=left, right=right):
            return f"({unparse(left)} {sign} {unparse(right)})"
        case Between(operand=operand, low=low, high=high, negated=negated):
            return f"({unparse(operand)} {_not(negated)}BETWEEN {unparse(low)} AND {unparse(high)})"
        case In(operand=operand, items=items, negated=negated):
            return f"({unparse(operand)} {_not(negated)}IN ({', '.join(map(unparse, items))}))"
        case Like(operand=operand, pattern=pattern, escape=escape, negated=negated):
            end = "" if escape is None else f" ESCAPE {_quoted(escape)}"
            return f"({unparse(operand)} {_not(negated)}LIKE {unparse(pattern)}{end})"
        case IsTest(operand=operand, constant=constant, negated=negated):
            return f"({unparse(operand)} IS {_not(negated)}{constant})"
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(map(unparse, arguments))})"
        case Unary(sign=sign, operand=operand):
            return f"({sign} {unparse(operand)})"
        case Binary(operator=sign, left=left, right=right):
            return f"({unparse(left)} {sign} {unparse(right)})"
        case Pair(first=first, second=second):
            return f"({unparse(first)}, {unparse(second)})"
        case TimeLiteral(text=text):
            return f"T{_quoted(text)}"
        case Range(start=start, stop=stop, step=step):
            return f"{start}..{stop}:{step}"
        case Literal(value=value):
            return _quoted(value) if isinstance(value, str) else repr(value)
        case Bind(name=name):
            return f":{name}"
        case Identifier(name=name):
            return name
    raise TypeError(node)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
