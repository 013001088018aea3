"""Expressions of 1e5 characters, and nested beyond all limits: an answer or one error, in bearable time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from repository_snapshot import snapshot
from small_repository import fill_repository
from trust_scale import count, some

from butler import Butler
from butler.errors import InvalidQueryError

pytestmark = pytest.mark.trust

LENGTH = count(sample=10_000, full=100_000)

NESTED = {
    "parentheses": "(" * LENGTH + "visit = 1" + ")" * LENGTH,
    "open parentheses": "(" * LENGTH,
    "closed parentheses": ")" * LENGTH,
    "negations": "NOT " * (LENGTH // 4) + "visit = 1",
    "signs": "visit = " + "-" * LENGTH + "1",
    "signs in parentheses": "visit = " + "-(" * LENGTH + "1" + ")" * LENGTH,
    "sums": "visit = " + "+".join(["1"] * LENGTH),
    "powers of powers": "visit.exposure_time = " + "*".join(["2"] * LENGTH),
    "memberships": "visit IN (" * (LENGTH // 10) + "1" + ")" * (LENGTH // 10),
    "functions": "GLOB(" * (LENGTH // 5),
    "regions": "visit.region OVERLAPS " * (LENGTH // 20),
    "comparisons": "visit = " * (LENGTH // 8) + "1",
    "names with dots": ".".join(["visit"] * (LENGTH // 6)) + " = 1",
}
LONG = {
    "alternatives": (" OR ".join(["visit = 1"] * (LENGTH // 13)), True),
    "conditions": (" AND ".join(["visit = 1"] * (LENGTH // 14)), True),
    "different alternatives": (" OR ".join(f"visit = {n}" for n in range(1, LENGTH // 16)), True),
    "values": (f"visit IN ({', '.join(map(str, range(1, LENGTH // 7)))})", True),
    "both": (" AND ".join(["(visit = 1 OR NOT visit IN (2, 3))"] * (LENGTH // 40)), True),
    "text": (f"visit.target_name = '{'x' * LENGTH}'", False),
    "pattern": (f"visit.target_name LIKE '{'%a' * (LENGTH // 2)}b'", False),
    "spaces": (f"visit{' ' * LENGTH}= 1", True),
}
REFUSED = {
    "digits": "visit = " + "9" * LENGTH,
    "name": "a" * LENGTH + " = 1",
    "bind": "visit = :" + "a" * LENGTH,
    "time": f"visit.timespan.begin < T'{'2' * LENGTH}'",
    "operators": "=" * LENGTH,
    "quotes": "'" * (LENGTH + 1),
    "colons": ":" * LENGTH,
    "characters of no language": "\u0416\u200b\x00" * (LENGTH // 3),
}


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    """Return a repository with one note, of visit 1."""
    root = tmp_path_factory.mktemp("noted") / "repository"
    Butler.makeRepo(root)
    fill_repository(root)
    with Butler(root, run="run", instrument="CAM", skymap="sky") as butler:
        butler.put({}, "note", visit=1)
        yield butler


@pytest.mark.parametrize("name", [*NESTED, *REFUSED])
def test_expressions_that_are_refused(noted: Butler, name: str) -> None:
    """What is nested too deeply, or means nothing, is one error, and never too much for us."""
    before = snapshot(noted.root)
    with pytest.raises(InvalidQueryError) as caught:
        noted.query_datasets("note", where=(NESTED | REFUSED)[name], explain=False)
    assert len(str(caught.value)) < 3_000
    assert snapshot(noted.root) == before


@pytest.mark.parametrize("name", some(LONG, 3))
def test_expressions_that_are_long(noted: Butler, name: str) -> None:
    """A long expression has the answer of a short one, or the database refuses it with a clear error."""
    expression, is_true = LONG[name]
    try:
        found = noted.query_datasets("note", where=expression, explain=False)
    except InvalidQueryError as error:
        assert "too large" in str(error)  # noqa: PT017 (it may be answered, too)
    else:
        assert bool(found) is is_true
