"""read_assignments: the lines ``config.field = literal`` of LSST's config files, which are never executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .errors import FileFormatError

__all__ = ["Assignment", "read_assignments"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A value for a field.

    Parameters
    ----------
    field
        Path of the field without ``config.``, as ``a.b`` or ``a['kind'].b``; of a subtask that is retargeted
        ``subtask.target``.
    value
        Plain value.
    line
        Line of the file.
    """

    field: str
    value: Any
    line: int


def read_assignments(content: bytes, source: str) -> Iterator[Assignment]:
    """Yield the settings of a file, line by line.

    A line is ``config.field = literal``, where a quotient of two numbers counts as a literal, or
    ``config.subtask.retarget("package.module:Class")``.

    Parameters
    ----------
    content
        The file.
    source
        Where it is from, for messages.

    Raises
    ------
    FileFormatError
        Raised if it holds anything else; the message names the line.
    """
    try:
        module = ast.parse(content, filename=source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FileFormatError(f"cannot read the config file {source}: {error}") from error
    for statement in module.body:
        try:
            match statement:
                case ast.Assign(targets=[ast.Attribute() as target], value=value):
                    yield Assignment(_field(target), _value(value), statement.lineno)
                case ast.Expr(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Attribute() as subtask, attr="retarget"),
                        args=[ast.Constant(value=str() as name)],
                        keywords=[],
                    )
                ):
                    yield Assignment(f"{_field(subtask)}.target", name, statement.lineno)
                case ast.Expr(value=ast.Constant(value=str())):
                    continue
                case _:
                    raise ValueError
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, ArithmeticError) as error:
            raise FileFormatError(
                f"{source}:{statement.lineno}: {ast.unparse(statement)[:80]!r} is not run; write "
                "config.FIELD = literal, or config.SUBTASK.retarget('package.module:Class')"
            ) from error


def _value(node: ast.expr) -> Any:
    """Return a literal, or the quotient of two: degrees are written as 1.0/60."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        above, below = ast.literal_eval(node.left), ast.literal_eval(node.right)
        if not all(isinstance(number, int | float) for number in (above, below)):
            raise ValueError
        return above / below
    return ast.literal_eval(node)


def _field(target: ast.expr) -> str:
    """Return the path of ``config.a.b`` or ``config.a["kind"].b``, without ``config``."""
    part: ast.expr = target
    while not isinstance(part, ast.Name):
        match part:
            case ast.Attribute(value=part) | ast.Subscript(value=part, slice=ast.Constant(value=str())):
                continue
        raise ValueError
    if part.id != "config":
        raise ValueError
    return ast.unparse(target).removeprefix("config.")
