"""Where: a condition on data IDs, parsed, with the values bound to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..dimensions import UNIVERSE
from ..errors import InvalidQueryError, did_you_mean
from .expression import And, Expression, Identifier, Node, walk

__all__ = ["CONSTANTS", "Where", "is_constant"]

CONSTANTS: Final[Mapping[str, bool | None]] = {"NULL": None, "TRUE": True, "FALSE": False}
"""Names that mean a value, in capitals."""


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
        if len(list(where._names())) != 1 or not isinstance(where.tree, Identifier):
            raise InvalidQueryError(f"{name!r} is not the name of a column")
        return where

    @property
    def terms(self) -> tuple[Expression, ...]:
        """Conditions that must all hold."""
        if self.tree is None:
            return ()
        return self.tree.operands if isinstance(self.tree, And) else (self.tree,)

    def referenced(self, known: Iterable[str]) -> tuple[set[str], set[str]]:
        """Return the dimensions that the expression needs, and the elements whose fields it uses.

        Parameters
        ----------
        known
            Elements of the query; a bare field name is looked for in them.
        """
        elements = {self.resolve(node, known)[0] for node in self._names()}
        dimensions = {name for element in elements for name in UNIVERSE[element].required}
        return dimensions, elements

    def keys(self, known: Iterable[str]) -> list[str]:
        """Return the dimensions whose key values the expression names; `known` as for `referenced`."""
        resolved = dict.fromkeys(self.resolve(node, known) for node in self._names())
        return [column for element, column in resolved if column == element]

    def mentions(self, element: str) -> bool:
        """Tell whether the expression names an element or one of its fields."""
        return any(node.name.split(".")[0] == element for node in self._names())

    def _names(self) -> Iterator[Identifier]:
        """Yield the identifiers that stand for columns."""
        for node in () if self.tree is None else walk(self.tree):
            if isinstance(node, Identifier) and node.name not in self.bind and not is_constant(node):
                yield node

    def resolve_name(self, known: Iterable[str]) -> tuple[str, str]:
        """Return the element and column that an expression made by `parse_name` means."""
        (name,) = self._names()
        return self.resolve(name, known)

    def error(self, node: Node, message: str) -> InvalidQueryError:
        """Return the error that points at a node."""
        from .parser import syntax_error

        return syntax_error(self.text, node.position, message)

    def resolve(self, node: Identifier, known: Iterable[str]) -> tuple[str, str]:
        """Return the element and column that a name means; `known` as for `referenced`.

        The key of a dimension, also where another element refers to it, is its own element and column.

        Raises
        ------
        InvalidQueryError
            Raised if it means nothing, or several things.
        """
        parts = node.name.split(".")
        if len(parts) == 1:
            if parts[0] in UNIVERSE.names:
                return parts[0], parts[0]
            return self._resolve_field(node, known)
        element = parts[0]
        if element not in UNIVERSE.elements:
            hint = did_you_mean(element, UNIVERSE.elements)
            raise self.error(node, f"no dimension or element {element!r}{hint}")
        definition = UNIVERSE[element]
        column = "_".join(parts[1:]) if parts[1] == "timespan" else ".".join(parts[1:])
        if definition.key is not None and column == definition.key.name:
            column = element
        fields = [*definition.required, *definition.implies, *(f.name for f in definition.fields)]
        fields += ["region"] if definition.spatial else []
        fields += ["timespan_begin", "timespan_end"] if definition.temporal else []
        if column not in fields:
            known_fields = [name.replace("timespan_", "timespan.") for name in fields]
            raise self.error(
                node, f"{element} has no field {parts[1]!r}{did_you_mean(parts[1], known_fields)}"
            )
        is_key = column in definition.required or column in definition.implies
        return column if is_key else element, column

    def _resolve_field(self, node: Identifier, known: Iterable[str]) -> tuple[str, str]:
        having = [e for e in known if node.name in (f.name for f in UNIVERSE[e].fields)]
        if len(having) == 1:
            return having[0], node.name
        if having:
            choices = ", ".join(f"{e}.{node.name}" for e in having)
            raise self.error(node, f"{node.name!r} is ambiguous: write one of {choices}")
        candidates = [*UNIVERSE.names, *self.bind, *(f.name for e in known for f in UNIVERSE[e].fields)]
        raise self.error(node, f"unknown name {node.name!r}{did_you_mean(node.name, candidates)}")


def is_constant(node: Identifier) -> bool:
    """Tell whether a name that is not bound is NULL, TRUE or FALSE."""
    return node.name.upper() in CONSTANTS
