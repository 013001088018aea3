"""Where: a condition on data IDs as written, with the values bound to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ..dimensions import UNIVERSE, DimensionElement
from ..errors import InvalidQueryError, did_you_mean
from .conditions import Column, Span, ValueType, columns_of
from .expression import And, Bind, Expression, Identifier, Node, walk

__all__ = ["CONSTANTS", "DATASET_FIELDS", "TYPE_NAMES", "Scope", "Where", "element_fields", "validity"]

_LOG = logging.getLogger(__name__)
CONSTANTS: Final[Mapping[str, bool | None]] = {"NULL": None, "TRUE": True, "FALSE": False}
"""Names that mean a value, in capitals."""

DATASET_FIELDS: Final[Mapping[str, ValueType]] = {
    "dataset_id": "uuid",
    "ingest_date": "datetime",
    "run": "str",
    "collection": "str",
    "timespan": "timespan",
}
"""What a condition can say about datasets: `collection` is where one was found, `run` where it lives."""


TYPE_NAMES: Final[Mapping[type, ValueType]] = {int: "int", float: "float", str: "str", bool: "bool"}
"""Types of columns by the type of their values."""


class Scope(NamedTuple):
    """Where names are looked for."""

    elements: tuple[str, ...]
    """Elements whose fields need no qualification."""
    datasets: tuple[str, ...] = ()
    """Names of the dataset types that take part."""


@dataclass(frozen=True)
class Where:
    """A parsed expression with its binds.

    Parameters
    ----------
    text
        The expression, for messages.
    tree
        Its tree; None means always true.
    bind
        Values for ``:name``; a name without colon that is bound means the value, too.
    """

    text: str
    tree: Expression | None
    bind: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, bind: Mapping[str, Any] | None = None) -> Where:
        """Parse an expression.

        Raises
        ------
        InvalidQueryError
            Raised with the position of what is wrong.
        """
        tree = None
        if text and not text.isspace():
            # The parser is built with the first expression: most butlers see none.
            from .parser import parse_expression

            tree = parse_expression(text)
            if bind and tree is not None:
                _warn_of_shadows(text, tree, bind)
        return cls(text, tree, bind or {})

    @classmethod
    def parse_name(cls, name: str) -> Where:
        """Parse what must be the name of a column alone, for example to sort by.

        Raises
        ------
        InvalidQueryError
            Raised if it is anything else.
        """
        where = cls.parse(name)
        if not isinstance(where.tree, Identifier) or name.upper() in CONSTANTS:
            raise InvalidQueryError(f"{name!r} is not the name of a column")
        return where

    @property
    def terms(self) -> tuple[Expression, ...]:
        """Conditions that must all hold."""
        if self.tree is None:
            return ()
        return self.tree.operands if isinstance(self.tree, And) else (self.tree,)

    def only(self, term: Expression) -> Where:
        """Return one of the terms alone."""
        return replace(self, tree=term)

    def column(self, scope: Scope) -> Column | Span:
        """Return what an expression made by `parse_name` means."""
        assert isinstance(self.tree, Identifier)
        return self.resolve(self.tree, scope)

    def named(self, scope: Scope) -> Iterator[Column]:
        """Yield the columns that the expression names, also what decides nothing, as in ``x = 1 OR 1 = 1``.

        Raises as `resolve`.
        """
        for node in () if self.tree is None else walk(self.tree):
            if isinstance(node, Identifier) and node.name not in self.bind:
                if node.name.upper() in CONSTANTS:
                    continue
                yield from columns_of(self.resolve(node, scope))

    def error(self, node: Node, message: str) -> InvalidQueryError:
        """Return the error that points at a node."""
        from .parser import syntax_error

        return syntax_error(self.text, node.position, message)

    def resolve(self, node: Identifier, scope: Scope) -> Column | Span:
        """Return the column, or columns of a timespan, that a name means.

        Raises
        ------
        InvalidQueryError
            Raised if it means nothing, or several things.
        """
        owner, _, rest = node.name.partition(".")
        if not rest and UNIVERSE.is_dimension(owner):
            return _key(owner)
        element = UNIVERSE.find(owner)
        if rest and element is not None:
            return self._element_field(node, element, rest)
        if rest and owner != "timespan":
            return self._dataset_field(node, owner, rest, scope)
        return self._bare_field(node, owner, rest, scope)

    def _element_field(self, node: Identifier, element: DimensionElement, rest: str) -> Column | Span:
        fields = element_fields(element)
        name, _, bound = rest.partition(".")
        if name in fields:
            found = _bounded(fields[name], bound)
            if found is not None:
                return found
        known = [*fields, *(f"timespan.{b}" for b in ("begin", "end") if element.temporal)]
        raise self.error(node, f"{element.name} has no field {rest!r}{did_you_mean(rest, known)}")

    def _dataset_field(self, node: Identifier, owner: str, rest: str, scope: Scope) -> Column | Span:
        name, _, bound = rest.partition(".")
        if name not in DATASET_FIELDS and owner not in scope.datasets:
            hint = did_you_mean(owner, [*UNIVERSE.elements, *scope.datasets])
            raise self.error(node, f"no dimension or element {owner!r}{hint}")
        if owner not in scope.datasets:
            joined = f"; those that do: {', '.join(scope.datasets)}" if scope.datasets else ""
            raise self.error(node, f"no dataset type {owner!r} takes part in the query{joined}")
        found = _bounded(_dataset_columns(owner)[name], bound) if name in DATASET_FIELDS else None
        if found is None:
            hint = did_you_mean(rest, DATASET_FIELDS)
            raise self.error(node, f"datasets have no field {rest!r}{hint}")
        return found

    def _bare_field(self, node: Identifier, name: str, bound: str, scope: Scope) -> Column | Span:
        fields = {e: element_fields(UNIVERSE[e]) for e in scope.elements}
        having: dict[str, Column | Span] = {e: own[name] for e, own in fields.items() if name in own}
        if name in DATASET_FIELDS:
            having |= {d: _dataset_columns(d)[name] for d in scope.datasets}
        if len(having) > 1:
            choices = ", ".join(f"{owner}.{node.name}" for owner in having)
            raise self.error(node, f"{node.name!r} is ambiguous: write one of {choices}")
        for meant in having.values():
            found = _bounded(meant, bound)
            if found is not None:
                return found
        candidates = {*UNIVERSE.names, *self.bind, *(f for own in fields.values() for f in own)}
        if scope.datasets:
            candidates |= set(DATASET_FIELDS)
        raise self.error(node, f"unknown name {node.name!r}{did_you_mean(node.name, candidates)}")


def element_fields(element: DimensionElement) -> dict[str, Column | Span]:
    """Return what can be said about an element, by the name after its own and a dot."""
    known = _FIELDS.get(element.name)
    if known is None:
        known = {name: _key(name) for name in (*element.required, *element.implies)}
        if element.key is not None:
            known[element.key.name] = known.pop(element.name)
        for each in element.fields:
            known[each.name] = Column(element.name, each.name, TYPE_NAMES[each.type])
        if element.spatial:
            known["region"] = Column(element.name, "region", "region")
        if element.temporal:
            known["timespan"] = Span(
                Column(element.name, "timespan_begin", "datetime"),
                Column(element.name, "timespan_end", "datetime"),
            )
        _FIELDS[element.name] = known
    return known


_FIELDS: Final[dict[str, dict[str, Column | Span]]] = {}


def _key(dimension: str) -> Column:
    key = UNIVERSE[dimension].key
    return Column(dimension, dimension, TYPE_NAMES[key.type if key else str])


def _dataset_columns(dataset_type: str) -> dict[str, Column | Span]:
    """Return the fields of a dataset type; its timespan is that in which a dataset is valid."""
    found: dict[str, Column | Span] = {
        name: Column(dataset_type, name, kind, of_dataset=True) for name, kind in DATASET_FIELDS.items()
    }
    found["timespan"] = validity(dataset_type)
    return found


def validity(dataset_type: str) -> Span:
    """Return the timespan of datasets: always, but in a CALIBRATION collection."""
    begin, end = (
        Column(dataset_type, f"timespan_{bound}", "datetime", of_dataset=True) for bound in ("begin", "end")
    )
    return Span(begin, end)


def _bounded(meant: Column | Span, bound: str) -> Column | Span | None:
    """Return a column, or the bound of a span that is asked for; None if there is none such."""
    if not bound:
        return meant
    if not isinstance(meant, Span) or bound not in ("begin", "end"):
        return None
    scalar = meant.begin if bound == "begin" else meant.end
    return scalar if isinstance(scalar, Column) else None


def _warn_of_shadows(text: str, tree: Expression, bind: Mapping[str, Any]) -> None:
    """Warn of ``band = :band``, which compares a value with itself: as in LSST, binds go before columns."""
    nodes = list(walk(tree))
    given = {node.name for node in nodes if isinstance(node, Bind)}
    for name in sorted({n.name for n in nodes if isinstance(n, Identifier) and n.name in bind} & given):
        _LOG.warning(
            "in %r the name %s means the bound value %r, as :%s does; give the bind another name to compare "
            "the column %s with it",
            text,
            name,
            bind[name],
            name,
            name,
        )
