"""Contract: what must hold between the configs of a pipeline's tasks."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from butler.errors import did_you_mean

from .errors import PipelineError

__all__ = ["Contract"]

_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Contract:
    """A condition on fields of configs, in Python's syntax: ``makeWarp.border >= assembleCoadd.growth``.

    It may compare, calculate, and join with ``and``, ``or``, ``not``; it names fields as ``label.field`` and
    can call nothing.

    Parameters
    ----------
    expression
        The condition.
    message
        What to say if it does not hold; empty to repeat the condition.
    source
        File that has it.
    """

    expression: str
    message: str
    source: str

    def labels(self) -> set[str]:
        """Return the labels that the condition names.

        Raises
        ------
        PipelineError
            Raised if the condition cannot be read.
        """
        return {node.id for node in ast.walk(self._tree()) if isinstance(node, ast.Name)}

    def renamed(self, names: Mapping[str, str]) -> Contract:
        """Return the same condition on tasks that have other labels."""
        tree = self._tree()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)
        return Contract(ast.unparse(tree), self.message, self.source)

    def check(self, configs: Mapping[str, Any]) -> None:
        """Check that the condition holds.

        Parameters
        ----------
        configs
            Configs by label.

        Raises
        ------
        PipelineError
            Raised if it does not, or if it names a field that does not exist.
        """
        try:
            holds = _value(self._tree().body, configs)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise PipelineError(f"{self}: {error}") from error
        if not holds:
            seen = ", ".join(
                f"{name} is {value!r}" for name, value in _fields(self._tree().body, configs).items()
            )
            raise PipelineError(f"{self.message or self} ({seen})")

    def __str__(self) -> str:
        return f"the contract {self.expression!r} of {self.source}"

    def _tree(self) -> ast.Expression:
        try:
            return ast.parse(self.expression.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise PipelineError(f"{self} cannot be read: {error}") from error


def _value(node: ast.expr, configs: Mapping[str, Any]) -> Any:
    """Return the value of an expression; whatever is not listed here is refused."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return [_value(part, configs) for part in parts]
        case ast.Attribute() | ast.Name():
            return _field(node, configs)
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, configs) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, configs) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, configs)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(_value(operand, configs))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
            return _ARITHMETIC[type(sign)](*[_number(_value(part, configs)) for part in (left, right)])
        case ast.Compare(left=left, ops=signs, comparators=others):
            values = [_value(part, configs) for part in (left, *others)]
            return all(
                _COMPARISONS[type(sign)](a, b)
                for sign, a, b in zip(signs, values[:-1], values[1:], strict=True)
            )
    raise ValueError(
        f"{ast.unparse(node)[:60]!r} is not run; a contract compares label.field with literals and fields"
    )


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r:.60} is no number")
    return value


def _field(node: ast.expr, configs: Mapping[str, Any]) -> Any:
    """Return the value of ``label.field.field``."""
    names: list[str] = []
    part = node
    while isinstance(part, ast.Attribute):
        names.append(part.attr)
        part = part.value
    if not isinstance(part, ast.Name):
        raise ValueError(f"{ast.unparse(node)[:60]!r} is no label.field")
    if part.id not in configs:
        raise ValueError(f"no task {part.id!r}{did_you_mean(part.id, configs)}")
    value = configs[part.id]
    for name in reversed(names):
        if isinstance(value, Mapping):
            known = value
        else:
            # A subtask is a field with a config of its own.
            value = getattr(value, "value", value)
            known = getattr(type(value), "model_fields", {})
        if name not in known:
            raise ValueError(f"{ast.unparse(node)}: no field {name!r}{did_you_mean(name, known)}")
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _fields(node: ast.expr, configs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that an expression names, with their values."""

    def named(part: ast.AST) -> Iterator[ast.Attribute]:
        if isinstance(part, ast.Attribute):
            yield part
        else:
            for child in ast.iter_child_nodes(part):
                yield from named(child)

    return {ast.unparse(part): _field(part, configs) for part in named(node)}
