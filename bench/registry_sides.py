"""The two butlers of the registry benchmark behind the same few verbs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["N_PATCHES", "Ours", "Peer", "Side", "side_of"]

N_PATCHES = 100
"""Patches of the one tract, ten by ten; each visit covers all of them."""
_SIDE_DEG = 0.2
_PEER_JSON = "lsst.daf.butler.formatters.json.JsonFormatter"
DAY = 20260101
WARP = "deepCoadd_directWarp"
WARP_DIMENSIONS = ("instrument", "skymap", "tract", "patch", "visit")
SKY = "hsc_rings_v1"
RECORDS = {
    "instrument": {"name": "HSC", "visit_max": 10**7, "exposure_max": 10**7, "detector_max": 112},
    "physical_filter": {"instrument": "HSC", "name": "HSC-R2", "band": "r"},
    "day_obs": {"instrument": "HSC", "id": DAY},
    "skymap": {
        "name": SKY,
        "hash": b"0123456789abcdef0123",
        "tract_max": 1,
        "patch_nx_max": 10,
        "patch_ny_max": 10,
    },
}


def corners(x: float, y: float, size: float) -> tuple[list[float], list[float]]:
    """Return right ascensions and declinations (degrees) of the corners of a square near (150, 0)."""
    return [150 + x, 150 + x + size, 150 + x + size, 150 + x], [y, y, y + size, y + size]


def visit_row(visit: int) -> dict[str, Any]:
    """Return the record of a visit but for its region."""
    return {
        "instrument": "HSC",
        "id": visit,
        "name": f"HSC{visit:08d}",
        "physical_filter": "HSC-R2",
        "day_obs": DAY,
        "seq_num": visit,
        "exposure_time": 30.0 + visit % 7,
    }


def patch_row(patch: int) -> dict[str, Any]:
    """Return the record of a patch but for its region."""
    return {"skymap": SKY, "tract": 1, "id": patch, "cell_x": patch % 10, "cell_y": patch // 10}


def warp_path(run: str, visit: int, patch: int) -> str:
    """Return the path that LSST's default template gives a warp."""
    name = f"{WARP}_HSC_{SKY}_1_{patch}_r_HSC-R2_{visit}_{run.replace('/', '_')}.fits"
    return f"{run}/{WARP}/1/{patch}/{DAY}/r/{visit}/{name}"


class Side(Protocol):
    """What the benchmark asks of a butler."""

    name: str
    butler: Any
    query: Any

    @classmethod
    def make(cls, root: Path) -> Side:
        """Make a repository with instrument and sky map, and open it."""

    def add_visits(self, visits: Sequence[int], *, regions: bool = True) -> None:
        """Insert the records of visits."""

    def data_ids(self, visits: Sequence[int]) -> list[Any]:
        """Return the data IDs of all warps of some visits."""

    def insert(self, data_ids: Sequence[Any], run: str) -> list[Any]:
        """Insert datasets in one call; return their refs."""

    def add_paths(self, refs: Sequence[Any], run: str, directory: Path) -> None:
        """Insert the file records of datasets that have none, by the absolute path of `warp_path`."""

    def ingest(self, files: Sequence[tuple[Path, int]], dataset_type: str) -> None:
        """Register files of notes where they are, by visit."""

    def put_many(self, dataset_type: str, visits: Sequence[int]) -> None:
        """Put small datasets the fastest way there is."""

    def list_with_records(self) -> list[Any]:
        """Return all warps with their dimension records."""

    def pairs(self) -> int:
        """Return the number of pairs of a visit and a patch that overlap."""

    def close(self) -> None:
        """Close the butler."""


class Ours:
    """The butler of this project."""

    name = "coadd-butler"

    def __init__(self, root: Path) -> None:
        from butler import Butler

        self.root = root
        self.butler = Butler(root, run="run", instrument="HSC", skymap=SKY)

    @classmethod
    def make(cls, root: Path) -> Ours:
        """Make a repository with instrument and sky map, and open it."""
        from butler import Butler, DatasetType
        from butler.regions import SkyRegion

        Butler.makeRepo(root)
        with Butler(root, writeable=True) as first:
            for element, row in RECORDS.items():
                texts = {k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()}
                first.registry.insertDimensionData(element, texts)
        side = cls(root)
        registry = side.butler.registry
        with side.butler.transaction():
            whole = SkyRegion.from_polygon(*corners(0, 0, 10 * _SIDE_DEG))
            registry.insertDimensionData("tract", {"skymap": SKY, "id": 1, "region": whole})
            rows = [
                {**patch_row(p), "region": SkyRegion.from_polygon(*patch_corners(p))}
                for p in range(N_PATCHES)
            ]
            registry.insertDimensionData("patch", *rows)
            registry.registerDatasetType(DatasetType(WARP, WARP_DIMENSIONS, "ExposureF"))
            for name in ("note", "note_many", "note_file"):
                registry.registerDatasetType(DatasetType(name, ("instrument", "visit"), "StructuredDataDict"))
        return side

    def add_visits(self, visits: Sequence[int], *, regions: bool = True) -> None:
        """Insert the records of visits."""
        from butler.regions import SkyRegion

        region = SkyRegion.from_polygon(*corners(-0.01, -0.01, 10 * _SIDE_DEG + 0.02)) if regions else None
        rows = [{**visit_row(visit), "region": region} for visit in visits]
        self.butler.registry.insertDimensionData("visit", *rows)

    def data_ids(self, visits: Sequence[int]) -> list[Any]:
        """Return the data IDs of all warps of some visits."""
        from butler import DataCoordinate

        dimensions = self.butler.get_dataset_type(WARP).dimensions
        return [DataCoordinate.standardize(values, dimensions=dimensions) for values in warp_values(visits)]

    def insert(self, data_ids: Sequence[Any], run: str) -> list[Any]:
        """Insert datasets in one call; return their refs."""
        self.butler.registry.registerRun(run)
        refs: list[Any] = self.butler.registry.insertDatasets(WARP, data_ids, run=run)
        return refs

    def add_paths(self, refs: Sequence[Any], run: str, directory: Path) -> None:
        """Insert the file records of datasets that have none, by the absolute path of `warp_path`."""
        from butler.registry import FileRecord

        records = {
            ref.id: FileRecord(
                str(directory / warp_path(run, ref.dataId["visit"], ref.dataId["patch"])),
                "ExposureFits",
                211_700_000,
            )
            for ref in refs
        }
        self.butler.registry.files.insert(records)

    def ingest(self, files: Sequence[tuple[Path, int]], dataset_type: str) -> None:
        """Register files of notes where they are, by visit."""
        from butler import DatasetRef, FileDataset

        registered = self.butler.get_dataset_type(dataset_type)
        datasets = [
            FileDataset(
                path=path, refs=[DatasetRef(registered, {"instrument": "HSC", "visit": visit}, "run")]
            )
            for path, visit in files
        ]
        self.butler.ingest(*datasets, transfer="direct")

    def put_many(self, dataset_type: str, visits: Sequence[int]) -> None:
        """Put small datasets the fastest way there is."""
        from butler import DatasetRef

        registered = self.butler.get_dataset_type(dataset_type)
        self.butler.put_many(
            ({"visit": v}, DatasetRef(registered, {"instrument": "HSC", "visit": v}, "run")) for v in visits
        )

    def generate(self, visits: range) -> None:
        """Insert generated rows of the warps of visits, as a bulk insert of refs does after its checks."""
        database, datasets = self.butler.registry.database, self.butler.registry.datasets
        registered = datasets.get_type(WARP)
        run = self.butler.collections.get_info("run").id
        numbers = range(visits.start * N_PATCHES, visits.stop * N_PATCHES)
        ids = [(number << 64).to_bytes(16, "big") for number in numbers]
        statements = datasets._statements
        with database.transaction():
            database.run_many(statements.insert, ((i, registered.id, run, 0) for i in ids))
            rows = (
                tuple(values[name] for name in registered.type.dimensions.required)
                for values in warp_values(visits)
            )
            database.run_many(
                statements.tag(registered.tags),
                ((registered.id, run, *row, i) for row, i in zip(rows, ids, strict=True)),
            )

    def list_with_records(self) -> list[Any]:
        """Return all warps with their dimension records."""
        found: list[Any] = self.butler.query_datasets(
            WARP, collections="run", limit=None, with_dimension_records=True
        )
        return found

    def pairs(self) -> int:
        """Return the number of pairs of a visit and a patch that overlap."""
        return len(self.butler.query_data_ids(["visit", "patch"]))

    def close(self) -> None:
        """Close the butler."""
        self.butler.close()


class Peer:
    """LSST's butler."""

    name = "lsst-daf-butler"

    def __init__(self, root: Path) -> None:
        from lsst.daf.butler import Butler

        self.root = root
        self.butler = Butler.from_config(str(root), writeable=True, run="run", instrument="HSC", skymap=SKY)

    @classmethod
    def make(cls, root: Path) -> Peer:
        """Make a repository with instrument and sky map, and open it."""
        from lsst.daf.butler import Butler, DatasetType

        # YAML is the default for small dictionaries; JSON is what the other side writes.
        formatters = {"StructuredDataDict": _PEER_JSON}
        Butler.makeRepo(str(root), config={"datastore": {"formatters": formatters}})
        first = Butler.from_config(str(root), writeable=True, run="run")
        for element, row in RECORDS.items():
            first.registry.insertDimensionData(element, row)
        side = cls(root)
        registry, universe = side.butler.registry, side.butler.dimensions
        with side.butler.transaction():
            registry.insertDimensionData(
                "tract", {"skymap": SKY, "id": 1, "region": _polygon(*corners(0, 0, 10 * _SIDE_DEG))}
            )
            rows = [{**patch_row(p), "region": _polygon(*patch_corners(p))} for p in range(N_PATCHES)]
            registry.insertDimensionData("patch", *rows)
        registry.registerDatasetType(DatasetType(WARP, WARP_DIMENSIONS, "ExposureF", universe=universe))
        for name in ("note", "note_many", "note_file"):
            registry.registerDatasetType(
                DatasetType(name, ("instrument", "visit"), "StructuredDataDict", universe=universe)
            )
        return side

    def add_visits(self, visits: Sequence[int], *, regions: bool = True) -> None:
        """Insert the records of visits."""
        region = _polygon(*corners(-0.01, -0.01, 10 * _SIDE_DEG + 0.02)) if regions else None
        rows = [{**visit_row(visit), "region": region} for visit in visits]
        self.butler.registry.insertDimensionData("visit", *rows)

    def data_ids(self, visits: Sequence[int]) -> list[Any]:
        """Return the data IDs of all warps of some visits."""
        from lsst.daf.butler import DataCoordinate

        dimensions = self.butler.get_dataset_type(WARP).dimensions
        return [DataCoordinate.standardize(values, dimensions=dimensions) for values in warp_values(visits)]

    def insert(self, data_ids: Sequence[Any], run: str) -> list[Any]:
        """Insert datasets in one call; return their refs."""
        self.butler.registry.registerRun(run)
        refs: list[Any] = self.butler.registry.insertDatasets(WARP, data_ids, run=run)
        return refs

    def add_paths(self, refs: Sequence[Any], run: str, directory: Path) -> None:
        """Insert the file records of datasets that have none, by the absolute path of `warp_path`."""
        from lsst.daf.butler import FileDataset

        datasets = [
            FileDataset(
                path=str(_touched(directory / warp_path(run, ref.dataId["visit"], ref.dataId["patch"]))),
                refs=[ref],
                # The formatter of images is in a package that is not there.
                formatter=_PEER_JSON,
            )
            for ref in refs
        ]
        self.butler.ingest(*datasets, transfer="direct", record_validation_info=False)

    def ingest(self, files: Sequence[tuple[Path, int]], dataset_type: str) -> None:
        """Register files of notes where they are, by visit."""
        from lsst.daf.butler import DatasetRef, FileDataset

        registered = self.butler.get_dataset_type(dataset_type)
        data_ids = [self.butler.registry.expandDataId(instrument="HSC", visit=visit) for _, visit in files]
        datasets = [
            FileDataset(path=str(path), refs=[DatasetRef(registered, data_id, "run")])
            for (path, _), data_id in zip(files, data_ids, strict=True)
        ]
        self.butler.ingest(*datasets, transfer="direct")

    def put_many(self, dataset_type: str, visits: Sequence[int]) -> None:
        """Put small datasets the fastest way there is."""
        with self.butler.transaction():
            for visit in visits:
                self.butler.put({"visit": visit}, dataset_type, instrument="HSC", visit=visit)

    def list_with_records(self) -> list[Any]:
        """Return all warps with their dimension records."""
        found: list[Any] = self.butler.query_datasets(
            WARP, collections="run", limit=None, with_dimension_records=True
        )
        return found

    def pairs(self) -> int:
        """Return the number of pairs of a visit and a patch that overlap."""
        return len(self.butler.query_data_ids(["visit", "patch"], limit=None))

    def close(self) -> None:
        """Close the butler."""
        self.butler.close()


def side_of(name: str) -> type[Ours | Peer]:
    """Return a side by name."""
    return {Ours.name: Ours, Peer.name: Peer}[name]


def patch_corners(patch: int) -> tuple[list[float], list[float]]:
    """Return the corners of a patch."""
    return corners(patch % 10 * _SIDE_DEG, patch // 10 * _SIDE_DEG, _SIDE_DEG)


def warp_values(visits: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the data ID of each warp of some visits."""
    for visit in visits:
        for patch in range(N_PATCHES):
            yield {"instrument": "HSC", "skymap": SKY, "tract": 1, "patch": patch, "visit": visit}


def registry_bytes(root: Path) -> int:
    """Return the bytes in use in a repository's SQLite file."""
    (path,) = root.glob("*.sqlite3")
    with sqlite3.connect(path) as connection:
        one = [
            connection.execute(f"PRAGMA {p}").fetchone()[0]
            for p in ("page_count", "freelist_count", "page_size")
        ]
    return int((one[0] - one[1]) * one[2])


def _touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def _polygon(ra: Sequence[float], dec: Sequence[float]) -> Any:
    from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(r, d)) for r, d in zip(ra, dec, strict=True)])
