"""Conditions on the sky: which keys have regions that overlap, found before the rest is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from ...dimensions import UNIVERSE, DimensionGroup
from ...errors import InvalidQueryError
from ...regions import SkyPixelization, SkyRegion, overlapping
from ..conditions import Column, Condition, Constant, RegionsOverlap, columns_of, parts_of
from ..schema import BOUND_COLUMNS
from ..sky_cells import candidate_pairs, cells_near
from .plan import Plan
from .question import Output, Question
from .spec import DatasetSearch, KeyTable
from .uploads import Upload

__all__ = ["SkySearch", "resolve_sky"]

_MAX_PIXELS: Final = 1_000_000
"""Most pixels of the sky that one region may cover."""
_MAX_CELLS: Final = 500

Run = Callable[
    [Question, Output, Sequence[Upload], Callable[[Plan], list[sa.ColumnElement[bool]]]], list[Any]
]
"""Asks a question and returns its rows."""


@dataclass(frozen=True, slots=True)
class SkySearch:
    """What conditions on the sky leave to be asked.

    Parameters
    ----------
    question
        The question without those of its terms that `joined` stands for.
    joined
        Keys that rows must have.
    overlaps
        Keys for which conditions below OR and NOT hold.
    answer
        The keys of the rows, if nothing is left to be asked.
    """

    question: Question
    joined: tuple[Upload, ...] = ()
    overlaps: dict[RegionsOverlap, Upload] | None = None
    answer: KeyTable | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Records with regions: their keys, encoded regions and boxes."""

    names: tuple[str, ...]
    keys: list[tuple[Any, ...]]
    regions: list[bytes]
    boxes: NDArray[np.float64]


def resolve_sky(question: Question, run: Run) -> SkySearch:
    """Find the keys that fulfil the conditions on the sky, the automatic one included.

    Raises
    ------
    InvalidQueryError
        Raised for a condition between regions of one family, if it is not clear what should overlap, or if
        a region covers too many pixels.
    """
    leaves = list(
        dict.fromkeys(p for t in question.terms for p in parts_of(t) if isinstance(p, RegionsOverlap))
    )
    pairs = [leaf for leaf in leaves if isinstance(leaf.second, Column)]
    for leaf in pairs:
        _check_pair(leaf)
    automatic = _automatic(question, pairs)
    pixels = [n for n in question.group.skypix if not _is_provided(n, question)]
    if not leaves and automatic is None and not pixels:
        return SkySearch(question, tuple(Upload.of_keys(table) for table in question.given))
    return _Resolver(question, run).resolve(leaves, automatic)


def _check_pair(leaf: RegionsOverlap) -> None:
    assert isinstance(leaf.second, Column)
    first, second = UNIVERSE[leaf.first.owner], UNIVERSE[leaf.second.owner]
    if first.family == second.family:
        raise InvalidQueryError(
            f"{first.name}.region OVERLAPS {second.name}.region is not necessary: "
            "what belongs together is told by their keys"
        )


def _automatic(question: Question, pairs: Iterable[RegionsOverlap]) -> RegionsOverlap | None:
    """Return the condition that connects two families of regions which nothing else connects."""
    chosen = question.group.region_elements
    groups = {family: {family} for family in chosen}

    def connect(one: str, two: str) -> None:
        merged = groups[one] | groups[two]
        groups.update(dict.fromkeys(merged, merged))

    for pair in pairs:
        assert isinstance(pair.second, Column)
        connect(*(UNIVERSE[side.owner].family or "" for side in (pair.first, pair.second)))
    for held in _vouching(question):
        inside = [family for family, element in chosen.items() if element in held]
        for family in inside[1:]:
            connect(inside[0], family)
    parts = {id(group): group for group in groups.values()}
    if len(parts) < 2:
        return None
    if len(chosen) > 2:
        names = ", ".join(f"{element}.region" for element in chosen.values())
        raise InvalidQueryError(
            f"it is not clear which of {names} should overlap which; say it with OVERLAPS"
        )
    first, second = chosen.values()
    return RegionsOverlap(_region(first), _region(second))


def _vouching(question: Question) -> list[tuple[str, ...]]:
    """Return the elements of datasets and data IDs that exist together."""
    groups = [search.registered.type.dimensions for search in question.searches]
    groups += [UNIVERSE.conform(table.names) for table in question.given]
    return [group.elements for group in groups]


def _region(element: str) -> Column:
    return Column(element, "region", "region")


def _is_provided(pixel: str, question: Question) -> bool:
    """Tell whether datasets or data IDs have the values of a pixel dimension."""
    groups: list[Iterable[str]] = [search.registered.type.dimensions for search in question.searches]
    return any(pixel in group for group in [*groups, *(table.names for table in question.given)])


class _Resolver:
    """Finds the keys for one question; parameters as `resolve_sky`."""

    def __init__(self, question: Question, run: Run) -> None:
        self._run = run
        self._whole = question
        # Parts of the question are asked without its order, and without conditions on the sky.
        terms = [t for t in question.terms if not any(isinstance(p, RegionsOverlap) for p in parts_of(t))]
        self._plain = replace(question, terms=tuple(terms), order=(), limit=None)
        self._given: list[KeyTable] = list(question.given)
        self._applied: list[Condition] = []

    def resolve(self, leaves: Sequence[RegionsOverlap], automatic: RegionsOverlap | None) -> SkySearch:
        top = [term for term in self._whole.terms if isinstance(term, RegionsOverlap)]
        shapes = [leaf for leaf in top if isinstance(leaf.second, Constant)]
        for leaf in shapes:
            self._given.append(self._near_shape(leaf))
        joins = [leaf for leaf in top if isinstance(leaf.second, Column)]
        for leaf in [*joins, *([automatic] if automatic is not None else [])]:
            self._given.append(self._pairs(leaf))
        self._name_pixels()
        nested = {leaf: self._below(leaf) for leaf in leaves if not any(leaf is t for t in top)}
        question = self._whole.without(top)
        tables = tuple(Upload.of_keys(table) for table in self._given)
        return SkySearch(question, tables, nested, self._answer())

    def _answer(self) -> KeyTable | None:
        """Return the pairs of keys, if that is all that is asked for."""
        whole = self._whole
        if len(self._given) != 1 or whole.given or whole.searches or whole.order:
            return None
        (table,) = self._given
        if table.names != whole.result.required or whole.group.elements != whole.result.elements:
            return None
        if any(UNIVERSE[element].always_join for element in whole.group.elements):
            return None
        applied = all(any(term is done for done in self._applied) for term in whole.terms)
        return table if applied else None

    def _below(self, leaf: RegionsOverlap) -> Upload:
        found = self._near_shape(leaf) if isinstance(leaf.second, Constant) else self._pairs(leaf)
        return Upload.of_keys(found)

    def _near_shape(self, leaf: RegionsOverlap) -> KeyTable:
        """Return the keys whose region overlaps a given one."""
        assert isinstance(leaf.second, Constant)
        shape: SkyRegion = self._whole.values[leaf.second.slot]
        element = leaf.first.owner
        pixels = UNIVERSE[element].pixelization
        if pixels is not None and not self._has_values(element):
            return KeyTable((element,), [(i,) for i in _pixels_of(pixels, shape)])
        side = self._side(element, UNIVERSE[element].required, shape)
        every = np.arange(len(side.keys))
        inside = overlapping(side.regions, [shape.encode()], every, np.zeros_like(every))
        return KeyTable(side.names, [side.keys[i] for i in np.flatnonzero(inside).tolist()], exist=True)

    def _pairs(self, leaf: RegionsOverlap) -> KeyTable:
        """Return the pairs of keys whose regions overlap."""
        assert isinstance(leaf.second, Column)
        names = [leaf.first.owner, leaf.second.owner]
        if UNIVERSE[names[0]].pixelization is not None:
            names.reverse()
        first, second = names
        if UNIVERSE[first].pixelization is not None and not self._has_values(first):
            raise InvalidQueryError(f"{first} and {second} have too many pixels to list; name some of one")
        own, other = (self._own(a, b) for a, b in ((first, second), (second, first)))
        pixels = UNIVERSE[second].pixelization
        if pixels is not None and not self._has_values(second):
            return _covered(self._side(first, own), second, pixels)
        if self._is_narrow(other) and not self._is_narrow(own):
            (first, own), (second, other) = (second, other), (first, own)
        one = self._side(first, own)
        two = self._side(second, other, one.boxes)
        i, j = candidate_pairs(one.boxes, two.boxes)
        inside = overlapping(one.regions, two.regions, i, j)
        return _together(one, i[inside], two, j[inside])

    def _name_pixels(self) -> None:
        """Add the pixels that conditions name and nothing else brings in."""
        for name in self._whole.group.skypix:
            ids = self._whole.fixed_values(name)
            if ids is not None and not self._is_given(name):
                pixels = UNIVERSE[name].pixelization
                assert pixels is not None
                self._given.append(KeyTable((name,), [(i,) for i in ids if i in pixels.ids]))

    def _is_given(self, pixel: str) -> bool:
        return _is_provided(pixel, replace(self._plain, given=tuple(self._given)))

    def _has_values(self, pixel: str) -> bool:
        return self._is_given(pixel) or self._whole.fixed_values(pixel) is not None

    def _own(self, element: str, other: str) -> tuple[str, ...]:
        """Return the dimensions that take part and have nothing to do with the other element."""
        mine = set(UNIVERSE.conform(UNIVERSE[element].required).names)
        foreign = set(UNIVERSE.conform(UNIVERSE[other].required).names) - mine
        return tuple(
            name for name in self._whole.group.names if not foreign & {name, *UNIVERSE[name].required}
        )

    def _is_narrow(self, dimensions: Iterable[str]) -> bool:
        """Tell whether something restricts dimensions to a part of their values."""
        known = set(dimensions)
        governed = any(
            not c.is_key or UNIVERSE[c.name].requires
            for term in self._terms_within(known)
            for c in columns_of(term)
        )
        tables = [table.names for table in self._given]
        tables += [search.registered.type.dimensions.names for search in self._plain.searches]
        return governed or any(known.issuperset(names) for names in tables)

    def _terms_within(self, dimensions: set[str]) -> list[Condition]:
        return [t for t in self._plain.terms if all(_dimensions(c) <= dimensions for c in columns_of(t))]

    def _side(
        self, element: str, own: Iterable[str], near: SkyRegion | NDArray[np.float64] | None = None
    ) -> _Side:
        """Return the records of an element that what concerns some dimensions alone leaves over.

        Parameters
        ----------
        element
            The element.
        own
            The dimensions.
        near
            What the regions must be near to: a region, or boxes, shape ``(n, 6)``.
        """
        known = {name for o in own for name in UNIVERSE.conform([o]).names} | set(own)
        searches = [s for s in self._plain.searches if known.issuperset(s.registered.type.dimensions.names)]
        searches = [
            s for s in searches if set(s.registered.type.dimensions.names) & set(UNIVERSE[element].required)
        ]
        given = [t for t in self._given if known.issuperset(t.names)]
        terms = self._terms_within(known)
        self._applied += terms
        part = replace(
            self._plain,
            result=UNIVERSE.conform(UNIVERSE[element].required),
            group=_group(element, terms, searches, given),
            terms=tuple(terms),
            searches=tuple(searches),
            given=tuple(given),
        )
        if UNIVERSE[element].pixelization is not None:
            return self._pixel_side(element, part)
        fields = tuple(Column(element, name, "float") for name in BOUND_COLUMNS)
        output = Output(UNIVERSE[element].required, (_region(element), *fields))
        box = _hull(near)
        rows = self._run(
            part, output, [Upload.of_keys(t) for t in given], lambda plan: _nearness(plan, element, box)
        )
        width = len(output.keys)
        return _Side(
            output.keys,
            [tuple(row[:width]) for row in rows],
            [bytes(row[width]) for row in rows],
            np.array([row[width + 1 :] for row in rows], dtype=float).reshape(-1, 6),
        )

    def _pixel_side(self, element: str, part: Question) -> _Side:
        """Return the pixels that datasets, data IDs or conditions name."""
        pixels = UNIVERSE[element].pixelization
        assert pixels is not None
        ids = self._whole.fixed_values(element)
        if ids is None:
            uploads = [Upload.of_keys(table) for table in part.given]
            ids = [row[0] for row in self._run(part, Output((element,)), uploads, lambda plan: [])]
        known = [pixel for pixel in ids if pixel in pixels.ids]
        regions = [pixels.region(pixel) for pixel in known]
        boxes = np.array([region.bounding_vectors() for region in regions]).reshape(-1, 6)
        return _Side((element,), [(pixel,) for pixel in known], [r.encode() for r in regions], boxes)


def _dimensions(column: Column) -> set[str]:
    """Return the dimensions that a condition on a column is about; of a dataset they are not known here."""
    if column.of_dataset:
        return {"a dataset"}
    return set(UNIVERSE[column.owner].required)


def _group(
    element: str, terms: Iterable[Condition], searches: Iterable[DatasetSearch], given: Iterable[KeyTable]
) -> DimensionGroup:
    named = {n for t in terms for c in columns_of(t) for n in UNIVERSE[c.owner].required}
    return UNIVERSE.conform(UNIVERSE[element].required).union(
        UNIVERSE.conform(named),
        *(search.registered.type.dimensions for search in searches),
        *(UNIVERSE.conform(table.names) for table in given),
    )


def _together(one: _Side, i: NDArray[np.intp], two: _Side, j: NDArray[np.intp]) -> KeyTable:
    """Return pairs of keys, given by their positions, in canonical order of names and values."""
    held = {name: (one, i, k) for k, name in enumerate(one.names)}
    held |= {name: (two, j, k) for k, name in enumerate(two.names)}
    names = tuple(UNIVERSE.sorted(held))
    columns, ranks = [], []
    for name in names:
        side, positions, k = held[name]
        values = np.array([key[k] for key in side.keys])
        columns.append(values.astype(object)[positions])
        ranks.append(np.unique(values, return_inverse=True)[1][positions])
    order = np.lexsort(ranks[::-1])
    return KeyTable(
        names, list(zip(*[column[order].tolist() for column in columns], strict=True)), exist=True
    )


def _covered(side: _Side, pixel: str, pixels: SkyPixelization) -> KeyTable:
    """Return the keys of regions with the pixels that they overlap."""
    rows = [
        (*key, number)
        for key, encoded in zip(side.keys, side.regions, strict=True)
        for number in _pixels_of(pixels, SkyRegion.decode(encoded))
    ]
    return KeyTable((*side.names, pixel), rows, exist=True)


def _pixels_of(pixels: SkyPixelization, region: SkyRegion) -> list[int]:
    try:
        return pixels.overlapping(region, limit=_MAX_PIXELS)
    except ValueError as error:
        raise InvalidQueryError(str(error)) from error


def _hull(near: SkyRegion | NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the box around a region, or around boxes, shape ``(6,)``; None around everything."""
    if near is None:
        return None
    if isinstance(near, SkyRegion):
        return np.array(near.bounding_vectors())
    if not len(near):
        return np.array([1.0, 0.0] * 3)
    return np.asarray(np.where([True, False] * 3, near.min(axis=0), near.max(axis=0)), dtype=float)


def _nearness(plan: Plan, element: str, box: NDArray[np.float64] | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a region is known and its box meets another one."""
    columns = plan.element_table(element).c
    found: list[sa.ColumnElement[bool]] = [columns.region.is_not(None)]
    if box is None:
        return found
    cells, ranges = cells_near(box[np.newaxis], limit=_MAX_CELLS)
    near = [columns.sky_cell.between(first, last) for first, last in ranges]
    if len(cells):
        # One piece of SQL: to compile hundreds of numbers one by one takes longer than to look them up.
        listed: sa.ColumnElement[Any] = sa.literal_column(f"({', '.join(map(str, cells.tolist()))})")
        near.append(columns.sky_cell.bool_op("IN")(listed))
    found.append(sa.or_(*near))
    for low, high, first, last in zip(
        BOUND_COLUMNS[::2], BOUND_COLUMNS[1::2], box[::2], box[1::2], strict=True
    ):
        found += [columns[low] <= float(last), columns[high] >= float(first)]
    return found
