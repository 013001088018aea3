"""The options that make a quantum graph of a pipeline, the same for every command that needs one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click

from butler import Butler, DataCoordinate
from butler.cli.data_id_tables import read_data_ids
from connections import ExistingOutputs, QuantumGraph, RunCollections, build_graph, load_graph

from .chart_options import ChartRequest, chart_options
from .pipeline_options import PipelineRequest, pipeline_options
from .request_options import request_options
from .saved_graph_options import SavedGraphRequest, saved_graph_options

__all__ = ["GraphRequest", "graph_options", "only_instrument"]


@dataclass(frozen=True)
class GraphRequest:
    """A quantum graph as a command line asks for it; the fields are the options' values."""

    pipeline: PipelineRequest
    repo: Path
    inputs: tuple[str, ...]
    output: str | None
    output_run: str | None
    extend_run: bool
    replace_run: bool
    rebase: bool
    resume: bool
    data_query: str
    skip_existing: bool
    skip_existing_in: tuple[str, ...]
    clobber_outputs: bool
    dataset_query_constraint: str = "all"
    data_id_table: tuple[Path, ...] = ()
    retained_dataset_types: tuple[str, ...] = ()
    prune_unanchored_quanta: bool = False
    saved: SavedGraphRequest | None = None
    charts: ChartRequest = field(default_factory=ChartRequest)

    def build(self, butler: Butler, *, check_versions: bool = True) -> tuple[RunCollections, QuantumGraph]:
        """Find the collections and build the graph, or load it; the repository is not changed.

        Files that the options name are written.

        Parameters
        ----------
        butler
            Butler of the repository.
        check_versions
            Whether a saved graph must have been made by this version of the program.

        Raises
        ------
        ButlerUserError
            Raised if there is anything wrong with the pipeline, the collections or the graph.
        """
        if self.prune_unanchored_quanta and not self.retained_dataset_types:
            raise click.UsageError("--prune-unanchored-quanta needs --retained-dataset-types")
        if self.saved is None:
            place, graph = self._build(butler)
        else:
            self._check_alone()
            place, graph = self._load(butler, self.saved, check_versions=check_versions)
        self.charts.write(graph, place, butler)
        return place, graph

    def _build(self, butler: Butler) -> tuple[RunCollections, QuantumGraph]:
        pipeline = self.pipeline.load(only_instrument(butler))
        place = RunCollections.make(
            butler,
            _names(self.inputs),
            output=self.output,
            output_run=self.output_run,
            extend_run=self.extend_run,
            replace_run=self.replace_run,
            rebase=self.rebase,
            resume=self.resume,
        )
        existing = self._existing(place.run)
        graph = build_graph(
            pipeline,
            butler,
            collections=place.inputs,
            run=place.run,
            where=self.data_query,
            skip_existing=place.run in existing.done_in,
            skip_existing_in=_names(self.skip_existing_in),
            clobber_outputs=existing.clobber,
            dataset_query_constraint=_names((self.dataset_query_constraint,)),
            data_ids=[_data_ids(path) for path in self.data_id_table],
            retained_dataset_types=existing.retained,
            prune_unanchored_quanta=existing.prune_unanchored,
        )
        return place, graph

    def _load(
        self, butler: Butler, saved: SavedGraphRequest, *, check_versions: bool
    ) -> tuple[RunCollections, QuantumGraph]:
        with saved.open() as file:
            place = file.place.renewed(butler, extend_run=self.extend_run, resume=self.resume)
            graph = load_graph(
                file,
                butler,
                quanta=saved.quanta,
                labels=saved.labels,
                data_id=saved.choices,
                existing=self._existing(place.run),
                check_versions=check_versions,
            )
        return place, graph

    def _existing(self, run: str) -> ExistingOutputs:
        """Return what is done about what exists."""
        skip = self.skip_existing or self.extend_run or self.resume
        done_in = [*([run] if skip else []), *_names(self.skip_existing_in)]
        return ExistingOutputs(
            done_in,
            self.clobber_outputs or self.resume,
            planned_before=True,
            retained=_names(self.retained_dataset_types) or None,
            prune_unanchored=self.prune_unanchored_quanta,
        )

    def _check_alone(self) -> None:
        """Refuse options that would make another graph than the saved one."""
        given = {
            "-p, -t, -c or -C": self.pipeline.name or self.pipeline.edits,
            "--select-tasks": self.pipeline.select_tasks,
            "-i": self.inputs,
            "-o": self.output,
            "--output-run": self.output_run,
            "--replace-run": self.replace_run,
            "--rebase": self.rebase,
            "-d": self.data_query,
            "--data-id-table": self.data_id_table,
        }
        if strange := [name for name, value in given.items() if value]:
            raise click.UsageError(
                f"a saved graph has its pipeline, data IDs and collections; leave out {', '.join(strange)}"
            )


_OPTIONS = (
    click.option(
        "-b", "--butler-config", "repo", required=True, type=click.Path(path_type=Path), help="Repository."
    ),
    pipeline_options,
    click.option("-i", "--input", "inputs", multiple=True, help="Input collections, in order."),
    click.option("-o", "--output", help="Output chain; a RUN named after the time is put first into it."),
    click.option("--output-run", help="Name of the RUN for the outputs."),
    click.option("--resume", is_flag=True, help="Go on with the newest run: do what was not done."),
    click.option("--extend-run", is_flag=True, help="Write into the newest run of the chain."),
    click.option("--replace-run", is_flag=True, help="Take the newest run out of the chain."),
    click.option("--rebase", is_flag=True, help="Put inputs behind the runs of the chain."),
    click.option("-d", "--data-query", default="", help="Condition on data IDs."),
    click.option("--skip-existing", is_flag=True, help="Leave out what has succeeded in the run."),
    click.option("--skip-existing-in", multiple=True, help="Leave out what has succeeded in collections."),
    click.option(
        "--retained-dataset-types",
        multiple=True,
        metavar="PATTERNS",
        help="Dataset types whose outputs stay; others that are gone are made again where they are needed.",
    ),
    click.option(
        "--prune-unanchored-quanta",
        is_flag=True,
        help="With --retained-dataset-types: leave out what makes nothing that stays or is read.",
    ),
    click.option("--clobber-outputs", is_flag=True, help="Replace outputs that the run has already."),
    click.option(
        "--dataset-query-constraint",
        default="all",
        show_default=True,
        metavar="all|off|TYPES",
        help="Inputs that must exist for a data ID to count.",
    ),
    click.option(
        "--data-id-table",
        multiple=True,
        type=click.Path(path_type=Path),
        help="CSV or ECSV table with a column for each dimension: data IDs to which the graph is limited.",
    ),
    saved_graph_options,
    chart_options,
)


graph_options = request_options(GraphRequest, "request", _OPTIONS)
"""Adds the options that make a quantum graph; the function gets a `GraphRequest` as ``request``."""


def _names(given: tuple[str, ...]) -> list[str]:
    """Split lists of collections."""
    return [name for text in given for name in text.split(",") if name]


def _data_ids(path: Path) -> list[DataCoordinate]:
    """Read a table of data IDs."""
    return [DataCoordinate.standardize(values) for _, values in read_data_ids(path)]


def only_instrument(butler: Butler) -> str | None:
    """Return the instrument of a repository; None if there are more, or none."""
    names = [record.name for record in butler.query_dimension_records("instrument", explain=False)]
    return names[0] if len(names) == 1 else None
