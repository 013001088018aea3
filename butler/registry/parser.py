"""From the text of a `where` expression to its tree."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from functools import cache, lru_cache

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken

from ..errors import InvalidQueryError
from .expression import (
    And,
    Between,
    Binary,
    BinaryOperator,
    Bind,
    Call,
    Comparison,
    ComparisonOperator,
    Constant,
    Expression,
    Identifier,
    In,
    IsTest,
    Item,
    Like,
    Literal,
    Node,
    Not,
    Or,
    Pair,
    Range,
    Sign,
    TimeLiteral,
    Unary,
    children,
)

__all__ = [
    "MAX_EXPRESSION_LENGTH",
    "MAX_NESTING_DEPTH",
    "MAX_OPEN_PARENTHESES",
    "parse_expression",
    "syntax_error",
]

MAX_EXPRESSION_LENGTH = 250_000
"""Longest text that is parsed, in characters."""

MAX_NESTING_DEPTH = 30
"""Deepest tree that is returned, in nodes from the root to a leaf.

SQLite's own parser may have a stack of only 100 entries, room for some thirty open parentheses, and
the recursion of whoever reads the tree has its limit too. AND and OR chains are flat, so only arithmetic
and alternation go deep.
"""

MAX_OPEN_PARENTHESES = 1000
"""Most parentheses that may be open at once, redundant ones included; keeps parsing time linear."""

_REMEMBERED_LENGTH = 1000
"""Longest expression whose tree is kept."""

_SHOWN_COLUMNS = 100
_SHOWN_BEFORE = 60

_COMPARISONS: dict[str, ComparisonOperator] = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "OVERLAPS": "OVERLAPS",
}

_TERMINAL_WORDS = {
    "NUMBER": "a number",
    "STRING": "a string",
    "NAME": "a name",
    "BIND": "a :bind",
    "RANGE": "a range",
    "LPAR": "'('",
    "COMPARISON": "a comparison operator",
    "SCALE": "an arithmetic operator",
    "_IN": "IN",
    "_BETWEEN": "BETWEEN",
    "_LIKE": "LIKE",
    "_IS": "IS",
    "_ESCAPE": "ESCAPE",
    "CONSTANT": "NULL, TRUE, FALSE",
    "NOT": "NOT",
    "_AND": "AND",
    "_OR": "OR",
    "COMMA": "','",
    "RPAR": "')'",
    "$END": "the end",
}
_OPERANDS = {"NUMBER", "STRING", "TIME", "NAME", "QUALIFIED", "BIND", "LPAR"}
_RESERVED = {"_AND", "_OR", "NOT", "_IN"}
_PREDICATES = {"COMPARISON", "NOT", "_IN", "_BETWEEN", "_LIKE", "_IS"}

_CHARACTER_HINTS = {
    "&": "write AND",
    "|": "write OR",
    "!": "write NOT, or != between two values",
    ".": "a name has one to three parts, without blanks around the dots",
    "[": "a list stands in parentheses, as in IN (1, 2, 3)",
    ":": "a bind is a colon directly before a name, and the step of a range a positive integer",
    **dict.fromkeys("\u2018\u2019\u201c\u201d", "write straight quotes, ' or \""),
    **dict.fromkeys("'\"", "this quote is never closed; inside '...' write '' for one quote"),
}


def parse_expression(text: str) -> Expression | None:
    """Parse a `where` expression.

    Parameters
    ----------
    text
        The expression; one ``;`` may end it.

    Returns
    -------
    tree
        The expression, or `None` for a blank text, which is true everywhere.

    Raises
    ------
    InvalidQueryError
        Raised if the text is not an expression, or is longer than `MAX_EXPRESSION_LENGTH` or deeper
        than `MAX_NESTING_DEPTH`.

    Notes
    -----
    Names, types, function names and the contents of time literals are not looked at.
    """
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _parse(text)


def _parse(text: str) -> Expression | None:
    _check_size(text)
    try:
        tree = typing.cast("Expression | None", _parser().parse(text))
    except UnexpectedInput as error:
        raise _diagnosis(text, error) from None
    except _MisuseError as error:
        raise syntax_error(text, error.position, error.message) from None
    if tree is not None:
        _check_depth(text, tree)
    return tree


# Scripts ask the same again and again, with other binds.
_remembered = lru_cache(maxsize=256)(_parse)


def syntax_error(text: str, position: int, message: str, hint: str = "") -> InvalidQueryError:
    """Make the error that shows what is wrong with an expression, and where.

    Parameters
    ----------
    text
        The whole expression.
    position
        0-based offset of the offending character, or the length of the text for its end.
    message
        What was got and what was allowed.
    hint
        What to do about it, if that can be said.

    Returns
    -------
    error
        The error, to be raised by the caller. Its message has the line (a part of it, if it is long)
        with a caret below the position.
    """
    line_start = text.rfind("\n", 0, position) + 1
    line = text[line_start:].split("\n", 1)[0]
    column = position - line_start
    window = max(0, column - _SHOWN_BEFORE) if len(line) > _SHOWN_COLUMNS else 0
    prefix = "..." if window else ""
    suffix = "..." if window + _SHOWN_COLUMNS < len(line) else ""
    # A tab or another control character would put the caret in the wrong place.
    shown = "".join(c if c.isprintable() else " " for c in line[window : window + _SHOWN_COLUMNS])
    rows = [
        f"{message} (line {text.count(chr(10), 0, line_start) + 1}, column {column + 1})",
        f"    {prefix}{shown}{suffix}".rstrip(),
        f"    {' ' * (len(prefix) + column - window)}^",
    ]
    if hint:
        rows.append(f"hint: {hint}")
    return InvalidQueryError("\n".join(rows))


class _MisuseError(Exception):
    """Something that the grammar cannot forbid; becomes an `InvalidQueryError` once the text is at hand."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


@cache
def _parser() -> Lark:
    return Lark.open(
        "where.lark",
        rel_to=__file__,
        parser="lalr",
        transformer=_TreeBuilder(),
        g_regex_flags=re.ASCII,
    )


@v_args(inline=True)
class _TreeBuilder(Transformer[Token, "Expression | None"]):
    """Makes the nodes, from the leaves up; the methods are named for the rules of the grammar."""

    def start(self, expression: Expression | None) -> Expression | None:
        return expression

    def disjunction(self, *operands: Expression) -> Or:
        return Or(_flat(Or, operands), position=operands[0].position)

    def conjunction(self, *operands: Expression) -> And:
        return And(_flat(And, operands), position=operands[0].position)

    def negation(self, keyword: Token, operand: Expression) -> Not:
        return Not(operand, position=_start(keyword))

    def comparison(self, left: Expression, operator: Token, right: Expression) -> Comparison:
        return Comparison(_COMPARISONS[operator.upper()], left, right, position=left.position)

    def membership(self, operand: Expression, negation: Token | None, *items: Item) -> In:
        return In(operand, items, negation is not None, position=operand.position)

    def between(
        self, operand: Expression, negation: Token | None, low: Expression, high: Expression
    ) -> Between:
        return Between(operand, low, high, negation is not None, position=operand.position)

    def like(
        self,
        operand: Expression,
        negation: Token | None,
        pattern: Literal | Bind | Identifier,
        escape: Token | None,
    ) -> Like:
        character = None if escape is None else _one_character(escape)
        return Like(operand, pattern, character, negation is not None, position=operand.position)

    def is_test(self, operand: Expression, negation: Token | None, constant: Token) -> IsTest:
        what = typing.cast(Constant, constant.upper())
        return IsTest(operand, what, negation is not None, position=operand.position)

    def binary(self, left: Expression, operator: Token, right: Expression) -> Binary:
        return Binary(typing.cast(BinaryOperator, str(operator)), left, right, position=left.position)

    def unary(self, sign: Token, operand: Expression) -> Unary:
        return Unary(typing.cast(Sign, str(sign)), operand, position=_start(sign))

    def number(self, token: Token) -> Literal:
        return Literal(_number(token), position=_start(token))

    def signed_number(self, sign: Token | None, token: Token) -> Literal:
        value = _number(token)
        first = token if sign is None else sign
        return Literal(-value if sign == "-" else value, position=_start(first))

    def string(self, token: Token) -> Literal:
        return Literal(_unquote(token), position=_start(token))

    def time(self, token: Token) -> TimeLiteral:
        return TimeLiteral(_unquote(token[1:]), position=_start(token))

    def range_item(self, token: Token) -> Range:
        first, _, rest = token.partition("..")
        last, _, stride = rest.partition(":")
        start, stop, step = (_integer(part, token) for part in (first, last, stride or "1"))
        if stop < start:
            raise _MisuseError(_start(token), "range that runs backwards; its first must not exceed its last")
        return Range(start, stop, step, position=_start(token))

    def identifier(self, token: Token) -> Identifier:
        return Identifier(str(token), position=_start(token))

    def bind(self, token: Token) -> Bind:
        return Bind(token[1:], position=_start(token))

    def call(self, name: Token, *arguments: Expression) -> Call:
        return Call(name.upper(), arguments, position=_start(name))

    def pair(self, parenthesis: Token, first: Expression, second: Expression) -> Pair:
        return Pair(first, second, position=_start(parenthesis))


def _flat(kind: type[And | Or], operands: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """Merge nested nodes of one kind; both connectives are associative, also with NULL."""
    flat: list[Expression] = []
    for operand in operands:
        if isinstance(operand, kind):
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    return tuple(flat)


def _start(token: Token) -> int:
    return typing.cast(int, token.start_pos)


def _number(token: Token) -> int | float:
    return _integer(token, token) if token.isdigit() else float(token)


def _integer(digits: str, token: Token) -> int:
    try:
        return int(digits)
    except ValueError:  # Python's limit on digits: conversion takes quadratic time
        raise _MisuseError(
            _start(token), f"integer of {len(digits.strip())} digits; that is too long"
        ) from None


def _unquote(quoted: str) -> str:
    text = quoted[1:-1]
    return text.replace("''", "'") if quoted[0] == "'" else text


def _one_character(quoted: Token) -> str:
    text = _unquote(quoted)
    if len(text) != 1:
        raise _MisuseError(_start(quoted), f"ESCAPE of {len(text)} characters; it must be one character")
    return text


def _check_size(text: str) -> None:
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise syntax_error(
            text,
            MAX_EXPRESSION_LENGTH,
            f"expression of {len(text)} characters; at most {MAX_EXPRESSION_LENGTH} are allowed",
            "bind a long list and write IN :name",
        )
    if text.count("(") > MAX_OPEN_PARENTHESES:
        opened = _open_parentheses(text)
        if len(opened) > MAX_OPEN_PARENTHESES:
            raise syntax_error(text, opened[-1], f"more than {MAX_OPEN_PARENTHESES} open parentheses")


def _check_depth(text: str, tree: Node) -> None:
    level = [tree]
    for _ in range(MAX_NESTING_DEPTH):
        level = [child for node in level for child in children(node)]
        if not level:
            return
    raise syntax_error(
        text,
        level[0].position,
        f"expression nested more than {MAX_NESTING_DEPTH} deep",
        "remove repeated NOT and signs, and join conditions as a AND b AND c; such chains have no limit",
    )


def _diagnosis(text: str, error: UnexpectedInput) -> InvalidQueryError:
    """Turn a failure of the parser into an error with expected tokens and a hint."""
    find_allowed: Callable[[], set[str]] = error.interactive_parser.accepts
    allowed = find_allowed()
    kind = error.token.type if isinstance(error, UnexpectedToken) else ""
    words = ", ".join(word for terminal, word in _TERMINAL_WORDS.items() if terminal in allowed)
    expected = "expected " + " or ".join(words.rsplit(", ", 1))
    if kind == "$END":
        opened = _open_parentheses(text)
        if opened:
            return syntax_error(text, opened[-1], f"this '(' is never closed; at the end, {expected}")
        return syntax_error(text, len(text.rstrip()), f"unexpected end of the expression; {expected}")
    position = error.pos_in_stream or 0
    found = str(error.token) if isinstance(error, UnexpectedToken) else text[position]
    shown = found if len(found) <= 30 else found[:27] + "..."
    hint = _hint(text, position, kind, allowed)
    return syntax_error(text, position, f"unexpected {shown!r}; {expected}", hint)


def _open_parentheses(text: str) -> list[int]:
    """Return the offsets of the parentheses open at the end, or where there are first too many."""
    opened: list[int] = []
    for match in re.finditer(r"""'[^']*'|"[^"]*"|[()]""", text):
        if match[0] == "(":
            opened.append(match.start())
            if len(opened) > MAX_OPEN_PARENTHESES:
                break
        elif match[0] == ")" and opened:
            opened.pop()
    return opened


def _hint(text: str, position: int, kind: str, allowed: set[str]) -> str:
    """Guess what was meant.

    Parameters
    ----------
    text
        The expression.
    position
        Where it went wrong.
    kind
        The terminal found there; empty if there is none.
    allowed
        The terminals that could have stood there.
    """
    after_operand = "_OR" in allowed
    near = text[max(0, position - 1) : position + 2]
    rules = (
        (".." in near, "a range of integers, 1..5 or 1..9:2, can only be an item of an IN list"),
        (not kind, _CHARACTER_HINTS.get(text[position], "")),
        (allowed == {"$END"} and kind != "RPAR", "write one expression only; join two with AND"),
        (
            allowed == {"COMMA", "RPAR"} and kind in {"SIGN", "SCALE", "COMPARISON"},
            "an IN list holds plain values, names, binds, calls and ranges; bind a computed value",
        ),
        (
            kind == "RPAR" and "RANGE" in allowed and text[:position].rstrip().endswith("("),
            "bind an empty list and write IN :name",
        ),
        (kind == "RPAR" and "NUMBER" not in allowed, "there is no '(' for it"),
        (
            after_operand and kind in _PREDICATES,
            "comparisons do not chain: write x BETWEEN 1 AND 3, or join two with AND",
        ),
        (
            after_operand and re.match(r"ILIKE\b", text[position : position + 6], re.IGNORECASE),
            "there is no ILIKE; LIKE and GLOB heed upper and lower case",
        ),
        (
            after_operand and kind in _OPERANDS and text.count("'") % 2,
            "a quote is not closed, or an operator is missing",
        ),
        (after_operand and kind in _OPERANDS, "an operator is missing before it, perhaps AND"),
        (kind in _RESERVED and "NUMBER" in allowed, "AND, OR, NOT, IN and OVERLAPS are reserved words"),
    )
    return next((hint for applies, hint in rules if applies), "")
