"""The pipelines that come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from butler.errors import did_you_mean
from connections import Overrides, Pipeline, PipelineError

__all__ = ["find_pipeline", "load_pipeline", "ready_pipelines"]


def ready_pipelines() -> dict[str, Path]:
    """Return the files of the ready pipelines by name."""
    folder = Path(str(resources.files(__package__) / "pipelines"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


def find_pipeline(name: str) -> Path:
    """Return the file of a pipeline: a ready one's name, or a path.

    Raises
    ------
    PipelineError
        Raised if there is none.
    """
    ready = ready_pipelines()
    if name not in ready and not Path(name).exists():
        raise PipelineError(f"no pipeline {name!r}{did_you_mean(name, ready)}")
    return ready.get(name, Path(name))


def load_pipeline(
    name: str,
    overrides: Overrides | None = None,
    *,
    instrument: str | None = None,
    cameras: Sequence[Path] = (),
) -> Pipeline:
    """Read a pipeline.

    Parameters
    ----------
    name
        YAML file, or name of a ready pipeline; labels, subsets and ranges after ``#`` select tasks, as in
        ``from-exposures#makeWarp..assembleCoadd``.
    overrides
        Settings by label, applied after those of the file.
    instrument
        Instrument that it will run for, whose settings then apply: those of its camera before those of the
        file.
    cameras
        Folders with settings of cameras, besides those that installed packages and the environment name.

    Raises
    ------
    PipelineError
        Raised if there is no such pipeline or label, or its tasks do not fit together.
    ConfigError
        Raised if a class or a config value cannot be.
    """
    stem, _, selection = name.partition("#")
    path = find_pipeline(stem)
    return Pipeline.from_file(
        path,
        overrides,
        instrument=instrument,
        ready=ready_pipelines(),
        selection=selection,
        cameras=cameras,
    )
