"""The options that say how a quantum graph is run, the same for every command that runs one."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from butler import Butler
from connections import QuantumGraph

from .imported_function import Function, ImportedFunction
from .profiling import profiled
from .progress import ProgressView
from .request_options import request_options

if TYPE_CHECKING:
    from ..execution import Executor, InitOptions, RunReport, StartMethod

__all__ = ["RunRequest", "run_options"]

_DECIMAL: Final = {"": 10**6, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_UNITS: Final = {**_DECIMAL, "kib": 2**10, "mib": 2**20, "gib": 2**30}


class _Memory(click.ParamType[int]):
    """An amount of memory: MB if it is a plain number, as LSST's option has it."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([A-Za-z]*)\s*", value)
        if found is None or found[2].lower() not in _UNITS or float(found[1]) == 0:
            self.fail(f"{value!r} is no amount of memory; write 2000 (MB), 2GB or 1.5GiB", param, ctx)
        return int(float(found[1]) * _UNITS[found[2].lower()])


@dataclass(frozen=True)
class RunRequest:
    """How a command line wants a graph to be run; the fields are the options' values."""

    processes: int
    cores_per_quantum: int | None
    memory_per_quantum: int | None
    timeout: float | None
    retries: int
    fail_fast: bool
    raise_on_partial_outputs: bool
    executor: str
    scheduler: str | None
    summary: Path | None
    debug: bool
    post_mortem: Function | None
    profile: Path | None
    start_method: StartMethod
    enable_implicit_threading: bool
    graph_fixup: Function | None

    def check(self) -> None:
        """Refuse options that do not go together, before anything is built.

        Raises
        ------
        UsageError
            Raised with what to leave out.
        """
        if self.scheduler is not None and self.executor != "dask":
            raise click.UsageError("--scheduler needs --executor dask")
        if self.enable_implicit_threading and self.cores_per_quantum is not None:
            raise click.UsageError(
                "-n limits threads, --enable-implicit-threading does not; give one of them"
            )
        elsewhere = {
            "-j": self.processes > 1,
            "-n": self.cores_per_quantum is not None,
            "--memory-per-quantum": self.memory_per_quantum is not None,
            "--timeout": self.timeout is not None,
            "--executor dask": self.executor == "dask",
        }
        if self.post_mortem is not None and any(elsewhere.values()):
            given = ", ".join(name for name, is_given in elsewhere.items() if is_given)
            raise click.UsageError(
                f"--pdb debugs quanta in this process, and with {given} they run in others; leave that out"
            )

    def execute(self, graph: QuantumGraph, butler: Butler, init: InitOptions) -> RunReport:
        """Run a graph, show how far it is, and tell what became of it."""
        from ..execution import RunListener, RunOptions, run_graph

        if self.graph_fixup is not None:
            graph = graph.ordered(self.graph_fixup(graph))
        options = RunOptions(
            retries=self.retries,
            timeout=self.timeout,
            memory=self.memory_per_quantum,
            cores=os.cpu_count() if self.enable_implicit_threading else self.cores_per_quantum,
            fail_fast=self.fail_fast,
            raise_on_partial_outputs=self.raise_on_partial_outputs,
            start_method=self.start_method,
        )
        with profiled(self.profile), ProgressView(len(graph.quanta)) as view:
            listener = RunListener(on_progress=view.show, on_interruption=view.tell_interruption)
            report = run_graph(
                graph,
                butler,
                processes=self.processes,
                init=init,
                options=options,
                executor=self._executor(view),
                listener=listener,
            )
        if self.summary is not None:
            self.summary.write_text(json.dumps(report.to_simple(graph), indent=1) + "\n", encoding="utf-8")
        if graph.quanta:
            click.echo(report.to_text(), err=True)
        for failure in report.failures if self.debug else ():
            click.echo(failure.details, err=True)
        return report

    def _executor(self, view: ProgressView) -> Executor | None:
        """Return where quanta are run if that is not for the runner to choose."""
        if self.executor == "dask":
            from ..execution.dask_executor import DaskExecutor

            return DaskExecutor(self.scheduler, processes=self.processes, timeout=self.timeout)
        if (post_mortem := self.post_mortem) is None:
            return None
        from ..execution import InProcessExecutor
        from ..execution.failures import message_of

        def debug(error: BaseException) -> None:
            view.make_way(message_of(error))
            post_mortem(error.__traceback__)

        return InProcessExecutor(debug)


_OPTIONS = (
    click.option("-j", "--processes", type=click.IntRange(min=1), default=1, show_default=True),
    click.option(
        "-n",
        "--cores-per-quantum",
        type=click.IntRange(min=1),
        help="Threads that a quantum may use; if not given, the processes share the machine.",
    ),
    click.option(
        "--memory-per-quantum",
        type=_Memory(),
        metavar="MEMORY",
        help="Memory that a quantum may take, in MB or with a unit; one that needs more fails.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Kill a quantum after this time.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        help="How often a quantum is tried again after a failure that may pass, or if its worker dies.",
    ),
    click.option("--fail-fast", is_flag=True, help="Start nothing more after the first failure."),
    click.option(
        "--raise-on-partial-outputs/--no-raise-on-partial-outputs",
        default=True,
        help="Whether a task that says that it wrote only a part of its outputs has failed.",
    ),
    click.option(
        "--executor",
        type=click.Choice(["local", "dask"]),
        default="local",
        show_default=True,
        help="Where quanta run: in processes of this machine, or on the workers of a Dask cluster.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Scheduler of the Dask cluster; if not given, -j workers of this machine.",
    ),
    click.option(
        "--summary", type=click.Path(path_type=Path, dir_okay=False), help="Write a summary as JSON."
    ),
    click.option("--debug", is_flag=True, help="Print tracebacks of failed quanta."),
    click.option(
        "--pdb",
        "post_mortem",
        type=ImportedFunction("module with a debugger's post_mortem", "post_mortem"),
        is_flag=False,
        flag_value="pdb",
        metavar="[MODULE]",
        help="Stop in a debugger where a quantum failed: pdb, or another module with post_mortem.",
    ),
    click.option(
        "--graph-fixup",
        type=ImportedFunction("function of a module, module:function"),
        metavar="MODULE:FUNCTION",
        help="Function that returns pairs of UUIDs of a graph's quanta: the second then waits for the first.",
    ),
    click.option(
        "--profile",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write a cProfile of this process; with -j 1 of the quanta, too.",
    ),
    click.option(
        "--start-method",
        type=click.Choice(["forkserver", "spawn"]),
        default="forkserver",
        show_default=True,
        help="How worker processes start; spawn takes longer, for libraries that do not bear a fork.",
    ),
    click.option(
        "--enable-implicit-threading",
        is_flag=True,
        help="Let numerical libraries take as many threads as there are processors, in each process.",
    ),
)


run_options = request_options(RunRequest, "how", _OPTIONS)
"""Adds the options that say how a graph is run; the function gets a `RunRequest` as ``how``."""
