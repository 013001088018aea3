"""The one query of a graph: which data IDs there are, and which datasets they begin with."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from butler import Butler, DataCoordinate
from butler.dimensions import UNIVERSE, DimensionGroup
from butler.errors import EmptyQueryResultError, InvalidQueryError, did_you_mean
from butler.registry import Column, DatasetSearch, QuerySpec
from butler.registry.queries import KeyTable, Output

from .data_id_rows import DataIdRows, Fields, Key
from .dataset_lookup import DatasetLookup
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode, parent_name

__all__ = ["GraphQuery", "constraining_inputs"]

_CONSTANT: Final = frozenset({"all", "off"})


@dataclass(frozen=True)
class GraphQuery:
    """What a user asks for.

    Parameters
    ----------
    where, bind
        Condition on data IDs, and values for the ``:names`` in it.
    data_ids
        Tables of data IDs among which those of the graph must be, each of one group.
    constraint
        Names of the inputs that must exist for a data ID to count; ``("all",)`` or ``("off",)``.
    """

    where: str = ""
    bind: Mapping[str, Any] | None = None
    data_ids: Sequence[Sequence[DataCoordinate]] = ()
    constraint: Sequence[str] = ("all",)

    def run(
        self, nodes: Sequence[PipelineTaskNode], inputs: Iterable[str], butler: Butler, path: Sequence[str]
    ) -> DataIdRows:
        """Return the data IDs over all dimensions of some tasks; observations and sky join by overlap.

        Parameters
        ----------
        nodes
            The tasks.
        inputs
            Names of the dataset types that must exist for a data ID.
        butler
            Butler of the repository.
        path
            Collections to search, in order.

        Raises
        ------
        EmptyQueryResultError
            Raised if there are none; the message says why.
        MissingDatasetTypeError
            Raised if there is no such input.
        InvalidQueryError
            Raised if the condition is wrong.
        """
        registry = butler.registry
        searches = tuple(registry.search(name, path) for name in inputs)
        with butler.query() as query:
            asked = query.where(self.where, bind=self.bind).spec
        spec = replace(
            asked, dimensions=_dimensions(nodes), joined=searches, given=tuple(map(_table, self.data_ids))
        )
        # Of calibrations several can be valid; they are looked up for each quantum.
        told = [search for search in searches if not search.calibrations]
        rows = registry.queries.rows(spec, Output(spec.dimensions.required, tuple(_fields(told))))
        if not rows:
            raise EmptyQueryResultError("; ".join(registry.why_empty(spec)))
        runs = DatasetLookup(butler).run_names()
        datasets: dict[str, Fields] = {s.name: (s.registered.type, runs) for s in told}
        return _with_implied(butler, spec.dimensions, rows, datasets)

    def as_command(
        self, nodes: Sequence[PipelineTaskNode], inputs: Iterable[str], path: Sequence[str]
    ) -> str:
        """Return the command that lists the data IDs; arguments as for `run`."""
        words = ["butler", "query-data-ids", "REPO", *_dimensions(nodes).required]
        if types := ",".join(inputs):
            words += ["--datasets", types, "--collections", ",".join(path)]
        if self.where:
            words += ["--where", self.where]
        return shlex.join(words)


def constraining_inputs(pipeline: Pipeline, constraint: Sequence[str]) -> list[str]:
    """Return those of a pipeline's inputs that must exist for a data ID to count.

    Raises
    ------
    InvalidQueryError
        Raised for a name that is no input of the pipeline.
    """
    overall = pipeline.overall_inputs()
    for name in constraint:
        if name not in _CONSTANT and name not in overall:
            raise InvalidQueryError(
                f"{name!r} is no input of the pipeline{did_you_mean(name, overall)}; "
                "write all, off, or names of inputs"
            )
    if "off" in constraint:
        return []
    strict = {
        parent_name(connection)
        for node in pipeline.nodes
        for connection in node.connections.inputs.values()
        if not connection.deferGraphConstraint
    }
    wanted: Collection[str] = overall if "all" in constraint else constraint
    return [name for name in overall if name in strict and name in wanted]


def _dimensions(nodes: Iterable[PipelineTaskNode]) -> DimensionGroup:
    """Return the dimensions of some tasks and of their datasets, prerequisites aside."""
    groups = [UNIVERSE.conform(node.connections.dimensions) for node in nodes]
    for node in nodes:
        regular: list[Any] = [*node.connections.inputs.values(), *node.connections.outputs.values()]
        groups += [UNIVERSE.conform(connection.dimensions) for connection in regular]
    return UNIVERSE.empty.union(*groups)


def _table(data_ids: Sequence[DataCoordinate]) -> KeyTable:
    groups = {data_id.dimensions for data_id in data_ids}
    if len(groups) != 1:
        raise InvalidQueryError("a table of data IDs has at least one, and all of the same dimensions")
    return KeyTable(groups.pop().required, list(dict.fromkeys(d.required_values for d in data_ids)))


def _fields(searches: Iterable[DatasetSearch]) -> Iterable[Column]:
    for search in searches:
        yield Column(search.name, "run_number", "int", of_dataset=True)
        yield Column(search.name, "dataset_id", "uuid", of_dataset=True)


def _with_implied(
    butler: Butler, dimensions: DimensionGroup, rows: list[Key], datasets: Mapping[str, Fields]
) -> DataIdRows:
    """Return rows with implied values, which are looked up once for each visit, and not for each row."""
    plain = DataIdRows(dimensions, rows, {(): ()}, (), datasets)
    if not dimensions.implied:
        return plain
    drivers = UNIVERSE.conform(name for name in dimensions.required if UNIVERSE[name].implies).required
    keys = list(dict.fromkeys(plain.keys(drivers)))
    spec = QuerySpec(UNIVERSE.conform(drivers), given=(KeyTable(drivers, keys, exist=True),))
    found = butler.registry.queries.rows(spec, Output((*drivers, *dimensions.implied)))
    implied = {row[: len(drivers)]: row[len(drivers) :] for row in found}
    if len(implied) < len(keys):
        rows = [row for row, key in zip(rows, plain.keys(drivers), strict=True) if key in implied]
    return DataIdRows(dimensions, rows, implied, drivers, datasets)
