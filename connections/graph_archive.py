"""The format of saved graphs: what stands in which member of the archive, as checked values.

A saved graph is a ZIP archive of JSON texts, written and read block by block; a block has quanta of one
task::

    graph.json            GraphHeader: where the graph is from, its pipeline, and the list of blocks
    quanta/00000.json     QuantaColumns: UUIDs and data IDs of the quanta of a block
    datasets/00000.json   BlockDatasets: what they read and write

Values of many quanta or datasets stand together as columns; UUIDs are 16 bytes each, in base64. All of it is
data: nothing in it is executed, and numbers and lengths are checked before anything is made of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "FORMAT",
    "HEADER",
    "VERSION",
    "BlockDatasets",
    "BlockEntry",
    "DatasetColumns",
    "DroppedEntry",
    "Edges",
    "GraphHeader",
    "PlaceEntry",
    "QuantaColumns",
    "TaskEntry",
    "ValueColumn",
]

FORMAT: Final = "coadd-butler quantum graph"
VERSION: Final = 1
"""Version that is written; older ones that can be read would be listed beside it."""
HEADER: Final = "graph.json"

_Count = Annotated[int, Field(ge=0)]
_Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
ValueColumn = list[_Integer] | list[str]
"""Values of one dimension."""


class _Part(BaseModel):
    """What all parts have in common: bytes are base64, and there is nothing that is not expected."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class BlockEntry(_Part):
    """A block: quanta of one task."""

    label: str
    n_quanta: _Count
    n_datasets: _Count


class TaskEntry(_Part):
    """A task: its class, config, and the dataset types that it was planned with."""

    class_name: str
    dimensions: list[str]
    config: dict[str, Any]
    inputs: dict[str, str]
    """Dataset types by connection, prerequisites included; a component after a dot."""
    outputs: dict[str, str]


class PlaceEntry(_Part):
    """Where the outputs go; see `RunCollections`."""

    run: str
    inputs: list[str]
    chain: str | None
    children: list[str]
    replaced: str | None


class DroppedEntry(_Part):
    """Quanta that are not in the graph; see `DroppedQuanta`."""

    label: str
    reason: str
    count: _Count
    example: dict[str, _Integer | str] | None


class GraphHeader(_Part):
    """What is known of a graph without its quanta.

    `program` and `universe` are the versions of this package and of the dimensions, `repository` is the
    UUID of the repository; `types` are dataset types as `DatasetType.to_simple` has them.
    """

    format: Literal["coadd-butler quantum graph"] = FORMAT
    version: Literal[1] = VERSION
    id: str
    program: str
    universe: int
    repository: str
    created: str
    pipeline: str
    tasks: dict[str, TaskEntry]
    types: list[dict[str, Any]]
    place: PlaceEntry
    n_skipped: dict[str, _Count]
    dropped: list[DroppedEntry]
    blocks: list[BlockEntry]


class QuantaColumns(_Part):
    """Quanta of a block: UUIDs, and the values of each dimension, the implied ones last."""

    ids: bytes
    values: list[ValueColumn]


class DatasetColumns(_Part):
    """Datasets of one type: UUIDs, runs by their place in a list, and values of each dimension."""

    ids: bytes
    runs: list[str]
    run: list[_Count]
    values: list[ValueColumn]


class Edges(_Part):
    """Datasets of one connection: how many each quantum has, and which, by their place in the columns.

    Without `places` they are the first ones, in order.
    """

    counts: list[_Count]
    places: list[_Count] | None


class BlockDatasets(_Part):
    """Datasets of a block by dataset type, and who reads and writes them, by connection."""

    types: dict[str, DatasetColumns]
    inputs: dict[str, Edges]
    outputs: dict[str, Edges]
