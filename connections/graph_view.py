"""What can be shown of quanta: lists, charts of what waits for what, and a summary."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from .graph import DroppedQuanta
from .quantum import Quantum
from .run_collections import RunCollections

__all__ = [
    "graph_summary",
    "plan_lines",
    "quanta_lines",
    "task_summaries",
    "workflow_dot",
    "workflow_lines",
    "workflow_mermaid",
]

_NEWLINE: Final = "\\n"
"""A new line in a label of Graphviz."""


def quanta_lines(quanta: Iterable[Quantum]) -> Iterator[str]:
    """Yield each quantum with the datasets that it reads and writes."""
    for quantum in quanta:
        yield f"{quantum} ({quantum.id})"
        for arrow, side in (("<-", quantum.inputs), ("->", quantum.outputs)):
            for name, refs in side.items():
                yield from (f"  {arrow} {name}: {ref}" for ref in refs)


def workflow_lines(quanta: Sequence[Quantum]) -> Iterator[str]:
    """Yield each quantum with those that it waits for."""
    by_id = {quantum.id: quantum for quantum in quanta}
    for quantum, before in _dependencies(quanta):
        yield f"{quantum} ({quantum.id})"
        yield from (f"  after {by_id[other]} ({other})" for other in before)


def workflow_mermaid(quanta: Sequence[Quantum]) -> str:
    """Return a Mermaid flowchart of the quanta."""
    numbers = {quantum.id: number for number, quantum in enumerate(quanta)}
    lines = ["flowchart TD"]
    lines += [f'    q{number}["{_label(quantum, "<br>")}"]' for number, quantum in enumerate(quanta)]
    for quantum, before in _dependencies(quanta):
        lines += [f"    q{numbers[other]} --> q{numbers[quantum.id]}" for other in before]
    return "\n".join(lines) + "\n"


def workflow_dot(quanta: Sequence[Quantum]) -> str:
    """Return a chart of the quanta in the language of Graphviz."""
    numbers = {quantum.id: number for number, quantum in enumerate(quanta)}
    lines = ["digraph quanta {", "    node [shape=box];"]
    lines += [
        f'    q{number} [label="{_label(quantum, _NEWLINE)}"];' for number, quantum in enumerate(quanta)
    ]
    for quantum, before in _dependencies(quanta):
        lines += [f"    q{numbers[other]} -> q{numbers[quantum.id]};" for other in before]
    return "\n".join([*lines, "}"]) + "\n"


def plan_lines(
    counts: Mapping[str, int], n_skipped: Mapping[str, int], dropped: Sequence[DroppedQuanta]
) -> Iterator[str]:
    """Yield a line for each task: how many quanta there are, were done before, and have no work, and why.

    Parameters
    ----------
    counts, n_skipped
        Quanta that are to be run, and that were done before, by task.
    dropped
        Those that have no work.
    """
    for label, count in counts.items():
        skipped = n_skipped.get(label, 0)
        yield f"{label}: {count} quanta{f' ({skipped} done before)' if skipped else ''}"
        yield from (f"  {entry}" for entry in dropped if entry.label == label)


def graph_summary(
    quanta: Iterable[Quantum],
    place: RunCollections,
    *,
    command: str = "",
    n_skipped: Mapping[str, int] | None = None,
    dropped: Sequence[DroppedQuanta] = (),
) -> dict[str, Any]:
    """Return a summary of a graph for JSON, with the fields of LSST's, and why quanta are not in it.

    Parameters
    ----------
    quanta
        The quanta.
    place
        Where they read and write.
    command
        Command line that made the graph.
    n_skipped, dropped
        What is not in it.
    """
    return {
        "cmdLine": command,
        "creationUTC": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputCollection": list(place.inputs),
        "outputCollection": place.chain,
        "outputRun": place.run,
        "qgraphTaskSummaries": task_summaries(quanta),
        "numSkipped": dict(n_skipped or {}),
        "dropped": [
            {
                "taskLabel": entry.label,
                "numQuanta": entry.count,
                "reason": entry.reason,
                "example": None if entry.example is None else dict(entry.example),
            }
            for entry in dropped
        ],
    }


def task_summaries(quanta: Iterable[Quantum]) -> dict[str, dict[str, Any]]:
    """Return numbers of quanta, inputs and outputs by task, under the names that LSST has for them."""
    tasks: dict[str, dict[str, Any]] = {}
    for quantum in quanta:
        entry = tasks.setdefault(
            quantum.label,
            {"taskLabel": quantum.label, "numQuanta": 0, "numInputs": Counter(), "numOutputs": Counter()},
        )
        entry["numQuanta"] += 1
        entry["numInputs"].update(ref.datasetType.name for ref in quantum.input_refs())
        entry["numOutputs"].update(ref.datasetType.name for ref in quantum.output_refs())
    return tasks


def _dependencies(quanta: Sequence[Quantum]) -> Iterator[tuple[Quantum, list[uuid.UUID]]]:
    """Yield each quantum with the ids of those that make its inputs."""
    makers = {ref.id: quantum.id for quantum in quanta for ref in quantum.output_refs()}
    for quantum in quanta:
        before = (makers[ref.id] for ref in quantum.input_refs() if ref.id in makers)
        yield quantum, list(dict.fromkeys(before))


def _label(quantum: Quantum, newline: str) -> str:
    """Return a label of several lines; what would end the text or begin a tag is left out."""
    lines = [quantum.label, *(f"{name}: {value}" for name, value in quantum.dataId.required.items())]
    return newline.join("".join(c for c in line if c not in '"<>\\') for line in lines)
