"""Question: a query whose names, types and constants are known, ready to become SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ...dimensions import GOVERNORS, UNIVERSE, DimensionGroup, coerce_value
from ...errors import InvalidQueryError, did_you_mean
from ..conditions import (
    AllOf,
    AnyOf,
    Column,
    Compared,
    Condition,
    Constant,
    InSteps,
    Member,
    Span,
    SpansOverlap,
    columns_of,
)
from ..where import Scope, Where, element_fields, validity
from ..where_binder import bind_where
from .spec import DatasetSearch, KeyTable, QuerySpec

__all__ = ["Output", "Question", "ask"]

_MAX_STEPS: Final = 100_000
"""Most values of a range that are counted as named one by one."""


@dataclass(frozen=True, slots=True)
class Output:
    """What each row of an answer holds.

    Parameters
    ----------
    keys
        Dimensions.
    fields
        Further columns, of elements or datasets.
    constant
        Those of the keys that are left out, because they have one value in all rows.
    """

    keys: tuple[str, ...]
    fields: tuple[Column, ...] = ()
    constant: tuple[str, ...] = ()

    @property
    def read_keys(self) -> tuple[str, ...]:
        """Dimensions whose values are in the rows."""
        return tuple(name for name in self.keys if name not in self.constant)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query whose names, types and constants are known.

    Parameters
    ----------
    result
        Dimensions whose combinations are asked for.
    group
        All dimensions that take part.
    terms
        Conditions that must all hold.
    values
        Their constants.
    searches, given
        Datasets and data IDs that are joined.
    order
        Columns to sort by, and whether descending.
    limit
        Most rows, without sign; all if None.
    """

    result: DimensionGroup
    group: DimensionGroup
    terms: tuple[Condition, ...]
    values: list[Any]
    searches: tuple[DatasetSearch, ...] = ()
    given: tuple[KeyTable, ...] = ()
    order: tuple[tuple[Column, bool], ...] = ()
    limit: int | None = None

    @property
    def shape(self) -> tuple[Any, ...]:
        """What the statement depends on, besides constants and given data IDs."""
        searches = tuple(search.shape for search in self.searches)
        return self.result.required, self.group.required, self.terms, searches, self.order, self.limit

    def fixed_values(self, dimension: str) -> list[Any] | None:
        """Return the values that a condition leaves to a dimension; None if no condition names them."""
        found = (_fixed_values(term, dimension, self.values) for term in self.terms)
        return next((values for values in found if values is not None), None)

    def constants(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the only value that conditions leave to each of some dimensions that have but one."""
        found = ((name, self.fixed_values(name)) for name in names)
        return {
            name: values[0]
            for name, values in found
            if values is not None and len(values) == 1 and type(values[0]) is _key_class(name)
        }

    def without(self, dropped: Iterable[Condition]) -> Question:
        """Return the question without some of its terms."""
        gone = list(dropped)
        return replace(self, terms=tuple(t for t in self.terms if not any(t is d for d in gone)))


def _key_class(dimension: str) -> type:
    key = UNIVERSE[dimension].key
    return str if key is None else key.type


def _fixed_values(term: Condition, dimension: str, values: list[Any]) -> list[Any] | None:
    """Return the values that a term leaves to a dimension, None if it does not name them."""
    match term:
        case (
            Compared(operator="=", left=Column() as key, right=Constant(slot=slot))
            | Compared(operator="=", left=Constant(slot=slot), right=Column() as key)
        ) if key.is_key and key.name == dimension:
            return [values[slot]]
        case Member(operand=Column() as key, items=items, listed=listed) if (
            key.is_key and key.name == dimension and all(isinstance(item, Constant) for item in items)
        ):
            found = [values[item.slot] for item in items if isinstance(item, Constant)]
            return list(dict.fromkeys(found + (values[listed.slot] if listed is not None else [])))
        case InSteps(operand=Column() as key) if key.is_key and key.name == dimension:
            first, last, step = (values[c.slot] for c in (term.first, term.last, term.step))
            steps = range(first, last + 1, step)
            return list(steps) if len(steps) <= _MAX_STEPS else None
        case AnyOf(parts=parts):
            known = [_fixed_values(part, dimension, values) for part in parts]
            every = [value for each in known if each is not None for value in each]
            return list(dict.fromkeys(every)) if None not in known else None
    return None


def ask(
    spec: QuerySpec, searches: tuple[DatasetSearch, ...], check_governor: Callable[[str, str], None]
) -> Question:
    """Return the question that a query asks.

    Parameters
    ----------
    spec
        The query.
    searches
        Datasets that the result is about; their fields may sort it.
    check_governor
        Called with an instrument-like dimension of which nothing is said although the second argument, a
        dimension that depends on it, is asked for by value; raises if there are several.

    Raises
    ------
    InvalidQueryError
        Raised for unknown names, types that do not fit, or an impossible order.
    """
    joined = (*searches, *spec.joined)
    base = spec.dimensions.union(
        spec.with_dimensions,
        UNIVERSE.conform(spec.data_id),
        *(search.registered.type.dimensions for search in joined),
        *(UNIVERSE.conform(table.names) for table in spec.given),
    )
    scope = Scope(base.elements, tuple(dict.fromkeys(search.name for search in joined)))
    values: list[Any] = []
    terms: list[Condition] = []
    for name, value in spec.data_id.items():
        terms.append(_equals(name, value, values))
    for where in spec.where:
        terms += bind_where(where, scope, values)
    terms = [part for term in terms for part in (term.parts if isinstance(term, AllOf) else (term,))]
    columns = list(dict.fromkeys(column for term in terms for column in columns_of(term)))
    # What is named takes part, even where its value decides nothing.
    named = {*columns, *(column for where in spec.where for column in where.named(scope))}
    needed = {n for c in named if not c.of_dataset for n in UNIVERSE[c.owner].required}
    group = base.union(UNIVERSE.conform(needed))
    for governor in _open_governors(group, columns):
        if governor in spec.defaults:
            terms.append(_equals(governor, spec.defaults[governor], values))
        else:
            dependent = [c.name for c in columns if c.is_key and governor in UNIVERSE[c.name].requires]
            if dependent:
                check_governor(governor, dependent[0])
    terms += _at_their_times(joined, group, terms)
    order = tuple(_order_column(name, spec, searches) for name in spec.order_by)
    limit = None if spec.limit is None else abs(spec.limit)
    return Question(spec.dimensions, group, tuple(terms), values, joined, spec.given, order, limit)


def _at_their_times(
    searches: Iterable[DatasetSearch], group: DimensionGroup, terms: Sequence[Condition]
) -> list[Condition]:
    """Return the conditions that calibrations are valid at the times of a row, if it has any."""
    element = group.timespan_dimension
    if element is None:
        return []
    time = element_fields(UNIVERSE[element])["timespan"]
    assert isinstance(time, Span)
    return [
        SpansOverlap(validity(search.name), time)
        for search in searches
        if search.calibrations and not any(_connects(term, search.name) for term in terms)
    ]


def _connects(term: Condition, dataset_type: str) -> bool:
    """Tell whether a condition says itself at which times of a row a calibration is to be valid."""
    if not isinstance(term, SpansOverlap):
        return False
    owners = {(column.owner, column.of_dataset) for column in columns_of(term)}
    return (dataset_type, True) in owners and len(owners) > 1


def _equals(dimension: str, value: Any, values: list[Any]) -> Condition:
    key = UNIVERSE[dimension].key
    values.append(coerce_value(dimension, value))
    kind: Any = (key.type if key else str).__name__
    column = Column(dimension, dimension, kind)
    return Compared("=", column, Constant(len(values) - 1, kind))


def _open_governors(group: DimensionGroup, columns: Iterable[Column]) -> list[str]:
    """Return the governors that no condition names by a key."""
    named = {c.owner for c in columns if c.is_key or _is_alternate(c)}
    return [name for name in GOVERNORS if name in group and name not in named]


def _is_alternate(column: Column) -> bool:
    if column.of_dataset:
        return False
    return any(field.name == column.name for field in UNIVERSE[column.owner].alternates)


def _order_column(name: str, spec: QuerySpec, searches: tuple[DatasetSearch, ...]) -> tuple[Column, bool]:
    """Return a column to sort by; others than the result's could repeat its rows."""
    where = Where.parse_name(name.removeprefix("-"))
    datasets = tuple(search.name for search in searches)
    found = where.column(Scope(spec.dimensions.elements, datasets))
    if isinstance(found, Span):
        raise InvalidQueryError(f"cannot order by {name!r}, a timespan; write {name}.begin or {name}.end")
    if found.type == "region":
        raise InvalidQueryError(f"cannot order by {name!r}, a region")
    if not found.of_dataset and found.owner not in spec.dimensions.elements:
        hint = did_you_mean(name, spec.dimensions.names)
        raise InvalidQueryError(f"cannot order by {name!r}: it is not part of the result{hint}")
    return found, name.startswith("-")
