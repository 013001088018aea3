"""Views of a pipeline: which task reads and writes what, as text, Mermaid and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from butler.dimensions import UNIVERSE

from .connection_types import Connection, InitInput, InitOutput, Input, Output, PrerequisiteInput
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode, parent_name

__all__ = ["to_mermaid", "to_svg", "to_text"]

_BOX_HEIGHT: Final = 44
_ROW: Final = 96
_GAP: Final = 28
_CHARACTER: Final = 7.2
_MARGIN: Final = 20
_FILL: Final = {"task": "#0072b2", "dataset": "#ffffff"}
_INK: Final = {"task": "#ffffff", "dataset": "#222222"}


def to_text(pipeline: Pipeline) -> str:
    """Return a paragraph for each task: its class and dimensions, what it reads (<) and writes (>)."""
    paragraphs = []
    for node in pipeline.nodes:
        lines = [f"{node.label}: {node.task_class_name} {_dimensions(node.connections.dimensions)}"]
        for connection in node.connections.allConnections.values():
            reads = isinstance(connection, Input | PrerequisiteInput | InitInput)
            notes = [name for name, is_so in _notes(connection) if is_so]
            told = f", {', '.join(notes)}" if notes else ""
            lines.append(
                f"  {'<' if reads else '>'} {connection.name} {_dimensions(connection.dimensions)} "
                f"{connection.storageClass}{told}"
            )
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def to_mermaid(pipeline: Pipeline) -> str:
    """Return a Mermaid flowchart: tasks as boxes, dataset types as rounded ones; prerequisites are dotted."""
    numbers: dict[_Shape, str] = {}
    lines = ["flowchart TD"]
    for shape in _shapes(pipeline):
        numbers[shape] = f"n{len(numbers)}"
        text = "<br/>".join([f"<b>{_plain(shape.title)}</b>", _plain(shape.subtitle)])
        lines.append(f'  {numbers[shape]}["{text}"]' if shape.is_task else f'  {numbers[shape]}("{text}")')
    for begin, end, is_prerequisite in _arrows(pipeline):
        lines.append(f"  {numbers[begin]} {'-.->' if is_prerequisite else '-->'} {numbers[end]}")
    return "\n".join(lines) + "\n"


def to_svg(pipeline: Pipeline) -> str:
    """Return a drawing: rows from what is read first to what is written last."""
    places = _places(pipeline)
    width = max((place.x + place.width for place in places.values()), default=0) + _MARGIN
    height = max((place.y + _BOX_HEIGHT for place in places.values()), default=0) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for begin, end, is_prerequisite in _arrows(pipeline):
        parts.append(_drawn_arrow(places[begin], places[end], is_prerequisite))
    parts += [_drawn_box(shape, place) for shape, place in places.items()]
    return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True)
class _Shape:
    """A task or a dataset type, as it is drawn."""

    is_task: bool
    title: str
    subtitle: str


@dataclass(frozen=True)
class _Place:
    """Where a shape is drawn, in pixels from the upper left corner."""

    x: float
    y: float
    width: float


def _task(node: PipelineTaskNode) -> _Shape:
    return _Shape(True, node.label, _dimensions(node.connections.dimensions))


def _dataset(connection: Connection) -> _Shape:
    return _Shape(False, parent_name(connection), _dimensions(connection.dimensions))


def _shapes(pipeline: Pipeline) -> list[_Shape]:
    """Return tasks and dataset types, each after what it is made of."""
    order: dict[_Shape, None] = {}
    for node in pipeline.nodes:
        connections = list(node.connections.allConnections.values())
        reads = [c for c in connections if isinstance(c, Input | PrerequisiteInput | InitInput)]
        order |= dict.fromkeys(_dataset(c) for c in reads)
        order[_task(node)] = None
        order |= dict.fromkeys(_dataset(c) for c in connections if c not in reads)
    return list(order)


def _arrows(pipeline: Pipeline) -> Iterator[tuple[_Shape, _Shape, bool]]:
    """Yield what goes from where to where, and whether as a prerequisite; what goes into a task first."""
    for node in pipeline.nodes:
        connections = list(node.connections.allConnections.values())
        for read in connections:
            if isinstance(read, Input | PrerequisiteInput | InitInput):
                yield _dataset(read), _task(node), not isinstance(read, Input)
        for written in connections:
            if isinstance(written, Output | InitOutput):
                yield _task(node), _dataset(written), False


def _places(pipeline: Pipeline) -> dict[_Shape, _Place]:
    """Return a place for each shape: its row is the longest way to it, rows are centred."""
    rows: dict[_Shape, int] = dict.fromkeys(_shapes(pipeline), 0)
    # Tasks come after those that they depend on, and arrows into a task before those out of it.
    made = {end for _, end, _ in _arrows(pipeline)}
    for begin, end, _ in _arrows(pipeline):
        rows[end] = max(rows[end], rows[begin] + 1)
    # What must exist before stands beside what its first reader gets from others.
    for shape in rows.keys() - made:
        rows[shape] = min(rows[end] for begin, end, _ in _arrows(pipeline) if begin == shape) - 1
    by_row: dict[int, list[_Shape]] = {}
    for shape, row in rows.items():
        by_row.setdefault(row, []).append(shape)
    widths = {shape: 24 + _CHARACTER * max(len(shape.title), len(shape.subtitle)) for shape in rows}
    spans = {row: sum(widths[s] + _GAP for s in shapes) - _GAP for row, shapes in by_row.items()}
    places = {}
    for row, shapes in by_row.items():
        x = _MARGIN + (max(spans.values()) - spans[row]) / 2
        for shape in shapes:
            places[shape] = _Place(x, _MARGIN + row * _ROW, widths[shape])
            x += widths[shape] + _GAP
    return places


def _drawn_arrow(begin: _Place, end: _Place, is_prerequisite: bool) -> str:
    x1, y1 = begin.x + begin.width / 2, begin.y + _BOX_HEIGHT
    x2, y2 = end.x + end.width / 2, end.y
    bend = (y2 - y1) / 2
    dashes = ' stroke-dasharray="4 3"' if is_prerequisite else ""
    return (
        f'<path d="M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}" '
        f'fill="none" stroke="#666"{dashes} marker-end="url(#tip)"/>'
    )


def _drawn_box(shape: _Shape, place: _Place) -> str:
    kind = "task" if shape.is_task else "dataset"
    middle = place.x + place.width / 2
    lines = [(shape.title, "bold"), (shape.subtitle, "normal")] if shape.subtitle else [(shape.title, "bold")]
    first = place.y + _BOX_HEIGHT / 2 + 4 - 8 * (len(lines) - 1)
    texts = [
        f'<text x="{middle:.1f}" y="{first + 16 * i:.1f}" text-anchor="middle" font-weight="{weight}" '
        f'fill="{_INK[kind]}">{escape(text, quote=False)}</text>'
        for i, (text, weight) in enumerate(lines)
    ]
    box = (
        f'<rect x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" height="{_BOX_HEIGHT}" '
        f'rx="{3 if shape.is_task else 20}" fill="{_FILL[kind]}" stroke="#444"/>'
    )
    return "".join([box, *texts])


def _dimensions(names: tuple[str, ...]) -> str:
    """Return the required dimensions, in the order of the universe."""
    return "{" + ", ".join(UNIVERSE.conform(names).required) + "}"


def _notes(connection: Connection) -> Iterator[tuple[str, bool]]:
    yield "prerequisite", isinstance(connection, PrerequisiteInput)
    yield "once in each run", isinstance(connection, InitInput | InitOutput)
    yield "multiple", connection.multiple
    yield "deferred", bool(getattr(connection, "deferLoad", False))
    yield "optional", getattr(connection, "minimum", 1) == 0


def _plain(text: str) -> str:
    """Return a text for a Mermaid label in quotes."""
    return escape(text, quote=False).replace('"', "#quot;")
