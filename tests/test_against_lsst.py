"""Random repositories and random questions: the same refs, in the same order, as LSST's own butler."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import trust_scale
from astropy.time import Time, TimeDelta

from butler import Butler, CollectionType, DatasetRef, DatasetType, Timespan
from butler.dimensions import UNIVERSE
from butler.regions import SkyRegion

lsst = pytest.importorskip("lsst.daf.butler", reason="lsst-daf-butler is not installed")
sphgeom = pytest.importorskip("lsst.sphgeom")

TYPES = {
    "calexp": ("instrument", "visit", "detector"),
    "warp": ("instrument", "visit", "skymap", "tract", "patch"),
    "coadd": ("skymap", "tract", "patch", "band"),
    "sky": ("instrument", "physical_filter", "detector"),
}
RUNS = ("one", "two", "three")
FILES = ("base", "spatial")


def square(ra: float, dec: float, half: float) -> SkyRegion:
    return SkyRegion.from_polygon(
        [ra - half, ra + half, ra + half, ra - half], [dec - half, dec - half, dec + half, dec + half]
    )


def records(rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Draw visits with their detectors' regions around the sky map of LSST's file, some without a region."""
    camera = {"instrument": "Cam1"}
    found: list[tuple[str, dict[str, Any]]] = []
    for number in range(10, 10 + rng.randrange(4, 9)):
        ra, dec = rng.uniform(-0.5, 2.5), rng.uniform(-0.2, 1.8)
        begin = Time("2021-09-10T00:00:00", scale="tai") + TimeDelta(rng.randrange(48) * 3600, format="sec")
        values = {
            "physical_filter": rng.choice(("Cam1-G", "Cam1-R1", "Cam1-R2")), "day_obs": 20210909,
            "exposure_time": rng.choice((None, 30.0, 45.0)), "seq_num": rng.choice((None, 1, 2)),
            "target_name": rng.choice((None, "M31", "m31", "it")), "name": f"v{number}",
        }  # fmt: skip
        region = None if rng.random() < 0.2 else square(ra, dec, rng.uniform(0.1, 0.6))
        span = (begin, begin + TimeDelta(864, format="sec"))
        found.append(("visit", {**camera, **values, "id": number, "timespan": span, "region": region}))
        for detector in rng.sample((1, 2, 3, 4), 2):
            own = square(ra + rng.uniform(-0.3, 0.3), dec, 0.1)
            key = {**camera, "visit": number, "detector": detector}
            found.append(("visit_detector_region", {**key, "region": own}))
    return found


class Pair:
    """The same repository twice."""

    def __init__(self, root: Path, seed: int) -> None:
        rng = random.Random(seed)
        lsst.Butler.makeRepo(str(root / "lsst"))
        self.theirs = lsst.Butler.from_config(str(root / "lsst"), writeable=True)
        Butler.makeRepo(root / "ours")
        files = Path(lsst.__file__).parent / "tests" / "registry_data"
        with Butler(root / "ours", writeable=True) as ours:
            for name in FILES:
                ours.import_(directory=files, filename=f"{name}.yaml", without_datastore=True)
                self.theirs.import_(filename=str(files / f"{name}.yaml"), without_datastore=True)
        self.theirs = self.theirs.clone(dataId={"instrument": "Cam1", "skymap": "SkyMap1"})
        self.ours = Butler(root / "ours", writeable=True, instrument="Cam1", skymap="SkyMap1")
        self.visits = [1, 2]
        for element, row in records(rng):
            self.insert(element, row)
            self.visits += [row["id"]] if element == "visit" else []
        for name, dimensions in TYPES.items():
            for registry, kind in ((self.ours.registry, DatasetType), (self.theirs.registry, None)):
                make = kind or (lambda *args: lsst.DatasetType(*args, universe=self.theirs.dimensions))
                registry.registerDatasetType(make(name, dimensions, "StructuredDataDict"))
        for run in RUNS:
            self.ours.registry.registerRun(run)
            self.theirs.registry.registerRun(run)
            for name in TYPES:
                self.put(name, run, rng)
        self.ours.collections.register("chain", CollectionType.CHAINED)
        self.theirs.collections.register("chain", lsst.CollectionType.CHAINED)
        for butler in (self.ours, self.theirs):
            butler.collections.redefine_chain("chain", ("two", "one"))

    def insert(self, element: str, row: dict[str, Any]) -> None:
        region, span = row.pop("region"), row.pop("timespan", None)
        mine, other = dict(row), dict(row)
        if region is not None:
            mine["region"], other["region"] = region, sphgeom.Region.decode(region.encode())
        if span is not None:
            mine["timespan"], other["timespan"] = Timespan(*span), lsst.Timespan(*span)
        self.ours.registry.insertDimensionData(element, mine)
        self.theirs.registry.insertDimensionData(element, other)

    def put(self, name: str, run: str, rng: random.Random) -> None:
        keys = {
            tuple(
                {
                    "instrument": "Cam1", "skymap": "SkyMap1", "visit": rng.choice(self.visits),
                    "detector": rng.randrange(1, 5), "tract": rng.randrange(2), "patch": rng.randrange(6),
                    "band": rng.choice("gr"), "physical_filter": rng.choice(("Cam1-G", "Cam1-R1")),
                }[dimension] for dimension in TYPES[name]
            ) for _ in range(12)
        }  # fmt: skip
        theirs, kind = [], self.theirs.get_dataset_type(name)
        ours = []
        for key in sorted(keys):
            data_id = dict(zip(TYPES[name], key, strict=True))
            number = uuid.UUID(int=rng.getrandbits(128), version=4)
            full = self.theirs.registry.expandDataId(data_id)
            theirs.append(lsst.DatasetRef(kind, full.subset(kind.dimensions), run=run, id=number))
            ours.append(DatasetRef(self.ours.get_dataset_type(name), data_id, run, number))
        self.theirs.registry._importDatasets(theirs)
        self.ours.registry.insert_datasets(run, ours)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class Questions:
    """Draws expressions of LSST's language."""

    def __init__(self, rng: random.Random, visits: list[int]) -> None:
        self.rng = rng
        self.visits = visits

    def where(self) -> str:
        terms = [self.condition(2) for _ in range(self.rng.randrange(3))]
        return " AND ".join(f"({term})" for term in terms)

    def condition(self, depth: int) -> str:
        kind = self.rng.random()
        if depth == 0 or kind < 0.5:
            return self.leaf()
        if kind < 0.65:
            return f"NOT ({self.condition(depth - 1)})"
        word = "AND" if kind < 0.8 else "OR"
        return f"({self.condition(depth - 1)}) {word} ({self.condition(depth - 1)})"

    def leaf(self) -> str:
        rng = self.rng
        number, visit = rng.randrange(6), rng.choice(self.visits)
        sign = rng.choice(("=", "!=", "<", "<=", ">", ">="))
        return rng.choice((
            f"visit {sign} {visit}", f"detector {sign} {number}", f"patch {sign} {number}",
            f"tract {sign} {number % 3}",
            f"visit IN ({visit}..{visit + 4}:{1 + number % 3}, {number})", f"detector NOT IN (1, {number})",
            f"detector % 2 {sign} {number % 2}", f"patch + {number} {sign} detector",
            f"visit - {number} {sign} {visit}",
            f"detector / 2 {sign} {number}", f"-detector {sign} -{number}", f"band = '{rng.choice('gri')}'",
            f"physical_filter {sign} 'Cam1-R1'", f"visit.exposure_time {sign} 40.0",
            f"visit.exposure_time {sign} {number}",
            f"visit.seq_num {rng.choice(('=', '!='))} NULL", f"visit.seq_num IN (1, NULL, {number})",
            f"visit.target_name {sign} 'M31'",
            f"GLOB(visit.target_name, '{rng.choice(('M*', '?31', '*', 'it'))}')",
            f"visit.timespan.begin {sign} T'2021-09-10 {rng.randrange(24):02}:00:00/tai'",
            f"visit.timespan OVERLAPS (T'2021-09-09 12:00:00', T'2021-09-1{number % 3} 0{number}:00:00')",
            f"visit.timespan OVERLAPS T'2021-09-10 {rng.randrange(24):02}:05:00/tai'",
            f"detector.purpose {sign} 'SCIENCE'",
            f"detector.raft {sign} 'B'", f"detector.full_name IN ('Aa', 'B{rng.choice('ab')}')",
            f"patch.cell_x = {number % 3}",
            f"instrument {rng.choice(('=', '!='))} 'Cam1'", f"skymap = '{rng.choice(('SkyMap1', 'none'))}'",
        ))  # fmt: skip

    def sky(self, dimensions: Iterable[str]) -> tuple[str, SkyRegion] | None:
        """Draw an element among some dimensions and a shape that its regions must overlap."""
        elements = [e for e in ("visit", "visit", "patch", "tract") if e in dimensions]
        if not elements or self.rng.random() < 0.6:
            return None
        position = self.rng.uniform(0, 2), self.rng.uniform(0, 1.6)
        return self.rng.choice(elements), SkyRegion.from_circle(*position, self.rng.choice((0.0, 0.1, 0.8)))


def theirs_or_error(find: Any) -> Any:
    """Return LSST's answer, None if it refuses the question."""
    try:
        return find()
    except (lsst.InvalidQueryError, NotImplementedError, AssertionError):
        return None


@pytest.mark.trust
def test_the_same_refs_as_lsst(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Of every question that LSST's butler answers, ours gives the same answer."""
    asked = answered = found = 0
    for seed in range(trust_scale.count(sample=1, full=20)):
        (tmp_path / str(seed)).mkdir()
        pair = Pair(tmp_path / str(seed), trust_scale.SEED + seed)
        questions = Questions(random.Random(trust_scale.SEED + seed), pair.visits)
        for _ in range(trust_scale.count(sample=60, full=500)):
            asked += 1
            count = compare(pair, questions)
            if count is not None:
                answered += 1
                found += count
        pair.close()
    record_property("questions", asked)
    record_property("answered by both", answered)
    record_property("results", found)
    assert answered > 0.8 * asked
    assert found > asked


def compare(pair: Pair, questions: Questions) -> int | None:
    """Ask both one question; return how many results there are, None if LSST refuses."""
    if questions.rng.random() < 0.35:
        return compare_data_ids(pair, questions)
    return compare_datasets(pair, questions)


def on_the_sky(
    pair: Pair, where: str, sky: tuple[str, SkyRegion] | None
) -> tuple[str, Callable[[Any], bool]]:
    """Return an expression with a condition on the sky, and the exact test of it.

    LSST itself finds more for a given region: all that share a coarse pixel with it.
    """
    if sky is None:
        return where, lambda data_id: True
    element, shape = sky
    keys = UNIVERSE[element].required
    records = pair.ours.registry.records.fetch_all(element)
    inside = {tuple(r[k] for k in keys) for r in records if r.region is not None and r.region.overlaps(shape)}
    term = f"{element}.region OVERLAPS :shape"
    return f"{term} AND ({where})" if where else term, lambda d: tuple(d[k] for k in keys) in inside


def compare_data_ids(pair: Pair, questions: Questions) -> int | None:
    rng, where = questions.rng, questions.where()
    dimensions = rng.choice(
        (["visit"], ["visit", "detector"], ["visit", "patch"], ["tract", "visit", "detector"])
    )
    sky = questions.sky(dimensions)
    on_sky, is_inside = on_the_sky(pair, where, sky)
    theirs = theirs_or_error(
        lambda: pair.theirs.query_data_ids(dimensions, where=where, explain=False, limit=None)
    )
    if theirs is None:
        return None
    bind = {"shape": sky[1]} if sky else {}
    ours = pair.ours.query_data_ids(dimensions, where=on_sky, bind=bind, explain=False)
    assert len(ours) == len(set(ours))
    assert {tuple(sorted(dict(d).items())) for d in ours} == {
        tuple(sorted(d.mapping.items())) for d in theirs if is_inside(d)
    }, (dimensions, where, sky)
    return len(ours)


def compare_datasets(pair: Pair, questions: Questions) -> int | None:
    rng, where = questions.rng, questions.where()
    name = rng.choice(tuple(TYPES))
    path = rng.choice((["one"], ["two", "one"], "chain", ["three", "chain"]))
    order = [rng.choice(("", "-")) + d for d in rng.sample(TYPES[name], len(TYPES[name]))]
    find_first, sky = rng.random() < 0.7, questions.sky(TYPES[name])
    limit = None if sky else rng.choice((None, None, 3))
    on_sky, is_inside = on_the_sky(pair, where, sky)
    query = {"explain": False, "order_by": order, "find_first": find_first, "limit": limit}
    theirs = theirs_or_error(lambda: pair.theirs.query_datasets(name, path, where=where, **query))
    if theirs is None:
        return None
    theirs = [ref for ref in theirs if is_inside(ref.dataId)]
    bind = {"shape": sky[1]} if sky else {}
    ours = pair.ours.query_datasets(name, path, where=on_sky, bind=bind, **query)
    told = (name, path, where, sky, query)
    if find_first:
        assert [(r.id, r.run) for r in ours] == [(r.id, r.run) for r in theirs], told
    elif limit is None:
        assert {r.id for r in ours} == {r.id for r in theirs}, told
    assert len(ours) == len(theirs), told
    return len(ours)
