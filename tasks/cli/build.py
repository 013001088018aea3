"""``pipetask build``: make a pipeline, check it, show it, keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from connections import Pipeline, config_lines, history_lines, to_mermaid, to_svg, to_text

from .pipeline_options import PipelineCommand, PipelineRequest, pipeline_options

__all__ = ["SHOWN_OF_PIPELINES", "build", "show", "show_option"]

SHOWN_OF_PIPELINES: Final = (
    "pipeline", "pipeline-graph", "tasks", "subsets", "config[=[LABEL::]GLOB]", "history=[LABEL::]GLOB",
)  # fmt: skip
"""What `show` can print."""


def show_option(items: Sequence[str]) -> Callable[..., Any]:
    """Return the option ``--show`` for some items; the function gets those that were given as ``items``."""
    return click.option("--show", "items", multiple=True, metavar="ITEM", help=f"{', '.join(items)}.")


@click.command(cls=PipelineCommand)
@pipeline_options
@show_option(SHOWN_OF_PIPELINES)
@click.option("-s", "--save-pipeline", type=click.Path(path_type=Path), help="Write it as a YAML file.")
@click.option("--pipeline-mermaid", type=click.Path(path_type=Path), help="Write it as a Mermaid chart.")
@click.option("--pipeline-svg", type=click.Path(path_type=Path), help="Draw it as SVG.")
def build(
    pipeline: PipelineRequest,
    items: tuple[str, ...],
    save_pipeline: Path | None,
    pipeline_mermaid: Path | None,
    pipeline_svg: Path | None,
) -> None:
    """Make and check a pipeline; show what its tasks read and write, or what --show asks for."""
    plan = pipeline.load()
    drawn = ((pipeline_mermaid, to_mermaid), (pipeline_svg, to_svg), (save_pipeline, Pipeline.to_yaml))
    for path, text in drawn:
        if path is not None:
            path.write_text(text(plan), encoding="utf-8")
    wrote = any(path is not None for path, _ in drawn)
    wanted = items if items or wrote else ("pipeline-graph",)
    for item in wanted:
        show(plan, item)


def show(plan: Pipeline, item: str) -> None:
    """Print one view of a pipeline.

    Raises
    ------
    click.UsageError
        Raised for an item that there is not.
    """
    name, _, pattern = item.partition("=")
    match name:
        case "pipeline":
            click.echo(plan.to_yaml(), nl=False)
        case "pipeline-graph":
            click.echo(to_text(plan))
        case "tasks":
            for node in plan.nodes:
                click.echo(f"{node.label}: {node.task_class_name}")
        case "subsets":
            for subset, value in plan.subsets.items():
                click.echo(f"{subset}: {', '.join(value.labels)}")
        case "config":
            click.echo("\n".join(config_lines(plan, pattern or "*")))
        case "history" if pattern:
            click.echo("\n".join(history_lines(plan, pattern)))
        case _:
            raise click.UsageError(f"--show takes {', '.join(SHOWN_OF_PIPELINES)}, not {item!r}")
