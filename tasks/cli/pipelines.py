"""The command ``pipetask pipelines``: what can be run as it is."""

from __future__ import annotations

import click

from butler.safe_yaml import load_yaml

from ..ready_pipelines import ready_pipelines

__all__ = ["list_pipelines"]


@click.command("pipelines")
def list_pipelines() -> None:
    """List the ready pipelines."""
    for name, path in ready_pipelines().items():
        description = load_yaml(path.read_bytes(), name)["description"]
        click.echo(f"{name}: {' '.join(description.split())}")
