"""A script as it is written for LSST's butler; what it prints is compared with what LSST makes it print.

Only the lines that begin with ``from butler`` differ.
"""

from __future__ import annotations

import sys
from typing import Any

from astropy.table import Table
from astropy.time import Time
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from butler import (
    Butler,
    CollectionType,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    DeferredDatasetHandle,
    Timespan,
)
from butler.errors import (
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    MissingCollectionError,
    MissingDatasetTypeError,
    NoDefaultCollectionError,
    OrphanedRecordError,
)

BANDS = {"g": "Cam-G", "r": "Cam-R"}
NIGHT = 20240301


def square(ra: float, dec: float, half: float) -> ConvexPolygon:
    corners = [
        (ra - half, dec - half),
        (ra + half, dec - half),
        (ra + half, dec + half),
        (ra - half, dec + half),
    ]
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(*corner)) for corner in corners])


def tell(title: str, *values: Any) -> None:
    print(f"{title}:", *values)


def refused(title: str, error: type[Exception], action: Any) -> None:
    """Tell whether an action fails as it should."""
    try:
        action()
    except error:
        tell(title, "refused")
    else:
        tell(title, "done")


def create(root: str) -> Butler:
    Butler.makeRepo(root)
    refused("second repository", FileExistsError, lambda: Butler.makeRepo(root))
    refused("no repository", FileNotFoundError, lambda: Butler.from_config(f"{root}/not-there"))
    butler = Butler.from_config(root, writeable=True)
    tell("writeable", butler.isWriteable(), butler.run, tuple(butler.collections.defaults))
    return butler


def register(butler: Butler) -> dict[str, DatasetType]:
    universe = butler.dimensions
    types = {}
    for name, dimensions, storage_class in (
        ("bias", ["detector"], "StructuredDataDict"),
        ("note", ["visit", "detector"], "StructuredDataDict"),
        ("warp", ["visit", "patch"], "StructuredDataDict"),
        ("coadd", ["patch", "band"], "StructuredDataDict"),
        ("sources", ["visit"], "ArrowAstropy"),
    ):
        types[name] = DatasetType(
            name, dimensions, storage_class, universe=universe, isCalibration=name == "bias"
        )
        tell("registered", name, butler.registry.registerDatasetType(types[name]))
        tell("again", butler.registry.registerDatasetType(types[name]))
    other = DatasetType("note", ["visit"], "StructuredDataDict", universe=universe)
    refused(
        "other definition", ConflictingDefinitionError, lambda: butler.registry.registerDatasetType(other)
    )
    tell("types", sorted(t.name for t in butler.registry.queryDatasetTypes("*o*")))
    tell("dimensions", list(types["note"].dimensions.required), list(types["note"].dimensions.names))
    tell("type", types["warp"].to_json())
    return types


def insert_records(butler: Butler) -> None:
    insert = butler.registry.insertDimensionData
    camera = {"instrument": "Cam"}
    insert("instrument", {"name": "Cam", "visit_max": 100, "exposure_max": 100, "detector_max": 4})
    for band, name in BANDS.items():
        insert("physical_filter", {**camera, "name": name, "band": band})
    for detector in range(2):
        insert(
            "detector",
            {**camera, "id": detector, "full_name": f"D{detector}", "raft": "R", "purpose": "SCIENCE"},
        )
    night = Timespan.from_day_obs(NIGHT)
    insert("day_obs", {**camera, "id": NIGHT, "timespan": night})
    for visit, (filter_name, ra) in enumerate([("Cam-G", 10.0), ("Cam-R", 10.0), ("Cam-G", 10.6)], start=1):
        span = Timespan(
            Time(f"2024-03-01T0{visit}:00:00", scale="tai"), Time(f"2024-03-01T0{visit}:00:30", scale="tai")
        )
        key = {**camera, "id": visit, "name": f"v{visit}", "physical_filter": filter_name, "day_obs": NIGHT}
        insert(
            "visit", {**key, "exposure_time": 30.0 * visit, "timespan": span, "region": square(ra, 0.0, 0.2)}
        )
        for detector in range(2):
            region = square(ra - 0.1 + 0.2 * detector, 0.0, 0.1)
            insert(
                "visit_detector_region", {**camera, "visit": visit, "detector": detector, "region": region}
            )
    insert(
        "skymap", {"name": "Sky", "hash": b"\x01\x02", "tract_max": 1, "patch_nx_max": 3, "patch_ny_max": 1}
    )
    insert("tract", {"skymap": "Sky", "id": 0, "region": square(10.3, 0.0, 0.6)})
    for patch in range(3):
        cell = {"cell_x": patch, "cell_y": 0, "region": square(10.0 + 0.3 * patch, 0.0, 0.14)}
        insert("patch", {"skymap": "Sky", "tract": 0, "id": patch, **cell})
    first = {**camera, "id": 1, "full_name": "D1", "raft": "R", "purpose": "SCIENCE"}
    tell("same record", butler.registry.syncDimensionData("detector", first))
    tell("updated", butler.registry.syncDimensionData("detector", first | {"purpose": "GUIDE"}, update=True))
    tell("inserted", butler.registry.syncDimensionData("detector", first | {"id": 2, "full_name": "D2"}))
    expanded = butler.registry.expandDataId(instrument="Cam", visit=2)
    tell("expanded", expanded, expanded.hasRecords(), expanded.records["visit"].exposure_time)
    tell("timespan", expanded.timespan, expanded.timespan.overlaps(night))


def put(root: str, types: dict[str, DatasetType]) -> Butler:
    butler = Butler.from_config(root, run="u/run1", instrument="Cam", skymap="Sky")
    tell(
        "defaults",
        butler.run,
        tuple(butler.collections.defaults),
        dict(butler.registry.defaults.dataId.mapping),
    )
    for visit in (1, 2, 3):
        for detector in (0, 1):
            butler.put({"visit": visit, "detector": detector}, "note", visit=visit, detector=detector)
    ref = butler.put({"value": 7}, types["warp"], {"visit": 1, "tract": 0}, patch=0)
    tell("put", ref.dataId, ref.run, ref.datasetType.name, ref.dataId.hasRecords(), ref.id.version)
    known = DatasetRef(
        types["coadd"],
        DataCoordinate.standardize(skymap="Sky", tract=0, patch=0, band="g", universe=butler.dimensions),
        run="u/run1",
    )
    tell("by ref", butler.put({"coadd": 1}, known) == known)
    again = {"visit": 1, "detector": 0}
    refused("put twice", ConflictingDefinitionError, lambda: butler.put({}, "note", again))
    refused(
        "no such visit",
        DataIdValueError,
        lambda: butler.put({}, "note", visit=9, detector=0),
    )
    refused("no such type", MissingDatasetTypeError, lambda: butler.put({}, "nothing", again))
    reader = Butler.from_config(root)
    refused("read-only", TypeError, lambda: reader.put({}, "note", again, run="u/run1"))
    refused("no collections", NoDefaultCollectionError, lambda: reader.get("note", again, instrument="Cam"))
    return butler


def read(butler: Butler) -> None:
    tell("get", butler.get("note", visit=2, detector=1), butler.get("note", {"visit": 2}, detector=0))
    tell("by name", butler.get("note", {"visit.name": "v3", "detector": "D1"}))
    handle = butler.getDeferred("note", visit=1, detector=1)
    tell("handle", isinstance(handle, DeferredDatasetHandle), handle.get(), handle.dataId["visit"])
    ref = butler.find_dataset("note", visit=3, detector=0)
    assert ref is not None
    tell("found", ref.run, ref.dataId["visit"], butler.get(ref), butler.get_dataset(ref.id) == ref)
    tell("none", butler.find_dataset("warp", visit=2, tract=0, patch=0))
    tell(
        "exists",
        bool(butler.exists("note", visit=1, detector=0)),
        butler.exists(ref).name,
        butler.stored(ref),
    )
    refused("no dataset", LookupError, lambda: butler.get("warp", visit=2, tract=0, patch=0))
    refused("missing key", KeyError, lambda: butler.get("note", detector=0))
    refused(
        "no collection",
        MissingCollectionError,
        lambda: butler.get("note", visit=1, detector=0, collections="x"),
    )
    tell("json", DatasetRef.from_json(ref.to_json(), universe=butler.dimensions) == ref)


def read_table(butler: Butler) -> None:
    table = Table({"id": [1, 2, 3], "flux": [0.5, 1.5, 2.5], "flag": [True, False, True]})
    butler.put(table, "sources", visit=1)
    handle = butler.getDeferred("sources", visit=1)
    tell("columns", handle.get(parameters={"columns": ["flux", "id"]}).colnames)
    tell("table", handle.get()["flux"].tolist(), butler.get("sources.rowcount", visit=1))
    tell("part", handle.get(component="columns") is not None, butler.get_dataset_type("sources.columns").name)
    refused("parameter", KeyError, lambda: handle.get(parameters={"bbox": None}))
    refused("component", KeyError, lambda: handle.get(component="wcs"))


def query(butler: Butler) -> None:
    found = butler.query_datasets("note", where="visit IN (1, 2) AND detector = 1", order_by="-visit")
    tell("datasets", [ref.dataId["visit"] for ref in found])
    bound = butler.query_datasets(
        "note", where="band = :b AND visit.exposure_time > :t", bind={"b": "g", "t": 50.0}
    )
    tell("bound", sorted((ref.dataId["visit"], ref.dataId["detector"]) for ref in bound))
    ordered = butler.query_datasets("note", order_by=["detector", "-visit"], limit=4)
    tell("ordered", [(ref.dataId["detector"], ref.dataId["visit"]) for ref in ordered])
    tell(
        "spatial",
        [
            (d["visit"], d["patch"])
            for d in butler.query_data_ids(["visit", "patch"], order_by=["visit", "patch"])
        ],
    )
    rows = butler.query_data_ids(
        ["visit", "detector", "patch"], where="patch = 1", order_by=["visit", "detector"]
    )
    tell("detectors", [(d["visit"], d["detector"]) for d in rows])
    records = butler.query_dimension_records("visit", where="visit > 1", order_by="visit")
    tell("records", [(r.id, r.name, r.physical_filter, r.exposure_time) for r in records])
    tell(
        "by time",
        [
            r.id
            for r in butler.query_dimension_records(
                "visit", where="visit.timespan OVERLAPS (T'2024-03-01T01:30:00', T'2024-03-01T02:30:00')"
            )
        ],
    )
    tell("empty", butler.query_datasets("note", where="visit = 77", explain=False))
    refused("why empty", Exception, lambda: butler.query_datasets("note", where="visit = 77"))
    refused("misspelt", Exception, lambda: butler.query_datasets("note", where="vizit = 1"))


def query_in_steps(butler: Butler) -> None:
    with butler.query() as asked:
        chosen = asked.where("instrument = 'Cam' AND skymap = 'Sky'").join_dataset_search("note", "u/run1")
        ids = chosen.data_ids(["visit", "detector"]).order_by("visit", "-detector")
        tell("data IDs", [(d["visit"], d["detector"]) for d in ids])
        tell("limited", [(d["visit"], d["detector"]) for d in ids.limit(2)], ids.count(), ids.any())
        found = asked.datasets("note", "u/run1").where("visit = :v", bind={"v": 2}).order_by("detector")
        tell("refs", [ref.dataId["detector"] for ref in found])
        records = asked.dimension_records("visit").where("visit.exposure_time >= 60").order_by("-visit")
        tell("visits", [record.id for record in records])
        key = DataCoordinate.standardize(instrument="Cam", visit=3, universe=butler.dimensions)
        given = asked.join_data_coordinates([key]).datasets("note", "u/run1")
        tell("given", sorted(ref.dataId["detector"] for ref in given))
    full = butler.query_datasets("note", where="visit = 1", with_dimension_records=True, order_by="detector")
    tell("records of refs", [ref.dataId.records["visit"].name for ref in full])


def calibrate(butler: Butler) -> None:
    registry = butler.registry
    butler.collections.register("u/calib", CollectionType.CALIBRATION)
    first = [butler.put({"bias": 1}, "bias", detector=detector, run="u/run1") for detector in (0, 1)]
    second = [butler.put({"bias": 2}, "bias", detector=detector, run="u/run2") for detector in (0, 1)]
    noon = Time("2024-03-01T02:30:00", scale="tai")
    registry.certify("u/calib", first, Timespan(None, noon))
    registry.certify("u/calib", second, Timespan(noon, None))
    for visit in (1, 2, 3):
        tell("bias", visit, butler.get("bias", detector=1, visit=visit, collections="u/calib"))
    refused(
        "overlap",
        ConflictingDefinitionError,
        lambda: registry.certify("u/calib", first, Timespan(noon, None)),
    )
    cut = Timespan(Time("2024-03-01T01:30:00", scale="tai"), Time("2024-03-01T02:10:00", scale="tai"))
    registry.decertify("u/calib", "bias", cut, dataIds=[{"instrument": "Cam", "detector": 0}])
    held = registry.queryDatasetAssociations("bias", "u/calib")
    tell("held", sorted((a.ref.run, a.ref.dataId["detector"], str(a.timespan)) for a in held))
    refused("cut out", LookupError, lambda: butler.get("bias", detector=0, visit=2, collections="u/calib"))
    tell("no time", butler.find_dataset("bias", detector=0, collections="u/calib"))
    ref = butler.find_dataset("bias", detector=0, collections="u/calib", timespan=Timespan(noon, None))
    tell("by timespan", ref is not None and ref.run)
    registry.decertify("u/calib", "bias", Timespan(None, None))
    butler.pruneDatasets([*first, *second], purge=True, unstore=True)


def collect(butler: Butler) -> None:
    collections = butler.collections
    tell("register", collections.register("u/run2"), collections.register("u/run2"))
    butler.put({"visit": 1, "second": True}, "note", visit=1, detector=0, run="u/run2")
    collections.register("u/chain", CollectionType.CHAINED, doc="both runs")
    collections.redefine_chain("u/chain", ["u/run2", "u/run1"])
    tell("first", butler.get("note", visit=1, detector=0, collections="u/chain"))
    tell("refs", len(butler.query_datasets("note", collections="u/chain")))
    collections.prepend_chain("u/chain", "u/run1")
    tell("prepended", tuple(collections.get_info("u/chain").children))
    tell("now", butler.get("note", visit=1, detector=0, collections="u/chain"))
    collections.remove_from_chain("u/chain", "u/run2")
    collections.extend_chain("u/chain", ["u/run2"])
    tell("extended", tuple(collections.get_info("u/chain").children))
    collections.register("u/top", CollectionType.CHAINED)
    collections.redefine_chain("u/top", ["u/chain"])
    refused("cycle", Exception, lambda: collections.redefine_chain("u/chain", ["u/top"]))
    refused("no chain", CollectionTypeError, lambda: collections.redefine_chain("u/run1", ["u/run2"]))
    tell("query", sorted(collections.query("u/*")), sorted(collections.query("u/top", flatten_chains=True)))
    tell("runs", sorted(collections.query("*", collection_types=CollectionType.RUN)))
    (info,) = collections.query_info("u/chain", include_parents=True, include_summary=True, include_doc=True)
    tell("info", info.type.name, info.doc, sorted(info.parents), sorted(info.dataset_types))
    tell("parents", sorted(butler.registry.getCollectionParentChains("u/run1")))
    summary = butler.registry.getCollectionSummary("u/run2")
    tell("summary", sorted(t.name for t in summary.dataset_types))


def tag(butler: Butler) -> None:
    registry = butler.registry
    registry.registerCollection("u/tag")
    refs = butler.query_datasets("note", where="detector = 0", order_by="visit")
    registry.associate("u/tag", refs)
    registry.associate("u/tag", refs[:1])
    registry.disassociate("u/tag", refs[1:2])
    tell("tagged", sorted(r.dataId["visit"] for r in butler.query_datasets("note", collections="u/tag")))
    (second,) = butler.query_datasets("note", collections="u/run2")
    refused("two of one", ConflictingDefinitionError, lambda: registry.associate("u/tag", [second]))
    refused("not a tag", CollectionTypeError, lambda: registry.associate("u/run2", refs))
    held = registry.queryDatasetAssociations("note", "u/tag")
    tell("associations", sorted((a.collection, a.ref.dataId["visit"]) for a in held))


def transact(butler: Butler) -> None:
    try:
        with butler.transaction():
            butler.put({}, "warp", visit=3, tract=0, patch=2)
            tell("inside", bool(butler.exists("warp", visit=3, tract=0, patch=2)))
            raise RuntimeError("no")
    except RuntimeError:
        tell("after", bool(butler.exists("warp", visit=3, tract=0, patch=2)))
    with butler.transaction():
        butler.put({"kept": 1}, "warp", visit=3, tract=0, patch=2)
    tell("kept", butler.get("warp", visit=3, tract=0, patch=2))


def prune(butler: Butler) -> None:
    first, second, third = butler.query_datasets("note", where="detector = 1", order_by="visit")
    butler.pruneDatasets([first], disassociate=False, unstore=True)
    tell("unstored", butler.exists(first).name, bool(butler.exists(first)), butler.stored(first))
    refused("no file", FileNotFoundError, lambda: butler.get(first))
    expanded = first.expanded(butler.registry.expandDataId(first.dataId))
    tell("again", butler.put({"again": 1}, expanded) == first, butler.get(first))
    butler.pruneDatasets([second], purge=True, unstore=True)
    tell("purged", butler.exists(second).name, butler.get_dataset(second.id))
    refused("purge alone", TypeError, lambda: butler.pruneDatasets([third], purge=True))
    refused("nothing to do", TypeError, lambda: butler.pruneDatasets([third]))
    butler.pruneDatasets(butler.query_datasets("note", collections="u/tag"), tags=["u/tag"])
    tell("tag", butler.query_datasets("note", collections="u/tag", explain=False))
    refused("not empty", OrphanedRecordError, lambda: butler.registry.removeDatasetType("note"))
    refused("no tag", TypeError, lambda: butler.removeRuns(["u/tag"]))
    butler.removeRuns(["u/run2"], unlink_from_chains=True)
    tell(
        "left",
        sorted(butler.collections.query("u/*")),
        tuple(butler.collections.get_info("u/chain").children),
    )
    tell("notes", len(butler.query_datasets("note", collections="u/chain")))


def clone(butler: Butler) -> None:
    other = butler.clone(run="u/run3")
    tell("clone", other.run, tuple(other.collections.defaults), dict(other.registry.defaults.dataId.mapping))
    reader = butler.clone(run=None, collections=["u/run1"])
    tell("reader", reader.run, tuple(reader.collections.defaults), len(reader.query_datasets("note")))


def main(root: str) -> None:
    butler = create(root)
    types = register(butler)
    refused(
        "components are no types",
        KeyError,
        lambda: types["note"].makeComponentDatasetType("x"),
    )
    insert_records(butler)
    butler = put(root, types)
    for part in (read, read_table, query, query_in_steps, collect, tag, calibrate, transact, prune, clone):
        part(butler)


if __name__ == "__main__":
    main(sys.argv[1])
