"""Why a query finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ...dimensions import UNIVERSE
from ...errors import did_you_mean
from ..conditions import Column, columns_of
from ..dimension_store import DimensionRecordStore
from ..expression import Expression, Identifier, Literal, Node, walk
from ..where import CONSTANTS, Scope, Where
from .spec import DatasetSearch, QuerySpec

__all__ = ["why_empty"]

_MAX_TOLD: Final = 30
"""Most values of a dimension that an explanation lists."""
Find = Callable[[QuerySpec, tuple[DatasetSearch, ...]], Sequence[Any]]


def why_empty(
    find: Find, spec: QuerySpec, searches: tuple[DatasetSearch, ...], records: DimensionRecordStore
) -> list[str]:
    """Say which part of a query removes all rows, by asking again with one part at a time.

    Parameters
    ----------
    find
        Returns some rows of a query over some datasets.
    spec
        The query.
    searches
        Datasets that the result is about.
    records
        Where known values are looked up.

    Returns
    -------
    reasons
        At least one.
    """
    alone = replace(spec, where=(), data_id={}, defaults={}, joined=(), given=(), order_by=(), limit=1)
    missing = _missing_datasets(find, (*searches, *spec.joined))
    if missing:
        return missing
    if not find(alone, ()):
        # What has no region belongs together where datasets say so.
        alone = replace(alone, joined=spec.joined)
        if not (spec.joined and find(alone, ())):
            return [f"nothing exists with {spec.dimensions}: records are missing, or nothing overlaps"]
    reasons = [
        f"nothing has {key}={value!r}{_known_values(records, [(key, value)])}"
        for key, value in spec.data_id.items()
        if not find(replace(alone, data_id={key: value}), ())
    ]
    reasons += _idle_terms(find, alone, spec, records, searches, with_datasets=False)
    if reasons:
        return reasons
    if searches or spec.joined:
        joined = replace(alone, joined=spec.joined)
        reasons += [
            f"no dataset has {key}={value!r}"
            for key, value in spec.data_id.items()
            if not find(replace(joined, data_id={key: value}), searches)
        ]
        reasons += _idle_terms(find, joined, spec, records, searches, with_datasets=True)
    if not reasons and spec.given and not find(replace(alone, given=spec.given), ()):
        reasons = ["none of the given data IDs exists"]
    return reasons or ["each condition is fulfilled by something, but nothing fulfils all of them together"]


def _missing_datasets(find: Find, searches: Iterable[DatasetSearch]) -> list[str]:
    """Name the dataset types of which there is nothing at all."""
    reasons = []
    for search in searches:
        dimensions = search.registered.type.dimensions
        if not find(QuerySpec(dimensions, joined=(search,), limit=1), ()):
            path = ", ".join(run.name for run in search.runs) or "no run at all"
            reasons.append(f"no dataset of type {search.name!r} in {path}")
    return reasons


def _idle_terms(
    find: Find,
    alone: QuerySpec,
    spec: QuerySpec,
    records: DimensionRecordStore,
    datasets: tuple[DatasetSearch, ...],
    *,
    with_datasets: bool,
) -> list[str]:
    """Name the terms that nothing fulfils, or no dataset."""
    scope = Scope(spec.dimensions.elements, tuple(search.name for search in (*datasets, *spec.joined)))
    reasons = []
    for where in spec.where:
        for term in where.terms:
            columns = list(_columns(where, term, scope))
            if not with_datasets and any(column.of_dataset for column in columns):
                continue
            asked = replace(alone, where=(where.only(term),))
            if not find(asked, datasets if with_datasets else ()):
                which = f"the condition at column {term.position + 1} of " if len(where.terms) > 1 else ""
                told = _known_values(records, _keys(term, columns))
                what = "no dataset" if with_datasets else "nothing"
                reasons.append(f"{what} fulfils {which}{where.text!r}{told}")
    return reasons


def _columns(where: Where, term: Node, scope: Scope) -> Iterator[Column]:
    """Yield the columns that a term names."""
    for node in walk(term):
        constant = isinstance(node, Identifier) and node.name.upper() in CONSTANTS
        if isinstance(node, Identifier) and node.name not in where.bind and not constant:
            yield from columns_of(where.resolve(node, scope))


def _keys(term: Expression, columns: Iterable[Column]) -> list[tuple[str, Any]]:
    """Return the dimensions whose values a term names, with the one text that it compares them to."""
    texts = [node.value for node in walk(term) if isinstance(node, Literal)]
    only = texts[0] if len(texts) == 1 else None
    return [(name, only) for name in dict.fromkeys(c.name for c in columns if c.is_key)]


def _known_values(records: DimensionRecordStore, dimensions: Iterable[tuple[str, Any]]) -> str:
    """Return the values that some dimensions have, those that have few, and the nearest one."""
    told = []
    for name, asked in dimensions:
        if UNIVERSE[name].pixelization is not None:
            continue
        known = records.known_values(name, limit=_MAX_TOLD + 1)
        if not known:
            told.append(f"; there is no {name} record")
        elif len(known) <= _MAX_TOLD:
            told.append(f"; {name} is one of: {', '.join(map(str, known))}")
        if isinstance(asked, str) and asked not in known:
            hint = did_you_mean(asked, [str(value) for value in known])
            told.append(hint if "did you mean" in hint else "")
    return "".join(told)
