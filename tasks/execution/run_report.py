"""RunReport: what became of a graph, as values, text and JSON."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from connections import QuantumGraph, task_summaries

from .failures import INVALID_EXIT, REPEATABLE_EXIT
from .quantum_report import QuantumReport
from .quantum_status import QuantumStatus

__all__ = ["INTERRUPTED_EXIT", "RunReport"]

INTERRUPTED_EXIT: Final = 130
_SIMPLE_STATUS: Final = {
    QuantumStatus.TIMED_OUT: "timeout",
    QuantumStatus.BLOCKED: "skipped",
    QuantumStatus.NOT_RUN: "skipped",
}
"""LSST's words, where they are not success or failure."""
_MIB: Final = 1 << 20


@dataclass
class RunReport:
    """What became of a graph.

    Parameters
    ----------
    run
        RUN of the outputs.
    reports
        Reports of all quanta, in the order in which they ended.
    is_fail_fast
        Whether the first failure was to end the run.
    is_interrupted
        Whether somebody ended the run before it was over.
    retries
        Number of attempts that failed and were followed by another.
    elapsed
        Seconds that it took.
    """

    run: str
    reports: list[QuantumReport] = field(default_factory=list)
    is_fail_fast: bool = False
    is_interrupted: bool = False
    retries: int = 0
    elapsed: float = 0.0

    @property
    def failures(self) -> list[QuantumReport]:
        """Reports of the quanta that ran and did not succeed."""
        return [r for r in self.reports if r.status.is_failure]

    @property
    def succeeded(self) -> bool:
        """Whether all was run, and nothing failed."""
        return not self.failures and not self.is_interrupted

    @property
    def exit_code(self) -> int:
        """Exit status for a command.

        0 if no quantum failed; 130 if somebody ended the run; 21 after an `InvalidQuantumError`; 20 if
        failing fast after a `RepeatableQuantumError`; otherwise 1.
        """
        if self.is_interrupted:
            return INTERRUPTED_EXIT
        codes = [failure.exit_code for failure in self.failures]
        if INVALID_EXIT in codes:
            return INVALID_EXIT
        if self.is_fail_fast and codes and codes[0] == REPEATABLE_EXIT:
            return REPEATABLE_EXIT
        return 1 if codes else 0

    def counts(self) -> dict[str, Counter[QuantumStatus]]:
        """Return how many quanta of each task ended how."""
        counts: dict[str, Counter[QuantumStatus]] = {}
        for report in self.reports:
            counts.setdefault(report.quantum.label, Counter())[report.status] += 1
        return counts

    def to_text(self) -> str:
        """Return a summary: lines for each task, for each quantum or task to look at, and for the whole."""
        lines = []
        for label, counts in self.counts().items():
            told = ", ".join(f"{counts[status]} {status}" for status in QuantumStatus if counts[status])
            lines.append(f"{label}: {told}{self._cost(label)}")
        for report in self.reports:
            if report.status is QuantumStatus.PARTIAL or report.status.is_failure:
                lines.append(f"{report.status}: {report.quantum}: {report.message}")
        lines += self._idle()
        total = Counter(report.status for report in self.reports)
        good = sum(count for status, count in total.items() if status.is_success)
        told = f"{good} of {len(self.reports)} quanta succeeded, {len(self.failures)} failed"
        told += f", {total[QuantumStatus.BLOCKED]} are blocked, {total[QuantumStatus.NOT_RUN]} were not run"
        again = f", {self.retries} attempts were repeated" if self.retries else ""
        lines.append(f"{told}{again}; {self.elapsed:.1f} s")
        return "\n".join(lines)

    def to_simple(self, graph: QuantumGraph) -> dict[str, Any]:
        """Return the summary as LSST's runner writes it, with what ours knows besides, for JSON.

        Parameters
        ----------
        graph
            The plan that was run.
        """
        statuses = {report.status for report in self.failures}
        only_late = statuses == {QuantumStatus.TIMED_OUT}
        return {
            "status": "success" if self.succeeded else "timeout" if only_late else "failure",
            "cmdLine": sys.argv,
            "exitCode": self.exit_code,
            "elapsedTime": self.elapsed,
            "retries": self.retries,
            "interrupted": self.is_interrupted,
            "qgraphSummary": _simple_graph(graph),
            "quantaReports": [_simple_report(report) for report in self.reports],
        }

    def _idle(self) -> list[str]:
        """Return why the tasks that had no work at all had none, with one reason for each."""
        lines = []
        for label, counts in self.counts().items():
            if counts.keys() == {QuantumStatus.NO_WORK}:
                first = next(report for report in self.reports if report.quantum.label == label)
                more = f" (and {counts.total() - 1} more)" if counts.total() > 1 else ""
                lines.append(f"{first.status}: {first.quantum}: {first.message}{more}")
        return lines

    def _cost(self, label: str) -> str:
        """Return what the quanta of a task took."""
        ran = [r for r in self.reports if r.quantum.label == label and r.duration > 0]
        if not ran:
            return ""
        seconds, cpu = sum(r.duration for r in ran) / len(ran), sum(r.cpu for r in ran) / len(ran)
        kept = sum(r.memory_kept for r in ran) / len(ran)
        peak = max(r.memory_peak for r in ran) // _MIB
        told = f" ({seconds:.3g} s and {cpu:.3g} s of CPU each, at most {peak} MiB"
        return f"{told}, keeping {kept / _MIB:.0f} MiB each)" if kept >= _MIB else f"{told})"


def _simple_graph(graph: QuantumGraph) -> dict[str, Any]:
    return {
        "creationUTC": datetime.now(UTC).isoformat(),
        "outputRun": graph.run,
        "qgraphTaskSummaries": task_summaries(graph.quanta),
    }


def _simple_report(report: QuantumReport) -> dict[str, Any]:
    """Return the report of one quantum; what is not known is left out."""
    word = "success" if report.status.is_success else _SIMPLE_STATUS.get(report.status, "failure")
    told: dict[str, Any] = {
        "status": word,
        "state": report.status.value,
        "dataId": dict(report.quantum.dataId.required),
        "taskLabel": report.quantum.label,
        "quantumId": str(report.quantum.id),
    }
    if report.exit_code:
        told["exitCode"] = report.exit_code
    if report.exception:
        told["exceptionInfo"] = {"className": report.exception, "message": report.message}
    elif report.message:
        told["message"] = report.message
    if report.caveats:
        told["caveats"] = report.caveats.concise()
    if report.begin_ns:
        told |= {
            "attempts": report.attempt,
            "wallTime": report.duration,
            "cpuTime": report.cpu,
            "peakMemory": report.memory_peak,
            "keptMemory": report.memory_kept,
        }
    return told
