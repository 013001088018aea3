"""What the tests of exports, imports and transfers share: a filled repository, and a small export."""

from __future__ import annotations

import io
from pathlib import Path

from small_repository import NOTE, TOTAL, VISITS, WARP

from butler import Butler, CollectionType, DatasetRef
from butler.dimensions import UNIVERSE
from butler.transfer import ImportReport

HEADER = "description: Butler Data Repository Export\nversion: 1.0.2\nuniverse_version: 8\ndata:\n"
CAMERA = "- {type: dimension, element: instrument, records: [{name: Cam}]}\n"
DAYS = "- {type: dimension, element: day_obs, records: [{instrument: Cam, id: 20240101}]}\n"
LOG_TYPE = "- {type: dataset_type, name: log, dimensions: [instrument], storage_class: StructuredDataDict}\n"
LOG_ID = "11111111-2222-4333-8444-555555555555"
LOG = (
    "- type: dataset\n  dataset_type: log\n  run: r\n  records:\n"
    f"  - {{dataset_id: [!uuid '{LOG_ID}'], data_id: [{{instrument: Cam}}], path: r/log.json}}\n"
)


def import_text(butler: Butler, text: str, **kwargs: bool) -> ImportReport:
    """Import an export that is given as text."""
    return butler.import_(filename=io.StringIO(text), **{"without_datastore": True, **kwargs})


def contents_of(butler: Butler) -> dict[str, object]:
    """Return all that a repository holds, to be compared."""
    registry = butler.registry
    types = [registered.type for registered in registry.datasets.query_types()]
    refs = {
        (ref.id, ref.datasetType, ref.dataId, ref.run)
        for kind in types
        for run in registry.collections.query(collection_types=CollectionType.RUN)
        for ref in butler.query_datasets(kind, run, explain=False)
    }
    return {
        "records": {e: registry.records.fetch_all(e) for e in UNIVERSE.elements},
        "collections": {(i.name, i.type, i.doc, i.children) for i in registry.collections.query_info()},
        "types": types,
        "refs": refs,
        "files": set(registry.files.get([i for i, *_ in refs])),
    }


def fill(butler: Butler) -> list[DatasetRef]:
    """Put datasets of three types into two runs, chain and tag them; return them and the sky map."""
    refs = [butler.put({"n": visit}, NOTE, visit=visit) for visit in VISITS]
    butler.registry.registerRun("other", "of another night")
    refs.append(butler.put({"n": -1}, NOTE, visit=1, run="other"))
    refs.append(butler.put({"sum": 6}, TOTAL))
    refs.append(butler.put({"w": 1}, WARP, visit=1, tract=0, patch=0))
    butler.collections.register("chain", CollectionType.CHAINED, "both")
    butler.collections.register("outer", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["other", "run"])
    butler.collections.redefine_chain("outer", ["chain"])
    butler.collections.register("tagged", CollectionType.TAGGED)
    butler.registry.associate("tagged", refs[1:3])
    sky_map = butler.find_dataset("skyMap", collections="skymaps")
    assert sky_map is not None
    return [*refs, sky_map]


def export_all(butler: Butler, directory: Path, transfer: str | None = "copy") -> None:
    """Export everything that a repository holds."""
    with butler.export(directory=directory, transfer=transfer) as export:
        export.saveDatasets(
            ref
            for kind in butler.registry.datasets.query_types()
            for run in butler.collections.query(collection_types=CollectionType.RUN)
            for ref in butler.query_datasets(kind.type, run, explain=False)
        )
        for element in UNIVERSE.elements:
            if element != "band":
                export.saveDimensionData(element, butler.registry.records.fetch_all(element))
        for name in butler.collections.query():
            export.saveCollection(name)
