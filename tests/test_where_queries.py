"""What `where` expressions find: LSST's examples, random ones against a slow evaluator, and clear errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_homes import RegistryHome
from small_repository import DETECTORS, VISITS
from where_evaluator import evaluate, unparse

from butler import Butler, Timespan
from butler.errors import InvalidQueryError
from butler.regions import SkyRegion
from butler.registry.expression import (
    And,
    Between,
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
    Range,
    Unary,
)

pytestmark = pytest.mark.both_databases

# The examples of LSST's documentation, with two visits and four detectors.


@pytest.fixture(scope="module")
def cam1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    """Return a repository with the records that LSST's examples are about."""
    root = tmp_path_factory.mktemp("cam1")
    Butler.makeRepo(root)
    butler = Butler(root, writeable=True)
    insert = butler.registry.insertDimensionData
    camera = {"instrument": "Cam1"}
    insert("instrument", {"name": "Cam1"})
    for band in ("g", "r"):
        insert("physical_filter", {**camera, "name": f"Cam1-{band.upper()}", "band": band})
    for number, name in enumerate(("Aa", "Ab", "Ba", "Bb"), start=1):
        purpose = "WAVEFRONT" if number == 4 else "SCIENCE"
        insert("detector", {**camera, "id": number, "full_name": name, "raft": name[0], "purpose": purpose})
    insert("day_obs", {**camera, "id": 20210909})
    for number, seconds in ((1, 60.0), (2, 45.0)):
        begin = Time(f"2021-09-09T03:0{2 * number - 2}:00", scale="tai")
        span = Timespan(begin, Time(f"2021-09-09T03:0{2 * number - 1}:00", scale="tai"))
        values = {"name": str(number), "physical_filter": "Cam1-G", "day_obs": 20210909, "timespan": span}
        insert("visit", {**camera, **values, "id": number, "exposure_time": seconds})
    yield butler
    butler.close()


def found(butler: Butler, dimension: str, where: str, bind: dict[str, Any] | None = None) -> list[int]:
    ids = butler.query_data_ids(dimension, where=where, bind=bind, explain=False)
    assert len(set(ids)) == len(ids)
    return [int(data_id[dimension]) for data_id in ids]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", [1, 2, 3, 4]),
        ("detector=1", [1]), ("1<detector", [2, 3, 4]), ("detector!=1", [2, 3, 4]),
        ("detector=1.0", [1]), ("detector=1.5", []), ("detector=.5", []), ("detector=1e0", [1]),
        ("detector=01", [1]), ("detector==1", [1]), ("detector <> 1", [2, 3, 4]),
        ("detector IN (1..4:2)", [1, 3]), ("detector IN (1 .. 3)", [1, 2, 3]),
        ("detector IN (1..3, 4)", [1, 2, 3, 4]), ("detector IN (-1..2)", [1, 2]),
        ("detector IN (1..1)", [1]), ("detector IN (1..99999999999)", [1, 2, 3, 4]),
        ("detector NOT IN (1..3)", [4]), ("NOT detector IN (1..3)", [4]),
        ("detector IN (1, null)", [1]), ("detector IN (null)", []),
        ("detector=1 OR detector=2 AND detector=3", [1]), ("NOT detector=1 AND detector=2", [2]),
        ("detector=1 OR NOT detector=2", [1, 3, 4]), ("NOT NOT detector=1", [1]),
        ("not(detector=1)", [2, 3, 4]), ("-detector < -2", [3, 4]), ("--detector = 1", [1]),
        ("purpose='SCIENCE'", [1, 2, 3]), ("purpose='wavefront'", []), ('purpose="SCIENCE"', [1, 2, 3]),
        ("detector.raft < 'B'", [1, 2]), ("full_name IN ('Aa','Ba')", [1, 3]),
        ("GLOB(detector.full_name,'?a')", [1, 3]), ("glob(full_name,'a*')", []),
        ("GLOB(full_name,'[AB]a')", []), ("GLOB(full_name, :p)", [1, 2]),
        ("detector.full_name LIKE 'A_'", [1, 2]), ("full_name LIKE 'a_'", []),
        ("full_name NOT LIKE '%a'", [2, 4]), ("full_name LIKE :p", []),
        ("detector.full_name = ''", []), ("detector != NULL", [1, 2, 3, 4]), ("detector = null", []),
        ("1=1", [1, 2, 3, 4]), ("band='g'", [1, 2, 3, 4]), ("NOT band='g'", [1, 2, 3, 4]),
        ("band='R'", []), ("detector=1 AND visit.exposure_time > 50", [1]),
        ("detector=:d", [2]), ("detector = d", [2]), ("detector IN (:l)", [1, 2]),
        ("detector IN (:l, 4)", [1, 2, 4]), ("detector NOT IN (:e)", [1, 2, 3, 4]),
        ("detector IN :l", [1, 2]), ("detector IN (:array)", [1, 3]), ("detector IN (:floats)", [1]),
        ("detector BETWEEN 1 AND 2 AND band='g'", [1, 2]), ("detector NOT BETWEEN 2 AND 3", [1, 4]),
        ("name_in_raft IS NULL", [1, 2, 3, 4]), ("detector.instrument = 'Cam1' AND detector=3", [3]),
    ],
)  # fmt: skip
def test_detectors_as_in_lsst(cam1: Butler, where: str, expected: list[int]) -> None:
    """Conditions on detectors find what LSST finds, and what its users miss."""
    bind = {
        "d": 2,
        "l": [1, 2],
        "e": [],
        "p": "A*",
        "array": np.array([1, 3], dtype=np.int16),
        "floats": [1.0, 2.5],
    }
    assert found(cam1, "detector", where, bind) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("visit=1", [1]), ("visit.id=1", [1]), ("visit.name='1'", [1]), ("visit.exposure_time IN (45)", [2]),
        ("(NULL, NULL) OVERLAPS (T'2021-09-09/tai', T'2021-09-08/tai')", []),
        ("visit = 1 OR (NULL, NULL) OVERLAPS (T'2021-09-09/tai', T'2021-09-08/tai')", [1]),
        ("(NULL, NULL) OVERLAPS (T'2021-09-08/tai', T'2021-09-09/tai')", [1, 2]),
        ("visit.timespan.begin > T'2021-09-09 03:01:30'", []),
        ("visit.timespan.begin > T'2021-09-09 03:01:30/tai'", [2]),
        ('visit.timespan.begin > T"2021-09-09 03:01:30/tai"', [2]),
        ("visit.timespan.begin > T'2021:252'", [1, 2]),
        ("visit.timespan.end <= T'isot/2021-09-09T03:01:00/tai'", [1]),
        ("visit.timespan.begin < T'59466.2'", [1, 2]), ("visit.timespan.begin < T'mjd/59466.1257'", [1]),
        ("visit.timespan.begin = :t", [1]), ("visit.timespan.begin IN (:times)", [1]),
        ("visit.timespan.begin IN (:t)", [1]),
        ("visit.azimuth = NULL", [1, 2]), ("visit.azimuth > 1", []), ("NOT visit.azimuth > 1", []),
        ("visit.azimuth != 3", []), ("visit.azimuth IS NULL", [1, 2]), ("visit.region IS NULL", [1, 2]),
        ("visit.region IS NOT NULL", []), ("visit.day_obs = 20210909 AND visit=2", [2]),
        ("visit.physical_filter='Cam1-R'", []), ("detector=4 AND visit > 1", [2]),
    ],
)  # fmt: skip
def test_visits_as_in_lsst(cam1: Butler, where: str, expected: list[int]) -> None:
    """Times are UTC unless they say otherwise; a comparison with null is never true."""
    begin = Time("2021-09-09T03:00:00", scale="tai")
    assert found(cam1, "visit", where, {"t": begin, "times": [begin.utc]}) == expected


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("detector='Aa'", "cannot compare detector (an integer) with 'Aa' (a text)"),
        ("detector IN ('1')", "cannot compare detector"), ("detector IN (1,'x')", "cannot compare detector"),
        ("detector IN (4..1)", "runs backwards"), ("detector IN (1..4:0)", "expected"),
        ("detector IN ()", "expected"), ("detector IN (1,)", "expected"), ("detector IN (1+1)", "expected"),
        ("1 < detector < 3", "comparisons do not chain"), ("detector", "not a condition"),
        ("''", "not a condition"), ("detector = :missing", "no value is bound to 'missing'"),
        ("detector IN (:mixed)", "cannot compare detector"), ("detector = :l", "cannot compare with [1, 2]"),
        ("detector < :none", "cannot compare with NULL"), ("detector = :nan", "compared with NaN"),
        ("detectr=1", "did you mean 'detector'"), ("DETECTOR=1", "did you mean 'detector'"),
        ("detector.purpos='X'", "did you mean 'purpose'"), ("detecto.purpose='X'", "did you mean 'detector'"),
        ("visit.band='g'", "visit has no field 'band'"), ("visit > 0 AND nme = '1'", "unknown name 'nme'"),
        ("detector < NULL", "cannot compare with NULL"), ("1 IS NULL", "only a column can be NULL"),
        ("detector IS TRUE", "neither TRUE nor FALSE"), ("purpose IN (1..3)", "compared with an integer"),
        ("GLOB(detector,'1*')", "a pattern is compared with a text"), ("GLOB('Aa', full_name)", "is a text"),
        ("GLOB(full_name)", "write GLOB(column, 'pattern')"), ("full_name LIKE :d", "is a text or bound"),
        ("full_name LIKE 'a!' ESCAPE '!'", "ends with its escape"), ("-purpose = 1", "needs a number"),
        ("detector + 'a' = 2", "calculates with numbers, not 'a'"), ("purpose - 1 = 0", "not purpose"),
        ("detector % 1.5 = 0", "remainder of integers"), ("ABS(detector) = 1", "no function 'ABS'; known"),
        ("9223372036854775807 + 1 = 0", "64 bits"), ("1e300 * 1e300 = 0", "not finite"),
        ("CIRCL(1, 2, 3) OVERLAPS visit.region", "did you mean 'CIRCLE'"),
        ("UUID(1) = 2", "a pattern is a text"),
        ("UUID('x') = 2", "badly formed"), ("REGION(1, 2) OVERLAPS visit.region", "write REGION('...')"),
        ("REGION('BOX 0 0 1 1') OVERLAPS visit.region", "begins with CIRCLE, POLYGON or RANGE, not 'BOX'"),
        ("GLOB(full_name, 'a') = 1", "a condition cannot stand here"),
        ("(detector = 1) = (detector = 2)", "a condition cannot stand here"),
        ("visit.timespan.begin > T'59466'", "cannot read the time"),
        ("visit.timespan.begin > T'2021-09-09 03'", "cannot read the time"),
        ("visit.timespan.begin > T'nonsense/5'", "cannot read the time"),
        ("visit.timespan.begin > T'mjd/1e300'", "'mjd/1e300'"), ("visit.timespan.begin > :both", "array"),
        ("visit.timespan.begin > '2021-09-09'", "cannot compare"),
        ("visit.timespan = 1", "visit.timespan (a timespan)"),
        ("visit.region < visit.region", "does not compare"), ("visit.region = 5", "visit.region (a region)"),
        ("detector = 9223372036854775808", "64 bits"), ("detector IN (1..9223372036854775808)", "64 bits"),
        ("detector IN (99999999999999999999)", "64 bits"), ("detector = :big", "64 bits"),
        ("purpose = :surrogate", "half characters"),
        ("visit.region OVERLAPS visit_detector_region.region", "is not necessary"),
        ("POINT(1,2) OVERLAPS POINT(1,2)", "one must be a column"),
        ("POINT(1,2) = POINT(1,2)", "one must be a column"),
        ("POINT(1/0, 2) OVERLAPS visit.region", "division by zero"),
        ("(1, 2) OVERLAPS visit.timespan", "a pair of times, not 1 (an integer)"),
        ("visit.timespan.begin OVERLAPS visit.timespan.end", "OVERLAPS takes two regions, or timespans"),
        ("visit.region OVERLAPS POINT(1)", "POINT takes 2 numbers"),
        ("visit.region OVERLAPS POINT(1, 95)", "within -90..90"),
        ("visit.region OVERLAPS POLYGON(1,2,3,4)", "three or more"),
        ("visit.region OVERLAPS POINT('a', 1)", "expected a number"),
        ("visit.region OVERLAPS :d", "not visit.region (a region) and d (an integer)"),
        ("visit.region OVERLAPS 5", "OVERLAPS takes two regions"),
        ("visit.name OVERLAPS POINT(1,2)", "not visit.name (a text) and a region"),
        ("warp.run = 'x'", "no dataset type 'warp' takes part"),
        ("visit > 0 AND ingest_date > 3", "unknown name"),
        ("visit.timespan", "not a condition"),
        ("visit.timespan.middle > 3", "has no field 'timespan.middle'"),
    ],
)  # fmt: skip
def test_wrong_expressions_say_what_is_wrong(cam1: Butler, where: str, message: str) -> None:
    """One error class; its message names the thing, and the nearest one that exists."""
    bind = {
        "l": [1, 2],
        "mixed": [1, "x"],
        "d": 2,
        "none": None,
        "nan": np.float32("nan"),
        "big": 2**64,
        "surrogate": "\udcff",
        "both": Time([59000.5, 59001.5], format="mjd"),
    }
    with pytest.raises(InvalidQueryError) as caught:
        found(cam1, "detector", where, bind)
    assert message in str(caught.value)


def test_ambiguous_names_are_refused(cam1: Butler) -> None:
    """A field that two elements have must be qualified; the error says how."""
    with pytest.raises(InvalidQueryError, match=r"exposure\.exposure_time, visit\.exposure_time"):
        cam1.query_data_ids(["visit", "exposure"], where="exposure_time > 3")


@pytest.mark.parametrize(
    ("word", "sign", "count", "expected"), [("OR", "=", 10_000, [1, 2, 3, 4]), ("AND", "!=", 2_000, [])]
)
def test_long_chains(cam1: Butler, word: str, sign: str, count: int, expected: list[int]) -> None:
    """Thousands of conditions in a row are a query like any other."""
    where = f" {word} ".join(f"detector {sign} {n}" for n in range(count))
    assert found(cam1, "detector", where) == expected


def test_long_chains_keep_to_themselves(cam1: Butler) -> None:
    """A long OR within an AND, or the reverse, means the same as a short one."""
    some = " OR ".join(f"detector = {n}" for n in (*range(100, 1000), 2, 3))
    none = " AND ".join(f"detector != {n}" for n in (*range(100, 1000), 2, 3))
    assert found(cam1, "detector", f"detector < 3 AND ({some})") == [2]
    assert found(cam1, "detector", f"detector = 2 OR ({none})") == [1, 2, 4]
    assert found(cam1, "detector", f"NOT ({some}) AND detector < 3") == [1]


# Random expressions.

EXTRA_VISITS: dict[int, dict[str, Any]] = {
    4: {"seq_num": -3, "exposure_time": 0.5, "target_name": "a*b%"},
    5: {"seq_num": 0, "exposure_time": None, "target_name": "it's [_]"},
    6: {"seq_num": 2, "exposure_time": -1.25, "target_name": ""},
    7: {"seq_num": None, "exposure_time": 2.0, "target_name": "Äb"},
}
EXTRA_SKY = {4: True, 5: False, 6: None, 7: None}

COLUMNS: dict[str, list[str]] = {
    "int": ["visit", "detector", "visit.seq_num", "visit.day_obs"],
    "float": ["visit.exposure_time"],
    "str": ["band", "visit.target_name", "purpose", "visit.physical_filter"],
    "bool": ["exposure.can_see_sky"],
}


@pytest.fixture(scope="module")
def varied(
    repository_template: Path, registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Butler, list[dict[str, Any]]]]:
    """Return a repository with nulls and odd texts, and its rows over visit, exposure and detector."""
    root = tmp_path_factory.mktemp("varied") / "repository"
    registry_home.copy(repository_template, root)
    butler = Butler(root, writeable=True, instrument="CAM")
    common = {"instrument": "CAM", "physical_filter": "CAM-g", "day_obs": 20240101}
    for number, values in EXTRA_VISITS.items():
        insert = butler.registry.insertDimensionData
        insert("visit", {**common, **values, "id": number})
        exposure = {"id": number, "group": "1", "can_see_sky": EXTRA_SKY[number]}
        insert("exposure", {**common, **exposure})
        insert("visit_definition", {"instrument": "CAM", "visit": number, "exposure": number})
    yield butler, [row(v, d) for v in [*VISITS, *EXTRA_VISITS] for d in (0, 1)]
    butler.close()


def row(visit: int, detector: int) -> dict[str, Any]:
    """Return the values of one row, from the tables of this file and not from the repository."""
    values = {**VISITS, **EXTRA_VISITS}[visit]
    return {
        "visit": visit,
        "detector": detector,
        "visit.seq_num": values.get("seq_num"),
        "visit.day_obs": values.get("day_obs", 20240101),
        "visit.exposure_time": values["exposure_time"],
        "band": values.get("physical_filter", "CAM-g")[-1],
        "visit.physical_filter": values.get("physical_filter", "CAM-g"),
        "visit.target_name": values["target_name"],
        "purpose": "WAVEFRONT" if detector else "SCIENCE",
        "exposure.can_see_sky": EXTRA_SKY.get(visit, visit != 3),
    }


texts = st.one_of(
    st.sampled_from(["g", "CAM-g", "M31", "a*b%", "it's [_]", "SCIENCE"]),
    st.text("aAbB*%_?[]'\"^\\ Ä", max_size=5),
)
patterns = st.one_of(st.sampled_from(["%", "M_1", "*b*", "a?b", "CAM%"]), texts)
integers = st.one_of(st.integers(-4, 8), st.sampled_from([20240101, 2**63 - 1]))
numbers = st.one_of(integers, st.sampled_from([0.0, 0.5, 1.25, 30.0, 45.5, 1e300]))


@st.composite
def values(draw: st.DrawFn, kind: str) -> Node:
    """Return a column, literal, negative literal or bind of a kind; int and float mix."""
    kinds = ["int", "float"] if kind in ("int", "float") else [kind]
    if draw(st.booleans()):
        return Identifier(draw(st.sampled_from([c for k in kinds for c in COLUMNS[k]])))
    if kind == "str":
        return draw(st.one_of(texts.map(Literal), st.just(Bind("text"))))
    number = Literal(abs(draw(numbers)))
    return draw(st.sampled_from([number, Unary("-", number), Bind("number")]))


@st.composite
def conditions(draw: st.DrawFn) -> Node:
    """Return one condition without AND, OR, NOT."""
    kind = draw(st.sampled_from(["int", "float", "str"]))
    column = Identifier(draw(st.sampled_from(COLUMNS[kind])))
    negated = draw(st.booleans())
    match draw(st.sampled_from(["compare", "between", "in", "null", "pattern", "bool"])):
        case "compare":
            sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
            return Comparison(sign, draw(values(kind)), draw(values(kind)))
        case "between":
            return Between(column, draw(values(kind)), draw(values(kind)), negated)
        case "in":
            literals = texts.map(Literal) if kind == "str" else numbers.map(Literal)
            items = [
                literals,
                st.sampled_from([Identifier("NULL"), Bind("texts" if kind == "str" else "list")]),
            ]
            if kind == "int":
                items.append(
                    st.builds(lambda a, s: Range(a, a + 5, s), st.integers(-4, 8), st.integers(1, 3))
                )
            return In(column, tuple(draw(st.lists(st.one_of(items), min_size=1, max_size=4))), negated)
        case "null":
            null = Identifier("NULL")
            sign = "!=" if negated else "="
            return draw(
                st.sampled_from(
                    [
                        IsTest(column, "NULL", negated),
                        Comparison(sign, column, null),
                        Comparison(sign, null, column),
                    ]
                )
            )
        case "pattern":
            text = Identifier(draw(st.sampled_from(COLUMNS["str"])))
            pattern = draw(patterns)
            if draw(st.booleans()):
                return Call("GLOB", (text, Literal(pattern)))
            escape = draw(st.sampled_from([None, "\\", "!"]))
            if escape is not None:
                pattern = draw(st.sampled_from(["", escape + "%", escape + escape])) + pattern.replace(
                    escape, ""
                )
            return Like(text, Literal(pattern), escape, negated)
    flag = Identifier("exposure.can_see_sky")
    constant = draw(st.sampled_from(["TRUE", "FALSE", "NULL"]))
    return draw(
        st.sampled_from([flag, IsTest(flag, constant, negated), Comparison("=", flag, Identifier("TRUE"))])
    )


trees = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)


@given(tree=trees)
@settings(deadline=None, max_examples=150)
def test_random_expressions_agree_with_the_evaluator(
    varied: tuple[Butler, list[dict[str, Any]]], tree: Node
) -> None:
    """SQL finds exactly the rows for which a slow evaluation of the tree says True, nulls included."""
    butler, rows = varied
    bind = {"number": 2.0, "list": [1, 2.0, -3], "text": "M31", "texts": ["M33", "", "g"]}
    expected = {(r["visit"], r["detector"]) for r in rows if evaluate(tree, r, bind) is True}
    ids = butler.query_data_ids(
        ["visit", "exposure", "detector"], where=unparse(tree), bind=bind, explain=False
    )
    assert len(ids) == len(set(ids))
    assert {(d["visit"], d["detector"]) for d in ids} == expected


# Regions.


@pytest.mark.parametrize(
    ("shape", "visits"),
    [
        ("POINT(10.02, 0.01)", [1]), ("POINT(10.0, -0.01)", [2]), ("POINT(20.0, 0.0)", [3]),
        ("POINT(10.0, 0.0)", []), ("CIRCLE(10.0, 0.0, 0.02)", [1, 2]), ("CIRCLE(15, 0, 5.0)", [1, 2, 3]),
        ("CIRCLE(10, 0, -1)", []), ("BOX(10.015, 0.01, 0.001, 0.001)", [1]),
        ("POLYGON(10.03, 0.02, 10.03, 0, 10.02, 0.01)", [1]), (":region", [2]), ("region", [2]),
    ],
)  # fmt: skip
def test_regions(butler: Butler, shape: str, visits: list[int]) -> None:
    """A visit is found where its region touches a shape, whichever side the region stands on."""
    bind = {"region": SkyRegion.from_circle(9.985, -0.01, 0.001)}
    for where in (f"visit.region OVERLAPS {shape}", f"{shape} OVERLAPS visit.region"):
        assert found(butler, "visit", where, bind) == visits
        assert found(butler, "visit", f"{where} AND visit > 1", bind) == [v for v in visits if v > 1]


def test_detector_regions(butler: Butler) -> None:
    """The regions of detectors are finer than those of visits."""
    for (visit, detector), (ra, dec) in DETECTORS.items():
        where = f"visit_detector_region.region OVERLAPS POINT({ra}, {dec})"
        ids = butler.query_data_ids(["visit", "detector"], where=where)
        assert {(d["visit"], d["detector"]) for d in ids} >= {(visit, detector)}
        assert all(abs(DETECTORS[d["visit"], d["detector"]][0] - ra) < 0.011 for d in ids)


def test_condition_replaces_a_default(repository: Path) -> None:
    """A condition on the instrument is not contradicted by the butler's own instrument."""
    with Butler(repository, writeable=True, instrument="CAM") as butler:
        butler.registry.insertDimensionData("instrument", {"name": "OTHER"})
        butler.registry.insertDimensionData("detector", {"instrument": "OTHER", "id": 7, "full_name": "x"})
        assert found(butler, "detector", "") == [0, 1]
        assert found(butler, "detector", "instrument = 'OTHER'") == [7]
        assert found(butler, "detector", "instrument != 'CAM' OR detector = 1") == [1, 7]


def test_many_ranges_are_the_numbers_in_them(cam1: Butler) -> None:
    """Thousands of stepped ranges mean what their members do, also negated, and one without end stays one."""
    ranges = [f"{10 * k + 1}..{10 * k + 9}:{1 + k % 5}" for k in range(-1000, 1000)]
    members = {n for k in range(-1000, 1000) for n in range(10 * k + 1, 10 * k + 10, 1 + k % 5)}
    inside = [d for d in (1, 2, 3, 4) if d in members]
    assert found(cam1, "detector", f"detector IN ({', '.join(ranges)})") == inside
    assert found(cam1, "detector", f"detector * 2 IN ({', '.join(ranges[:1000])})") == []
    outside = f"detector NOT IN ({', '.join(ranges[:1000])}, 2)"
    assert found(cam1, "detector", outside) == [1, 3, 4]
    endless = ", ".join([*ranges[:100], "3..999999999999"])
    assert found(cam1, "detector", f"detector IN ({endless})") == [3, 4]
    with pytest.raises(InvalidQueryError, match="64 bits"):
        found(cam1, "detector", f"detector IN ({', '.join(ranges)}, {10**30}..{10**30})")
    with pytest.raises(InvalidQueryError, match="compared with an integer"):
        found(cam1, "detector", f"full_name IN ({', '.join(ranges)})")


def test_a_bind_with_the_name_of_its_column_warns(cam1: Butler, caplog: pytest.LogCaptureFixture) -> None:
    """As in LSST binds go before columns; ``detector = :detector`` is always true, and warns."""
    assert found(cam1, "detector", "detector = :detector", {"detector": 1}) == [1, 2, 3, 4]
    assert "give the bind another name" in caplog.text
    caplog.clear()
    assert found(cam1, "detector", "detector = :d", {"d": 1}) == [1]
    assert not caplog.text
