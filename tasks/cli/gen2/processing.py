"""A Gen2 command that runs tasks: from the data IDs to a quantum graph, its execution and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from butler import Butler
from butler.errors import did_you_mean
from connections import EmptyQuantumGraphError, Pipeline, QuantumGraph, RunCollections, build_graph

from ...errors import RunConflictError, VersionConflictError
from ...ready_pipelines import load_pipeline
from ..graph_options import only_instrument
from ..profiling import profiled
from ..progress import ProgressView
from .arguments import Request
from .id_keys import IdKeys
from .log import command_log
from .places import Place, repository
from .selection import Selection, warn_of_missing, warn_of_partial
from .settings import Setting, overrides_for, read_settings
from .showing import check_items, show_config, show_data

if TYPE_CHECKING:
    from ...execution import InitOptions, RunReport

__all__ = ["TaskCommand"]

_LARGEST_STATUS: Final = 255


@dataclass(frozen=True)
class TaskCommand:
    """What makes a Gen2 command that runs tasks.

    Parameters
    ----------
    name
        Its name, which is also that of its step for ``--reuse-outputs-from``.
    label
        Label of the task that it runs.
    choose
        Returns the ready pipeline that is meant, with a selection of its tasks, and the settings for them.
    select
        Translates the data IDs; None if there is nothing to do, which it logs.
    takes_visits
        Whether ``--selectId`` chooses whole visits, of whatever detector images their warps are.
    """

    name: str
    label: str
    choose: Callable[[Request, Sequence[Setting]], tuple[str, list[Setting]]]
    select: Callable[[Butler, IdKeys, Request], Selection | None]
    takes_visits: bool = False

    def __call__(self, request: Request) -> int:
        """Do what a command line says; return the exit status.

        Raises
        ------
        ButlerUserError, ClickException
            Raised if there is anything wrong with it; then nothing was run.
        """
        check_items(request.show)
        self._check_steps(request.reuse_outputs_from)
        settings = read_settings(request.edits)
        with Butler(repository(request.repo), writeable=request.runs) as butler:
            pipeline = self._pipeline(butler, request, settings)
            show_config(pipeline, request.show)
            if not request.runs and "data" not in request.show:
                return 0
            if not request.ids:
                command_log().warning("no data to process: there is no --id")
                return 0
            return _Processing(self, request, butler, pipeline).run()

    def _pipeline(self, butler: Butler, request: Request, settings: Sequence[Setting]) -> Pipeline:
        """Return the configured tasks: defaults, the camera's settings, then those of the command line."""
        instrument = request.instrument or only_instrument(butler)
        if request.call is None:
            name, left = self.choose(request, settings)
            load = partial(load_pipeline, name, instrument=instrument)
        else:
            left = list(settings)
            load = partial(request.call.pipeline, self.label, instrument=instrument)
        return load(overrides_for(load(), left))

    def _check_steps(self, steps: Sequence[str]) -> None:
        for step in steps:
            if step not in ("all", self.name):
                raise click.UsageError(
                    f"--reuse-outputs-from has no step {step!r}{did_you_mean(step, ('all', self.name))}"
                )


class _Processing:
    """One execution of a command."""

    def __init__(self, command: TaskCommand, request: Request, butler: Butler, pipeline: Pipeline) -> None:
        self._command = command
        self._request = request
        self._butler = butler
        self._pipeline = pipeline
        self._place = Place.find(butler, request)

    def run(self) -> int:
        """Plan and run; return the exit status."""
        request = self._request
        keys = IdKeys(
            self._butler,
            self._place.collections(self._butler).inputs,
            instrument=request.instrument,
            sky_map_name=request.skymap,
        )
        selection = self._command.select(self._butler, keys, request)
        if selection is None:
            return 0
        if request.runs and request.clobber_output:
            removed = self._place.clear(self._butler)
            command_log().info("removed %s", ", ".join(removed) or "nothing: there was no run yet")
        try:
            place, graph = self._plan(selection)
        except EmptyQuantumGraphError as error:
            command_log().warning("no data to process: %s", error)
            return 0
        if not request.reuse_outputs_from:
            warn_of_missing(keys, request, selection, graph)
        if self._command.takes_visits and request.select_ids:
            warn_of_partial(self._butler, selection, graph)
        if "data" in request.show:
            show_data(graph, selection)
        return self._execute(selection, place, graph) if request.runs else 0

    def _plan(self, selection: Selection, *, new_run: bool = False) -> tuple[RunCollections, QuantumGraph]:
        """Return where outputs go, and the graph; what the run has of the same data IDs is replaced."""
        place = self._place.collections(self._butler, new_run=new_run)
        graph = build_graph(
            self._pipeline,
            self._butler,
            collections=place.inputs,
            run=place.run,
            where=selection.where,
            bind=selection.bind,
            skip_existing=bool(self._request.reuse_outputs_from),
            clobber_outputs=True,
        )
        return place, graph

    def _execute(self, selection: Selection, place: RunCollections, graph: QuantumGraph) -> int:
        """Run the graph, in a new run if the newest one was made otherwise and that is wanted."""
        try:
            self._prepare(place, graph)
        except RunConflictError as error:
            is_config = not isinstance(error, VersionConflictError)
            wanted = self._request.clobber_config if is_config else self._request.clobber_versions
            if not wanted:
                error.add_note(f"--clobber-{'config' if is_config else 'versions'} begins a new run")
                raise
            command_log().info("a new run begins: %s", error)
            old = place.run
            place, graph = self._plan(selection, new_run=True)
            self._prepare(place, graph)
            if is_config and self._request.no_backup_config:
                self._drop_configs(old)
        return self._run_graph(place, graph)

    def _prepare(self, place: RunCollections, graph: QuantumGraph) -> None:
        """Compare with what the run has, and then make it; what cannot be leaves no run in the chain."""
        from ...execution import prepare_run

        prepare_run(graph, self._butler, self._init_options())
        place.apply(self._butler)

    def _init_options(self) -> InitOptions:
        from ...execution import InitOptions

        return InitOptions(save_versions=not self._request.no_versions)

    def _run_graph(self, place: RunCollections, graph: QuantumGraph) -> int:
        """Run the graph, tell what became of it, and return the exit status."""
        from ...execution import RunListener, RunOptions, run_graph
        from .time_limit import TimeLimit

        request = self._request
        with (
            profiled(request.profile),
            TimeLimit(request.timeout) as limit,
            ProgressView(len(graph.quanta)) as view,
        ):
            report = run_graph(
                graph,
                self._butler,
                processes=request.processes,
                init=self._init_options(),
                options=RunOptions(timeout=request.quantum_timeout, fail_fast=request.doraise),
                listener=RunListener(on_progress=view.show, on_interruption=view.tell_interruption),
            )
        if limit.is_over:
            command_log().error("stopped after %g s; what was finished is kept", request.timeout)
        if request.call is not None:
            request.call.note(report, self._butler)
        self._tell(report, place)
        return self._status(report, is_late=limit.is_over)

    def _tell(self, report: RunReport, place: RunCollections) -> None:
        """Tell what became of the graph."""
        log = command_log()
        for failure in report.failures:
            log.error("Failed on dataId=%s: %s", dict(failure.quantum.dataId), failure.message)
            if self._request.debug or self._request.doraise:
                click.echo(failure.details, err=True)
        for label, counts in report.counts().items():
            log.info("%s: %s", label, ", ".join(f"{n} {status}" for status, n in counts.items()))
        if not report.reports:
            log.info("nothing to do: all was done before")
        log.info("outputs are in %s", place.chain)

    def _status(self, report: RunReport, *, is_late: bool) -> int:
        n_failed = len(report.failures)
        if report.is_interrupted and not is_late:
            return report.exit_code
        if self._request.noExit and (n_failed or is_late):
            command_log().error("%d failed", n_failed)
            return 0
        return min(max(n_failed, int(is_late)), 1 if self._request.doraise else _LARGEST_STATUS)

    def _drop_configs(self, run: str) -> None:
        """Remove the configs of the tasks from a run, and the run if nothing is left in it."""
        names = [node.config_type.name for node in self._pipeline.nodes]
        refs = self._butler.query_all_datasets(run, name=names)
        self._butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
        if not self._butler.query_all_datasets(run):
            self._butler.removeRuns([run], unlink_from_chains=True)
