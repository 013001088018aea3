"""Generated expressions: always the answer of the slow evaluator, or one clean error."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trust_scale
from where_evaluator import evaluate, unparse

from butler import Butler, Timespan
from butler.errors import InvalidQueryError
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

Record = Callable[[str, object], None]

HOUR = 3_600_000_000_000
BEGIN = 1_704_067_200_000_000_000  # 2024-01-01T00:00 TAI
TEXTS = ("M31", "m31", "", "a*b%", "it's [_]", "Äb", "g", "CAM-g", "\\", "a?")
CIRCLE = SkyRegion.from_circle(10.0, 0.0, 0.5)
BIND: dict[str, Any] = {
    "number": 2.0, "list": [1, 2.0, -3], "text": "M31", "texts": ["M33", "", "g"], "region": CIRCLE,
    "span": Timespan(BEGIN + HOUR, BEGIN + 3 * HOUR), "many": list(range(-700, 701, 2)),
}  # fmt: skip
COLUMNS = {
    "int": ["visit", "detector", "visit.seq_num", "exposure.seq_num"],
    "float": ["visit.exposure_time", "exposure.dark_time"],
    "str": ["band", "visit.target_name", "purpose", "visit.physical_filter"],
    "bool": ["exposure.can_see_sky"],
    "span": ["visit.timespan", "exposure.timespan"],
    "time": ["visit.timespan.begin", "exposure.timespan.end"],
    "region": ["visit.region"],
}
VISITS = range(8)


def visit_values(number: int) -> dict[str, Any]:
    """Return the fields of a visit and its exposure, nulls among them, drawn once and for all."""
    rng = random.Random(number)
    pick = lambda *choices: rng.choice(choices)  # noqa: E731
    begin = BEGIN + rng.randrange(5) * HOUR
    return {
        "visit.seq_num": pick(None, -3, 0, 2), "exposure.seq_num": pick(None, 1, 5),
        "visit.exposure_time": pick(None, 0.5, 30.0, -1.25, 0.0), "exposure.dark_time": pick(None, 2.0, 45.5),
        "visit.target_name": pick(None, *TEXTS), "exposure.can_see_sky": pick(None, True, False),
        "visit.physical_filter": pick("CAM-g", "CAM-r"),
        "visit.timespan": pick(None, (begin, begin + HOUR), (begin, begin + 3 * HOUR), (None, begin)),
        "exposure.timespan": pick(None, (begin, begin + 1), (begin, None)),
        "visit.region": pick(None, SkyRegion.from_circle(10.0 + number / 4, 0.0, 0.2), CIRCLE),
    }  # fmt: skip


@pytest.fixture(scope="module")
def varied(
    empty_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Butler, list[dict[str, Any]]]]:
    """Return a repository, and its rows over visit, exposure and detector."""
    root = tmp_path_factory.mktemp("fuzz") / "repository"
    shutil.copytree(empty_template, root)
    with Butler(root, writeable=True) as butler:
        insert = butler.registry.insertDimensionData
        camera = {"instrument": "CAM"}
        insert("instrument", {"name": "CAM"})
        insert("physical_filter", *[{**camera, "name": f"CAM-{band}", "band": band} for band in "gr"])
        insert("day_obs", {**camera, "id": 20240101})
        insert("group", {**camera, "name": "1"})
        insert("detector", *[{**camera, "id": d, "purpose": ("SCIENCE", None)[d]} for d in (0, 1)])
        rows = []
        for number in VISITS:
            values = visit_values(number)
            common = {**camera, "id": number, "day_obs": 20240101}
            common["physical_filter"] = values["visit.physical_filter"]
            for element in ("visit", "exposure"):
                own = {k.partition(".")[2]: v for k, v in values.items() if k.startswith(f"{element}.")}
                span = own["timespan"]
                own["timespan"] = None if span is None else Timespan(*span)
                insert(element, {**common, **own, **({"group": "1"} if element == "exposure" else {})})
            insert("visit_definition", {**camera, "visit": number, "exposure": number})
            ends = {
                f"{name}.{end}": None if values[name] is None else values[name][end == "end"]
                for name in COLUMNS["span"]
                for end in ("begin", "end")
            }
            band = values["visit.physical_filter"][-1]
            rows += [
                {
                    **values,
                    **ends,
                    "visit": number,
                    "band": band,
                    "detector": d,
                    "purpose": ("SCIENCE", None)[d],
                }
                for d in (0, 1)
            ]
        yield butler, rows


class Generator:
    """Draws trees that have the right types."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def condition(self, depth: int) -> Node:
        """Return a condition that has at most some levels of AND, OR, NOT."""
        kind = self.rng.random()
        if depth == 0 or kind < 0.4:
            return self.leaf()
        if kind < 0.55:
            return Not(self.condition(depth - 1))
        parts = tuple(self.condition(depth - 1) for _ in range(self.rng.choice((2, 2, 3))))
        return And(parts) if kind < 0.78 else Or(parts)

    def leaf(self) -> Node:
        rng = self.rng
        negated = rng.random() < 0.3
        match rng.choice(
            ("compare", "compare", "between", "in", "null", "like", "bool", "time", "region", "span")
        ):
            case "compare":
                kind = rng.choice(("number", "number", "str", "time"))
                sign = rng.choice(("=", "!=", "<", "<=", ">", ">="))
                return Comparison(sign, self.value(kind), self.value(kind))
            case "between":
                kind = rng.choice(("number", "str"))
                return Between(self.value(kind), self.value(kind), self.value(kind), negated)
            case "in":
                return self.membership(negated)
            case "null":
                column = self.column(rng.choice(("int", "float", "str", "span", "region", "time")))
                if rng.random() < 0.5:
                    return IsTest(column, "NULL", negated)
                return Comparison("!=" if negated else "=", column, Identifier("NULL"))
            case "like":
                pattern = "".join(rng.choice("aM31*%_?[b\\'Ä") for _ in range(rng.randrange(5)))
                if rng.random() < 0.5:
                    return Call("GLOB", (self.column("str"), Literal(pattern)))
                return Like(self.column("str"), Literal(pattern), rng.choice((None, "!")), negated)
            case "bool":
                column = self.column("bool")
                test = IsTest(column, rng.choice(("TRUE", "FALSE", "NULL")), negated)
                return rng.choice((column, test, Comparison("=", column, Identifier("FALSE"))))
            case "time":
                return Comparison("OVERLAPS", *rng.sample([self.value("time"), self.span()], 2))
            case "region":
                shape = rng.choice((self.circle(), Bind("region")))
                return Comparison("OVERLAPS", *rng.sample([self.column("region"), shape], 2))
        return Comparison("OVERLAPS", self.span(), self.span())

    def membership(self, negated: bool) -> Node:
        rng = self.rng
        kind = rng.choice(("int", "number", "str", "time"))
        items: list[Any] = []
        for _ in range(rng.randrange(1, 4)):
            match kind:
                case "int":
                    start = rng.randrange(-4, 8)
                    items.append(Range(start, start + rng.randrange(6), rng.randrange(1, 4)))
                case "number":
                    items.append(
                        rng.choice((Literal(rng.randrange(9)), Literal(0.5), Bind("list"), Bind("many")))
                    )
                case "str":
                    items.append(rng.choice((Literal(rng.choice(TEXTS)), Bind("texts"))))
                case "time":
                    items.append(
                        rng.choice((self.moment(), Bind("span"), Pair(self.moment(), self.moment())))
                    )
        if rng.random() < 0.2:
            items.append(Identifier("NULL"))
        operand = self.column(kind) if kind in COLUMNS else self.value(kind)
        return In(operand, tuple(items), negated)

    def column(self, kind: str) -> Identifier:
        return Identifier(self.rng.choice(COLUMNS[kind]))

    def moment(self) -> TimeLiteral:
        return TimeLiteral(f"2024-01-01 {self.rng.randrange(8):02}:{self.rng.choice(('00', '30'))}:00/tai")

    def circle(self) -> Node:
        center = Literal(self.rng.randrange(8, 14)), Literal(0)
        radius = self.rng.choice((Literal(0.25), Literal(2), Binary("/", Literal(1), Literal(2))))
        return self.rng.choice((Call("CIRCLE", (*center, radius)), Call("POINT", center)))

    def span(self) -> Node:
        if self.rng.random() < 0.4:
            return self.column("span")
        ends = [self.value("time") if self.rng.random() < 0.8 else Identifier("NULL") for _ in range(2)]
        return self.rng.choice((Bind("span"), Pair(*ends)))

    def value(self, kind: str, depth: int = 2) -> Node:
        rng = self.rng
        if kind == "time":
            return rng.choice((self.column("time"), self.moment()))
        if kind == "str":
            return rng.choice((self.column("str"), Literal(rng.choice(TEXTS)), Bind("text")))
        if depth and rng.random() < 0.4:
            sign = rng.choice("+-*/")
            return Binary(sign, self.value(kind, depth - 1), self.value(kind, depth - 1))
        if depth and rng.random() < 0.1:
            return Binary(
                "%", self.column("int"), rng.choice((Literal(3), Unary("-", Literal(2)), self.column("int")))
            )
        if depth and rng.random() < 0.1:
            return Unary(rng.choice("+-"), self.value(kind, depth - 1))
        numbers = (Literal(rng.randrange(6)), Literal(rng.choice((0.0, 0.5, 1.25, 30.0))), Bind("number"))
        return rng.choice((self.column("int"), self.column("float"), *numbers))


def answer(butler: Butler, where: str) -> set[tuple[int, int]]:
    ids = butler.query_data_ids(["visit", "exposure", "detector"], where=where, bind=BIND, explain=False)
    assert len(ids) == len(set(ids))
    return {(d["visit"], d["detector"]) for d in ids}


@pytest.mark.trust
def test_generated_expressions_agree_with_the_evaluator(
    varied: tuple[Butler, list[dict[str, Any]]], record_property: Record
) -> None:
    """The rows found are those for which the slow evaluation says True, with nulls and on the sky."""
    butler, rows = varied
    generator = Generator(trust_scale.SEED)
    found = 0
    total = trust_scale.count(sample=250, full=80_000)
    for _ in range(total):
        tree = generator.condition(3)
        where = unparse(tree)
        actual = answer(butler, where)
        expected = {(r["visit"], r["detector"]) for r in rows if evaluate(tree, r, BIND) is True}
        assert actual == expected, where
        found += len(expected)
    record_property("expressions", total)
    record_property("rows found", found)
    assert found > 0


@pytest.mark.trust
def test_broken_expressions_are_one_clean_error(
    varied: tuple[Butler, list[dict[str, Any]]], record_property: Record
) -> None:
    """Expressions with words lost, doubled or exchanged are answered, or refused by one kind of error."""
    butler, _ = varied
    generator = Generator(trust_scale.SEED + 1)
    rng = generator.rng
    refused = 0
    total = trust_scale.count(sample=250, full=30_000)
    for _ in range(total):
        words = (
            unparse(generator.condition(2))
            .replace("(", " ( ")
            .replace(")", " ) ")
            .replace(",", " , ")
            .split(" ")
        )
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(words))
            other = rng.choice(
                (rng.choice(words), "", "1", "'x'", "NULL", "visit.region", "..", ";", "--", "IN", "#")
            )
            words[place : place + rng.randrange(2)] = [other]
        try:
            answer(butler, "".join(words))
        except InvalidQueryError:
            refused += 1
    record_property("expressions", total)
    record_property("refused", refused)
    assert 0 < refused < total
