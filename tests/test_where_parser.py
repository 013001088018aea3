"""The `where` language: text to tree, and what is said about text that has no tree."""

from __future__ import annotations

import dataclasses
import time
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.errors import InvalidQueryError
from butler.registry.expression import (
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
    children,
    walk,
)
from butler.registry.parser import (
    MAX_EXPRESSION_LENGTH,
    MAX_NESTING_DEPTH,
    MAX_OPEN_PARENTHESES,
    parse_expression,
    syntax_error,
)


def equal(left: str, right: int | float | str) -> Comparison:
    return Comparison("=", Identifier(left), Literal(right))


def assert_parses(text: str, expected: Expression | None) -> None:
    """Compare with repr as well, since Python calls 1 and 1.0 equal."""
    tree = parse_expression(text)
    assert tree == expected
    assert repr(tree) == repr(expected)


name = Identifier
DETECTOR = Identifier("detector")
ONE, TWO, THREE = Literal(1), Literal(2), Literal(3)
A, B, C = name("a"), name("b"), name("c")
SPAN, REGION = name("visit.timespan"), name("visit.region")
POINT = Call("POINT", (Literal(0.35935), Literal(1.07325)))

LSST_EXAMPLES: list[tuple[str, Expression | None]] = [
    ("", None), (" \t\n", None), ("detector=1", equal("detector", 1)),
    ("1<detector", Comparison("<", ONE, DETECTOR)), ("detector!=1", Comparison("!=", DETECTOR, ONE)),
    ("detector=1.0", equal("detector", 1.0)), ("detector=1.5", equal("detector", 1.5)),
    ("detector=1.", equal("detector", 1.0)), ("detector=.5", equal("detector", 0.5)),
    ("detector=1e0", equal("detector", 1.0)), ("detector=1.5E-2", equal("detector", 0.015)),
    ("detector=01", equal("detector", 1)),
    ("detector IN (1..4:2)", In(DETECTOR, (Range(1, 4, 2),), False)),
    ("detector IN (1\n..\t9 : 12)", In(DETECTOR, (Range(1, 9, 12),), False)),
    ("detector IN (-1..2)", In(DETECTOR, (Range(-1, 2, 1),), False)),
    ("detector IN (-3..-2,- 1, +1)", In(DETECTOR, (Range(-3, -2, 1), Literal(-1), Literal(1)), False)),
    ("detector IN (1..99999999999)", In(DETECTOR, (Range(1, 99999999999, 1),), False)),
    ("detector IN (1,'x')", In(DETECTOR, (ONE, Literal("x")), False)),
    ("detector NOT IN (1..3)", In(DETECTOR, (Range(1, 3, 1),), True)),
    ("NOT detector IN (1..3)", Not(In(DETECTOR, (Range(1, 3, 1),), False))),
    ("detector in (1, null)", In(DETECTOR, (ONE, name("null")), False)),
    ("a IN (b, UUID('x'), T'20')", In(A, (B, Call("UUID", (Literal("x"),)), TimeLiteral("20")), False)),
    ("NOT NOT detector=1", Not(Not(equal("detector", 1)))), ("not(detector=1)", Not(equal("detector", 1))),
    ("detector % 2 = 1", Comparison("=", Binary("%", DETECTOR, TWO), ONE)),
    ("detector + 1.5 > 3", Comparison(">", Binary("+", DETECTOR, Literal(1.5)), THREE)),
    ("-detector < -2", Comparison("<", Unary("-", DETECTOR), Unary("-", TWO))),
    ("--detector = 1", Comparison("=", Unary("-", Unary("-", DETECTOR)), ONE)),
    ("detector -1 = 2", Comparison("=", Binary("-", DETECTOR, ONE), TWO)),
    ("detector=1 --c", Comparison("=", DETECTOR, Binary("-", ONE, Unary("-", C)))),
    ("detector.raft < 'B'", Comparison("<", name("detector.raft"), Literal("B"))),
    ("GLOB(detector.full_name,'?a')", Call("GLOB", (name("detector.full_name"), Literal("?a")))),
    ("detector.full_name = ''", equal("detector.full_name", "")),
    ("detector != NULL", Comparison("!=", DETECTOR, name("NULL"))), ("1=1", Comparison("=", ONE, ONE)),
    ("''", Literal("")), ("detector", DETECTOR), ("TRUE", name("TRUE")),
    ("detector=1 AND v.time > 50", And((equal("detector", 1), Comparison(">", name("v.time"), Literal(50))))),
    ("a=1 and b=0 aNd c=0", And((equal("a", 1), equal("b", 0), equal("c", 0)))),
    ("detector=:d", Comparison("=", DETECTOR, Bind("d"))),
    ("detector IN (:l, 4)", In(DETECTOR, (Bind("l"), Literal(4)), False)),
    ("detector = :in", Comparison("=", DETECTOR, Bind("in"))),
    ("v.timespan.begin >= T'2021-09-09 03:01:30/tai'",
     Comparison(">=", name("v.timespan.begin"), TimeLiteral("2021-09-09 03:01:30/tai"))),
    ("a > t'59466'", Comparison(">", A, TimeLiteral("59466"))),
    ("visit.timespan OVERLAPS T'2021:252'", Comparison("OVERLAPS", SPAN, TimeLiteral("2021:252"))),
    ("a OVERLAPS (T'x', T'y')", Comparison("OVERLAPS", A, Pair(TimeLiteral("x"), TimeLiteral("y")))),
    ("(null,null) overlaps visit.timespan", Comparison("OVERLAPS", Pair(name("null"), name("null")), SPAN)),
    ("visit.region OVERLAPS POINT(0.35935,1.07325)", Comparison("OVERLAPS", REGION, POINT)),
    ("point(0.35935,1.07325) OVERLAPS visit.region", Comparison("OVERLAPS", POINT, REGION)),
    ("a OVERLAPS REGION('RANGE')", Comparison("OVERLAPS", A, Call("REGION", (Literal("RANGE"),)))),
    ("a OVERLAPS CIRCLE(2,-1)", Comparison("OVERLAPS", A, Call("CIRCLE", (TWO, Unary("-", ONE))))),
    ("a OVERLAPS Box(1+1, 0)", Comparison("OVERLAPS", A, Call("BOX", (Binary("+", ONE, ONE), Literal(0))))),
    ("NOT (visit.region OVERLAPS POLYGON())", Not(Comparison("OVERLAPS", REGION, Call("POLYGON", ())))),
    ("in.x = not.or.and", Comparison("=", name("in.x"), name("not.or.and"))),
    ("NOT.5 < a", Not(Comparison("<", Literal(0.5), A))), ("(a=1) = b", Comparison("=", equal("a", 1), B)),
]  # fmt: skip

EXTENSIONS: list[tuple[str, Expression | None]] = [
    ("a == 1", equal("a", 1)), ("a <> 1", Comparison("!=", A, ONE)), ('a = "x\'y"', equal("a", "x'y")),
    ("a = 'x\"y'", equal("a", 'x"y')), ("a = 'it''s'", equal("a", "it's")), ("a = ''''", equal("a", "'")),
    ('a = ""', equal("a", "")), ('a < T"2020-01-01"', Comparison("<", A, TimeLiteral("2020-01-01"))),
    ("detector BETWEEN 1 AND 2 AND band='g'", And((Between(DETECTOR, ONE, TWO, False), equal("band", "g")))),
    ("a not between b+1 and -c", Between(A, Binary("+", B, ONE), Unary("-", C), True)),
    ("a BETWEEN 1 AND 2 OR b BETWEEN 2 AND 3",
     Or((Between(A, ONE, TWO, False), Between(B, TWO, THREE, False)))),
    ("detector.full_name LIKE 'A_'", Like(name("detector.full_name"), Literal("A_"), None, False)),
    ("a NOT LIKE '5!%' ESCAPE '!'", Like(A, Literal("5!%"), "!", True)),
    ("a LIKE '%' ESCAPE ''''", Like(A, Literal("%"), "'", False)),
    ("a like :p escape \"\\\"", Like(A, Bind("p"), "\\", False)), ("a like b", Like(A, B, None, False)),
    ("visit.azimuth IS NULL", IsTest(name("visit.azimuth"), "NULL", False)),
    ("a IS TRUE AND b IS NOT FALSE", And((IsTest(A, "TRUE", False), IsTest(B, "FALSE", True)))),
    ("(a = 1) IS NULL", IsTest(equal("a", 1), "NULL", False)),
    ("between = like", Comparison("=", name("between"), name("like"))),
    ("between between :between and like", Between(name("between"), Bind("between"), name("like"), False)),
    ("like like like escape '!'", Like(name("like"), name("like"), "!", False)),
    ("is is null or escape", Or((IsTest(name("is"), "NULL", False), name("escape")))),
    ("detector IN :list", In(DETECTOR, (Bind("list"),), False)),
    ("detector NOT IN:list and a", And((In(DETECTOR, (Bind("list"),), True), A))), ("a;", A), (" a ; \n", A),
    (";", None), ("a\r\n=\r1", equal("a", 1)),
    ("a OVERLAPS (b.begin, b.end)", Comparison("OVERLAPS", A, Pair(name("b.begin"), name("b.end")))),
    ("a IN (b.timespan)", In(A, (name("b.timespan"),), False)),
    ("a IN ((T'x', NULL))", In(A, (Pair(TimeLiteral("x"), name("NULL")),), False)),
]  # fmt: skip

PRECEDENCE: list[tuple[str, str]] = [
    ("a=1 OR b=2 AND c=3", "a=1 OR (b=2 AND c=3)"), ("a=1 AND b=2 OR c=3", "(a=1 AND b=2) OR c=3"),
    ("NOT a=1 AND b=2", "(NOT (a=1)) AND b=2"), ("a=1 OR NOT b=2 OR c=3", "a=1 OR (NOT (b=2)) OR c=3"),
    ("NOT a IN (1) OR b", "(NOT (a IN (1))) OR b"),
    ("NOT a BETWEEN 1 AND 2 AND b", "(NOT (a BETWEEN 1 AND 2)) AND b"),
    ("a - b - c = 1", "((a - b) - c) = 1"), ("a / b * c % 2 = 1", "(((a / b) * c) % 2) = 1"),
    ("a + b * c < 1", "(a + (b * c)) < 1"), ("-a * b + c = 1", "(((-a) * b) + c) = 1"),
    ("a - -b = 1", "(a - (-b)) = 1"), ("a + 1 IN (1)", "(a + 1) IN (1)"),
    ("a + 1 IS NULL", "(a + 1) IS NULL"), ("a BETWEEN 1 + 2 AND 3 * b", "a BETWEEN (1 + 2) AND (3 * b)"),
    ("a OVERLAPS b OR c", "(a OVERLAPS b) OR c"), ("a AND (b AND c)", "a AND b AND c"),
    ("((a OR b) OR c) OR (a OR b)", "a OR b OR c OR a OR b"),
]  # fmt: skip

REJECTED = [
    "detector IN (4..1)", "detector IN (1..4:0)", "detector IN (1..4:02)", "detector IN ()",
    "detector IN (1,)", "detector IN (1+1)", "detector IN ((1))", "detector IN 1", "detector IN [1, 2]",
    "detector IN (1 2)", "detector = 1..2", "1 < detector < 3", "a = b = c", "a IN (1) = b",
    "a IS NULL IS NULL", "a OVERLAPS b OVERLAPS c", "a = NOT b", "and = 1", "a AND", "AND a", "a b", "a 1",
    "a.b(1)", "a . b", "a. b", "a.b.c.d", ".a", "a = 'x", 'a = "x', "'''", "T 'x' 'y'", "a = T'x", "(a",
    "a)", "(a, b", "(a, b, c)", "()", "f(1,)", "f(,)", "a = : b", "a = :1", "a = 1x", "0x1F = a", "a ORb",
    "aOR b", "a = 1 && b = 2", "a || b", "a = b = = c", "!a", "a =< 1", "a NOT 1", "a NOT = 1",
    "a BETWEEN 1", "a BETWEEN 1 OR 2", "a BETWEEN (1, 2", "a LIKE", "a LIKE 1", "a LIKE 'x' ESCAPE",
    "a LIKE 'x' ESCAPE 'ab'", "a LIKE 'x' ESCAPE ''", "a IS", "a IS 1", "a IS NOT", "a IS b", "a ILIKE 'x'",
    "a;;", "a; b", "; a", "a # b", "a\f= 1", "a\v= 1", "a\xa0= 1", "a = \u0661", "\u0131n", "\u017f = 1",
    "a \u0131n (1)", "a = \u2018x\u2019", "a\x00", "\ud800", "+", "*", "a +", "--", ",", "a, b", "a = {1}",
    "a[1]", "a = 1 ? 2 : 3",
]  # fmt: skip

SLIPS: list[tuple[str, int, str]] = [
    ("a = 'x AND b = 1", 4, "never closed"), ('a = "x', 4, "never closed"), ("a = T'x", 5, "never closed"),
    ("a = 'x AND b = 'y'", 16, "quote"), ("a = (1 + (2 * 3)", 4, "never closed"),
    ("a = ')' AND (b = '('", 12, "never closed"), ("a = 1)", 5, "no '('"), ("1 < x < 3", 6, "BETWEEN"),
    ("a = 1 && b = 2", 6, "write AND"), ("a = 1 || b = 2", 6, "write OR"), ("!a", 0, "write NOT"),
    ("a = 1 b = 2", 6, "operator is missing"), ("a IN [1, 2]", 5, "parentheses"), ("a = 1..5", 6, "IN list"),
    ("a = 1 .. 5", 6, "IN list"), ("a IN (1 + 1)", 8, "bind"), ("a IN ()", 6, "IN :name"),
    ("a IN (1..4:0)", 10, "positive integer"), ("a IN (1, 4..1)", 9, "backwards"),
    ("a.b.c.d = 1", 5, "one to three parts"), ("a = 1; b = 2", 7, "one expression"),
    ("and = 1", 0, "reserved"), ("a ILIKE 'x'", 2, "no ILIKE"), ("a = \u201cx\u201d", 4, "straight"),
    ("a LIKE 'x' ESCAPE 'ab'", 18, "one character"), ("a =  ", 3, "unexpected end"),
    ("a IS 1", 5, "NULL, TRUE, FALSE or NOT"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), LSST_EXAMPLES)
def test_lsst_language(text: str, tree: Expression | None) -> None:
    """What LSST's grammar accepts has the tree that LSST's precedence gives it."""
    assert_parses(text, tree)


@pytest.mark.parametrize(("text", "tree"), EXTENSIONS)
def test_extensions(text: str, tree: Expression | None) -> None:
    """Our additions parse, and their keywords stay usable as names."""
    assert_parses(text, tree)


@pytest.mark.parametrize(("text", "bracketed"), PRECEDENCE)
def test_precedence(text: str, bracketed: str) -> None:
    """An expression means what its fully parenthesised form means."""
    tree = parse_expression(bracketed)
    assert tree is not None
    assert_parses(text, tree)


@pytest.mark.parametrize("text", REJECTED)
def test_rejected(text: str) -> None:
    """A syntax error is an InvalidQueryError whose caret points into the shown line."""
    with pytest.raises(InvalidQueryError) as caught:
        parse_expression(text)
    _, line, caret = str(caught.value).split("\n")[:3]
    assert caret.strip() == "^"
    assert len(caret) <= max(len(line), 4) + 2
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("text", "position", "hint"), SLIPS)
def test_error_says_where_and_what_to_do(text: str, position: int, hint: str) -> None:
    """The caret stands below the culprit, and the common slips have a remedy in the message."""
    with pytest.raises(InvalidQueryError) as caught:
        parse_expression(text)
    lines = str(caught.value).split("\n")
    assert lines[1] == "    " + text.rstrip()
    assert lines[2] == " " * (4 + position) + "^"
    assert hint in str(caught.value)


def test_syntax_error_layout() -> None:
    """Message, line, caret and hint stand in this order; only the offending line is shown."""
    error = syntax_error("a = 1\nAND\tb = 2\nOR c", 10, "no field b", "use d")
    assert str(error) == "no field b (line 2, column 5)\n    AND b = 2\n        ^\nhint: use d"
    assert str(syntax_error("", 0, "empty")) == "empty (line 1, column 1)\n\n    ^"


@pytest.mark.parametrize("position", [0, 30, 61, 150, 939, 999, 1000])
def test_syntax_error_of_long_line(position: int) -> None:
    """Of a long line the part around the position is shown, with the caret still in place."""
    text = "".join(chr(ord("a") + i % 26) for i in range(1000))
    _, line, caret = str(syntax_error(text, position, "x")).split("\n")
    assert len(line) <= 110
    column = caret.index("^")
    assert line[column:].removesuffix("...")[:5] == text[position:][:5]
    assert line.endswith("...") == (position < 960)


def test_positions() -> None:
    """Each node knows where its text starts; parentheses around it do not count."""
    text = "NOT (x.y + :b) * -2 IN (1..3, - 4) OR f((g, T'1')) LIKE 'p' AND h IS NULL OR i BETWEEN 1 AND j"
    tree = parse_expression(text)
    assert tree is not None
    starts = [f"{type(node).__name__} {text[node.position :].split(maxsplit=1)[0]}" for node in walk(tree)]
    assert starts == [
        "Or NOT", "Not NOT", "In x.y", "Binary x.y", "Binary x.y", "Identifier x.y", "Bind :b)", "Unary -2",
        "Literal 2", "Range 1..3,", "Literal -", "And f((g,", "Like f((g,", "Call f((g,", "Pair (g,",
        "Identifier g,", "TimeLiteral T'1'))", "Literal 'p'", "IsTest h", "Identifier h", "Between i",
        "Identifier i", "Literal 1", "Identifier j",
    ]  # fmt: skip


def test_nodes_are_values() -> None:
    """Position is no part of a node's identity, and nodes cannot be changed."""
    tree = parse_expression("  a")
    assert tree == A
    assert tree is not None
    assert (tree.position, hash(tree)) == (2, hash(A))
    assert not hasattr(tree, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        tree.position = 0  # type: ignore[misc]


def test_children_and_walk() -> None:
    """Children are direct; walk goes down first, from left to right."""
    tree = And((Not(A), In(B, (Range(1, 2, 1), C), False)))
    assert list(children(tree)) == list(tree.operands)
    assert list(children(A)) == []
    assert list(walk(tree)) == [tree, Not(A), A, tree.operands[1], B, Range(1, 2, 1), C]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def render(node: Node) -> str:
    """Write a tree with parentheses around every operand that is not a single word."""
    match node:
        case Literal() | TimeLiteral() | Identifier() | Bind() | Range():
            text = render_leaf(node)
        case Unary(sign, operand):
            text = sign + enclosed(operand)
        case Call(function, arguments):
            text = f"{function}({', '.join(render(argument) for argument in arguments)})"
        case Pair(first, second):
            text = f"({render(first)}, {render(second)})"
        case Binary(operator, left, right) | Comparison(operator, left, right):
            text = f"{enclosed(left)} {operator} {enclosed(right)}"
        case Not(operand):
            text = f"NOT {enclosed(operand)}"
        case And(operands) | Or(operands):
            text = f" {type(node).__name__.upper()} ".join(enclosed(operand) for operand in operands)
        case In() | Between() | Like() | IsTest():
            text = f"{enclosed(node.operand)} {render_test(node)}"
        case _:
            raise AssertionError(node)
    return text


def render_leaf(node: Literal | TimeLiteral | Identifier | Bind | Range) -> str:
    match node:
        case Literal(value):
            return quoted(value) if isinstance(value, str) else repr(value).replace("inf", "1e999")
        case TimeLiteral(text):
            return "T" + quoted(text)
        case Identifier(text):
            return text
        case Bind(text):
            return ":" + text
        case Range(start, stop, step):
            return f"{start}..{stop}:{step}"


def render_test(node: In | Between | Like | IsTest) -> str:
    negation = "NOT " if node.negated else ""
    match node:
        case In(_, items):
            return f"{negation}IN ({', '.join(render(item) for item in items)})"
        case Between(_, low, high):
            return f"{negation}BETWEEN {enclosed(low)} AND {enclosed(high)}"
        case Like(_, pattern, escape):
            clause = "" if escape is None else f" ESCAPE {quoted(escape)}"
            return f"{negation}LIKE {render(pattern)}{clause}"
        case IsTest(_, constant):
            return f"IS {negation}{constant}"


def enclosed(node: Node) -> str:
    text = render(node)
    return text if isinstance(node, Literal | Identifier | Bind | Pair | Call) else f"({text})"


PLAIN_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
SIMPLE_NAMES = st.sampled_from(["a", "t", "e1", "between", "LIKE", "is", "null", "TRUE", "escape", "ini"]) | (
    PLAIN_NAMES.filter(lambda text: text.upper() not in {"AND", "OR", "NOT", "IN", "OVERLAPS"})
)
IDENTIFIERS = st.lists(SIMPLE_NAMES, min_size=1, max_size=3).map(lambda parts: Identifier(".".join(parts)))
BINDS = SIMPLE_NAMES.map(Bind)
STRINGS = st.text(max_size=8).map(Literal)
NUMBERS = st.one_of(st.integers(0), st.floats(0).map(abs)).map(Literal)
TIMES = st.text(max_size=8).map(TimeLiteral)
RANGES = st.tuples(st.integers(-99, 99), st.integers(0, 99), st.integers(1, 99)).map(
    lambda r: Range(r[0], r[0] + r[1], r[2])
)
LEAVES = st.one_of(STRINGS, NUMBERS, TIMES, IDENTIFIERS, BINDS)


def branches(nodes: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    flag = st.booleans()
    calls = st.builds(Call, SIMPLE_NAMES.map(str.upper), st.lists(nodes, max_size=3).map(tuple))
    pairs = st.builds(Pair, nodes, nodes)
    signed = st.integers(-9, -1).map(Literal)
    items = st.one_of(STRINGS, NUMBERS, signed, TIMES, IDENTIFIERS, BINDS, RANGES, calls, pairs)

    def chain(kind: type[And | Or]) -> st.SearchStrategy[And | Or]:
        terms = nodes.map(lambda node: Not(node) if isinstance(node, kind) else node)
        return st.builds(kind, st.lists(terms, min_size=2, max_size=4).map(tuple))

    return st.one_of(
        calls,
        pairs,
        st.builds(Unary, st.sampled_from("+-"), nodes),
        st.builds(Binary, st.sampled_from("+-*/%"), nodes, nodes),
        st.builds(Comparison, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "OVERLAPS"]), nodes, nodes),
        st.builds(In, nodes, st.lists(items, min_size=1, max_size=3).map(tuple), flag),
        st.builds(Between, nodes, nodes, nodes, flag),
        st.builds(Like, nodes, STRINGS | BINDS | IDENTIFIERS, st.none() | st.characters(), flag),
        st.builds(IsTest, nodes, st.sampled_from(["NULL", "TRUE", "FALSE"]), flag),
        st.builds(Not, nodes),
        chain(And),
        chain(Or),
    )


TREES = st.recursive(LEAVES, branches, max_leaves=12)


@given(TREES)
@settings(deadline=None, max_examples=400)
def test_round_trip(tree: Expression) -> None:
    """Any tree, written out, is read back as itself, with every position inside the text."""
    text = render(tree)
    assert_parses(text, tree)
    parsed = parse_expression(text)
    assert parsed is not None
    assert all(0 <= node.position < len(text) for node in walk(parsed))


def tree_or_error(text: str) -> Expression | InvalidQueryError | None:
    try:
        return parse_expression(text)
    except InvalidQueryError as error:
        return error


@given(TREES, st.integers(0, 99), st.integers(0, 4))
@settings(deadline=None, max_examples=150)
def test_damaged_expression(tree: Expression, start: int, length: int) -> None:
    """Leaving a piece out of an expression gives another expression or a clean error."""
    text = render(tree)
    start %= len(text)
    tree_or_error(text[:start] + text[start + length :])


WORDS = """
AND OR NOT IN OVERLAPS BETWEEN LIKE ESCAPE IS NULL TRUE a a.b T T' ' '' " 'x' "y" 1 1. .5 1e3 1e .. 1..3 :2 :n
: = == != <> < <= > >= + - * / % ( ) , ; . ! & | [ ] { } # ~ \\ \u00e9 \u0661 \x00
"""
TOKENS = st.sampled_from([*WORDS.split(), " ", "\t", "\n", "\r"])


@given(st.lists(TOKENS | st.characters(), max_size=60), st.sampled_from(["", " "]))
@settings(deadline=None, max_examples=700)
def test_garbage(tokens: list[str], blank: str) -> None:
    """Whatever the text, the outcome is a tree, None or an InvalidQueryError."""
    text = blank.join(tokens)[:300]
    result = tree_or_error(text)
    if isinstance(result, Node):
        assert parse_expression(render(result)) == result
    assert result is not None or text.strip(" \t\r\n;") == ""


N = 100_000
HUGE_NONSENSE = [
    "(" * N, ")" * N, "(" * (N // 2) + "a" + ")" * (N // 2 - 1), "(" * 1000, "(a OR " * (N // 7), "F(" * 999,
    "F(" * 999 + "1" + ")" * 999, "(a AND (b OR " * 490 + "c" + "))" * 490, "NOT " * (N // 4) + "a",
    "-" * N, "-" * N + "1", "1+" * (N // 2) + "1", "'" * (N + 1), '"' * (N + 1), "T'" * (N // 2), "1" * N,
    "a IN (1.." + "9" * N + ")", "1 " * (N // 2), "." * N, ":" * N, "a IN (1" + " " * N,
    "a IN (1.." + " " * N, "a" + "\n" * N + "#", "a = '" + "x" * N,
]  # fmt: skip
HUGE_EXPRESSIONS = [
    "a" * N, "'" * N, "(" * 1000 + "a" + ")" * 1000, "(a OR " * 1000 + "b" + ")" * 1000,
    "(" * 1000 + "a" + " OR b)" * 1000, "a IN (" + "1," * (N // 2) + "1)", " " * N + "a" + "\n" * N,
    "(a) OR " * (N // 10) + "'" + "(" * 2000 + "'",
]  # fmt: skip


@pytest.mark.parametrize("text", HUGE_NONSENSE, ids=lambda text: text[:12])
def test_huge_nonsense_fails_quickly(text: str) -> None:
    """Neither the recursion limit nor time is exhausted, and the message stays short."""
    start = time.perf_counter()
    with pytest.raises(InvalidQueryError) as caught:
        parse_expression(text)
    assert time.perf_counter() - start < 5.0
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", HUGE_EXPRESSIONS, ids=lambda text: text[:12])
def test_huge_expression_parses(text: str) -> None:
    """Size alone is no error."""
    start = time.perf_counter()
    assert parse_expression(text) is not None
    assert time.perf_counter() - start < 5.0


@pytest.mark.parametrize(("word", "kind"), [("OR", Or), ("AND", And)])
def test_long_chain_is_flat(word: str, kind: type[And | Or]) -> None:
    """Ten thousand terms make one node, in less than two seconds."""
    text = f" {word} ".join(f"a={i}" for i in range(10_000))
    parse_expression("a")
    start = time.perf_counter()
    tree = parse_expression(text)
    assert time.perf_counter() - start < 2.0
    assert tree == kind(tuple(equal("a", i) for i in range(10_000)))


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("NOT ", ""), ("-", ""), ("F(", ")"), ("1 - (", ")"), ("(1, ", ")")]
)
def test_nesting_limit(prefix: str, suffix: str) -> None:
    """A tree of exactly the allowed depth parses; one more level is refused by name."""
    depth = MAX_NESTING_DEPTH - 1
    assert parse_expression(prefix * depth + "a" + suffix * depth) is not None
    with pytest.raises(InvalidQueryError, match=f"more than {MAX_NESTING_DEPTH} deep"):
        parse_expression(prefix * (depth + 1) + "a" + suffix * (depth + 1))


def test_size_limits() -> None:
    """The longest allowed text parses, one more character is refused; so with open parentheses."""
    text = "a" + " " * (MAX_EXPRESSION_LENGTH - 1)
    assert parse_expression(text) == A
    with pytest.raises(InvalidQueryError, match=f"at most {MAX_EXPRESSION_LENGTH}"):
        parse_expression(text + " ")
    with pytest.raises(InvalidQueryError, match=f"more than {MAX_OPEN_PARENTHESES} open"):
        parse_expression("(" * (MAX_OPEN_PARENTHESES + 1) + "a" + ")" * (MAX_OPEN_PARENTHESES + 1))


def test_ordinary_expression_is_fast() -> None:
    """Thirty tokens take less than a millisecond once the grammar is loaded."""
    text = (
        "detector IN (1..4:2) AND visit.exposure_time > 30 * 2 AND (band = 'g' OR band = 'r') "
        "AND NOT x.y IS NULL AND t < T'2020-01-01'"
    )
    assert min(timeit.repeat(lambda: parse_expression(text), number=1, repeat=100)) < 1e-3
