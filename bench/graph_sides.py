"""Repositories of warps for the graph benchmark, and the two builders of graphs behind the same verbs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from registry_sides import DAY, N_PATCHES, SKY, WARP, WARP_DIMENSIONS, corners

__all__ = ["BANDS", "Ours", "Peer", "Side", "side_of"]

BANDS = "grizy"
_SIDE_DEG = 0.2
_RUN = "warps"


class Side(Protocol):
    """What the benchmark asks of a middleware."""

    name: str

    @staticmethod
    def make(root: Path, n_tracts: int, visits_per_tract: int) -> None:
        """Make a repository in which each visit covers all patches of one tract."""

    @staticmethod
    def open(root: Path) -> Any:
        """Open a repository, with all of it imported that a graph needs."""

    @staticmethod
    def build(opened: Any, where: str) -> tuple[int, int, Any]:
        """Build the graph; return the numbers of quanta and of their inputs, and the graph."""


def place_of(tract: int) -> tuple[float, float]:
    """Return where a tract begins, in degrees from the first one."""
    return tract % 100 * 3.0, tract // 100 * 3.0


def static_rows(n_tracts: int) -> dict[str, list[dict[str, Any]]]:
    """Return dimension records of instrument, filters, day and sky map."""
    return {
        "instrument": [{"name": "HSC", "visit_max": 10**7, "exposure_max": 10**7, "detector_max": 112}],
        "physical_filter": [{"instrument": "HSC", "name": f"HSC-{b.upper()}", "band": b} for b in BANDS],
        "day_obs": [{"instrument": "HSC", "id": DAY}],
        "skymap": [
            {
                "name": SKY,
                "hash": b"0123456789abcdef0123",
                "tract_max": n_tracts,
                "patch_nx_max": 10,
                "patch_ny_max": 10,
            }
        ],
    }


def sky_rows(
    n_tracts: int, visits_per_tract: int, polygon: Any
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield records of tracts, patches and visits, with regions."""
    for tract in range(n_tracts):
        x, y = place_of(tract)
        yield "tract", [{"skymap": SKY, "id": tract, "region": polygon(*corners(x, y, 10 * _SIDE_DEG))}]
        yield (
            "patch",
            [
                {
                    "skymap": SKY,
                    "tract": tract,
                    "id": patch,
                    "cell_x": patch % 10,
                    "cell_y": patch // 10,
                    "region": polygon(
                        *corners(x + patch % 10 * _SIDE_DEG, y + patch // 10 * _SIDE_DEG, _SIDE_DEG)
                    ),
                }
                for patch in range(N_PATCHES)
            ],
        )
        covered = polygon(*corners(x - 0.01, y - 0.01, 10 * _SIDE_DEG + 0.02))
        yield (
            "visit",
            [
                {
                    "instrument": "HSC",
                    "id": visit,
                    "name": f"HSC{visit:08d}",
                    "physical_filter": f"HSC-{BANDS[visit % len(BANDS)].upper()}",
                    "day_obs": DAY,
                    "region": covered,
                }
                for visit in visits_of(tract, visits_per_tract)
            ],
        )


def visits_of(tract: int, visits_per_tract: int) -> range:
    """Return the visits that cover a tract."""
    return range(tract * visits_per_tract, (tract + 1) * visits_per_tract)


def warp_rows(tract: int, visits_per_tract: int) -> Iterator[dict[str, Any]]:
    """Yield the data IDs of the warps of a tract."""
    for visit in visits_of(tract, visits_per_tract):
        for patch in range(N_PATCHES):
            yield {"instrument": "HSC", "skymap": SKY, "tract": tract, "patch": patch, "visit": visit}


class Ours:
    """The middleware of this project."""

    name = "coadd-butler"

    @staticmethod
    def make(root: Path, n_tracts: int, visits_per_tract: int) -> None:
        """Make a repository; its rows are written as a bulk insert writes them, without refs before."""
        from butler import Butler, DatasetType
        from butler.regions import SkyRegion

        Butler.makeRepo(root)
        with Butler(root, writeable=True) as butler:
            registry = butler.registry
            with butler.transaction():
                for element, rows in static_rows(n_tracts).items():
                    texts = [
                        {k: v.hex() if isinstance(v, bytes) else v for k, v in row.items()} for row in rows
                    ]
                    registry.insertDimensionData(element, *texts)
                for element, rows in sky_rows(n_tracts, visits_per_tract, SkyRegion.from_polygon):
                    registry.insertDimensionData(element, *rows)
                registry.registerDatasetType(DatasetType(WARP, WARP_DIMENSIONS, "ExposureF"))
                registry.registerRun(_RUN)
            for tract in range(n_tracts):
                Ours._insert(butler, tract, visits_per_tract)

    @staticmethod
    def _insert(butler: Any, tract: int, visits_per_tract: int) -> None:
        from butler.datasets import make_dataset_id

        database, datasets = butler.registry.database, butler.registry.datasets
        registered, run = datasets.get_type(WARP), butler.collections.get_info(_RUN).id
        names = registered.type.dimensions.required
        rows = [tuple(row[name] for name in names) for row in warp_rows(tract, visits_per_tract)]
        ids = [make_dataset_id().bytes for _ in rows]
        with database.transaction():
            database.run_many(datasets._statements.insert, ((i, registered.id, run, 0) for i in ids))
            tags = ((registered.id, run, *row, i) for row, i in zip(rows, ids, strict=True))
            database.run_many(datasets._statements.tag(registered.tags), tags)

    @staticmethod
    def open(root: Path) -> Any:
        """Open a repository, with all of it imported that a graph needs."""
        from butler import Butler
        from connections import Pipeline

        importlib.import_module("connections.builder")
        tasks = {"stack": "graph_task:StackTask"}
        return Butler(root), Pipeline.from_values({"description": "coadds", "tasks": tasks})

    @staticmethod
    def build(opened: Any, where: str) -> tuple[int, int, Any]:
        """Build the graph; return the numbers of quanta and of their inputs, and the graph."""
        from connections import build_graph

        butler, pipeline = opened
        graph = build_graph(pipeline, butler, collections=[_RUN], run="out", where=where)
        return len(graph.quanta), sum(len(q.inputs["warps"]) for q in graph.quanta), graph


class Peer:
    """LSST's middleware."""

    name = "lsst-pipe-base"

    @staticmethod
    def make(root: Path, n_tracts: int, visits_per_tract: int) -> None:
        """Make a repository in which each visit covers all patches of one tract."""
        from lsst.daf.butler import Butler, DatasetType

        Butler.makeRepo(str(root))
        butler = Butler.from_config(str(root), writeable=True)
        registry = butler.registry
        with butler.transaction():
            for element, rows in static_rows(n_tracts).items():
                registry.insertDimensionData(element, *rows)
            for element, rows in sky_rows(n_tracts, visits_per_tract, _polygon):
                registry.insertDimensionData(element, *rows)
        dimensions = butler.dimensions
        registry.registerDatasetType(DatasetType(WARP, WARP_DIMENSIONS, "ExposureF", universe=dimensions))
        coadd = ("skymap", "tract", "patch", "band")
        registry.registerDatasetType(DatasetType("deepCoadd", coadd, "ExposureF", universe=dimensions))
        registry.registerRun(_RUN)
        for tract in range(n_tracts):
            registry.insertDatasets(WARP, list(warp_rows(tract, visits_per_tract)), run=_RUN)

    @staticmethod
    def open(root: Path) -> Any:
        """Open a repository, with all of it imported that a graph needs."""
        from lsst.daf.butler import Butler
        from lsst.pipe.base import Pipeline

        importlib.import_module("lsst.pipe.base.all_dimensions_quantum_graph_builder")
        pipeline = Pipeline("coadds")
        pipeline.addTask("graph_peer_task.StackTask", "stack")
        return Butler.from_config(str(root)), pipeline

    @staticmethod
    def build(opened: Any, where: str) -> tuple[int, int, Any]:
        """Build the graph; return the numbers of quanta and of their inputs, and the graph."""
        from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder

        butler, pipeline = opened
        builder = AllDimensionsQuantumGraphBuilder(
            pipeline.to_graph(), butler, where=where, input_collections=[_RUN], output_run="out"
        )
        graph = builder.build(attach_datastore_records=False)
        nodes = list(graph)
        return len(nodes), sum(len(node.quantum.inputs[WARP]) for node in nodes), graph


def side_of(name: str) -> type[Ours | Peer]:
    """Return a side by name."""
    return {Ours.name: Ours, Peer.name: Peer}[name]


def _polygon(ra: Any, dec: Any) -> Any:
    from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(r, d)) for r, d in zip(ra, dec, strict=True)])
