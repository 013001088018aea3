"""``pipetask report``: what became of the quanta of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from butler.cli.arguments import format_option, open_butler, repository_argument, words_option
from butler.cli.command import command
from butler.cli.output import print_rows, printable
from butler.cli.selection import where_option

if TYPE_CHECKING:
    from butler.provenance import QuantumRecord
    from connections.provenance import RunHistory

__all__ = ["report"]

_STATUSES = ("succeeded", "no work", "failed", "blocked")
"""Columns that are always there; others follow."""
_EXAMPLES = 3


@command("report")
@repository_argument
@click.argument("graphs", nargs=-1, type=click.Path(path_type=Path), metavar="[GRAPH]...")
@words_option("--collections", required=True, help="Runs, or chains of them.")
@where_option
@click.option("--brief", is_flag=True, help="Only the counts by task.")
@click.option("--full-output-filename", type=click.Path(path_type=Path), help="Write all quanta as JSON.")
@format_option
def report(
    repo: str,
    graphs: tuple[Path, ...],
    collections: list[str],
    where: str,
    brief: bool,
    full_output_filename: Path | None,
    style: str,
) -> None:
    """Say what became of the quanta of runs: counts by task, reasons of failures, missing outputs.

    Of several attempts at a quantum, in one run or several, the last one counts. With saved GRAPHs, what
    they planned and nobody ran is told, too.
    """
    from connections import GraphFile
    from connections.provenance import RunHistory

    planned = []
    for path in graphs:
        with GraphFile(path) as file:
            planned += list(file.quanta())
    with open_butler(repo) as butler:
        history = RunHistory.of(butler, collections, where=where, planned=planned)
    if full_output_filename is not None:
        values = {**_told(history), "quanta": [_quantum(record) for record in history.quanta]}
        full_output_filename.write_text(json.dumps(values, indent=1), encoding="utf-8")
    if style == "json":
        click.echo(json.dumps(_told(history), indent=1))
        return
    header, rows = _task_table(history)
    print_rows(header, rows, style)
    if style == "table" and not brief:
        _print_details(history)


def _task_table(history: RunHistory) -> tuple[list[str], list[list[Any]]]:
    """Return the counts of each task by status, and their sum."""
    counts = history.counts()
    others = sorted({status for counter in counts.values() for status in counter} - set(_STATUSES))
    columns = [*_STATUSES, *others]
    rows = [
        [label, *(counter[status] for status in columns), counter.total()]
        for label, counter in counts.items()
    ]
    return ["task", *columns, "expected"], rows


def _print_details(history: RunHistory) -> None:
    """Print why quanta failed, why tasks had no work at all, and which outputs are not there."""
    for failures in history.failures():
        examples = "; ".join(map(str, failures.quanta[:_EXAMPLES]))
        more = ", ..." if len(failures.quanta) > _EXAMPLES else ""
        reason = f"{len(failures.quanta)} of {failures.label} failed: {failures.message} ({examples}{more})"
        click.echo(printable(reason))
    for label, counts in history.counts().items():
        if counts.keys() == {"no work"}:
            first = next(quantum for quantum in history.quanta if quantum.task.label == label)
            click.echo(printable(f"{counts.total()} of {label} had no work: {first.message} ({first})"))
    for output in history.outputs():
        told = [(output.missing, "were not written"), (output.gone, "were removed")]
        lacking = ", ".join(f"{count} {what}" for count, what in told if count)
        if lacking:
            click.echo(f"{output.dataset_type}: {output.written} are there, {lacking}")


def _told(history: RunHistory) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "runs": list(history.runs),
        "tasks": {label: dict(counter) for label, counter in history.counts().items()},
        "failures": [
            {"task": f.label, "message": f.message, "dataIds": [dict(q.data_id) for q in f.quanta]}
            for f in history.failures()
        ],
        "outputs": {
            o.dataset_type: {"written": o.written, "missing": o.missing, "gone": o.gone}
            for o in history.outputs()
        },
    }


def _quantum(record: QuantumRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "task": record.task.label,
        "run": record.task.run,
        "dataId": dict(record.data_id),
        "status": record.status,
        "message": record.message,
        "begin": record.begin_ns / 1e9,
        "duration": record.duration,
    }
