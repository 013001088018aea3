"""Settings of a camera: what its tasks have instead of the defaults, whatever the pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from .errors import ConfigError
from .overrides import Override, read_overrides

__all__ = ["FOLDERS_VARIABLE", "PLUGINS", "camera_folders", "camera_overrides"]

FOLDERS_VARIABLE: Final = "COADD_BUTLER_CAMERA_CONFIG"
"""Environment variable with folders of settings, joined as those of a search path."""
PLUGINS: Final = "connections.camera_config"
"""Group of entry points in which packages declare the package, by instrument, whose files are settings."""
_SUFFIXES: Final = (".yaml", ".py")


def camera_folders(instrument: str) -> list[Path]:
    """Return the folders with settings: those of installed packages, then those of the environment.

    A package that knows a camera declares where its settings are::

        [project.entry-points."connections.camera_config"]
        HSC = "my_package.hsc_config"

    Parameters
    ----------
    instrument
        Name of the instrument.

    Raises
    ------
    ConfigError
        Raised if a folder that was named does not exist.
    """
    places = [point.value for point in metadata.entry_points(group=PLUGINS, name=instrument)]
    folders = [_folder_of(package) for package in sorted(places)]
    for text in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep):
        if text and not Path(text).is_dir():
            raise ConfigError(f"{FOLDERS_VARIABLE} names {text!r}, which is no folder")
        folders += [Path(text)] if text else []
    return folders


def camera_overrides(task_class: Any, instrument: str, folders: Sequence[Path]) -> list[Override]:
    """Return the settings of a task for a camera.

    In each folder ``TASK.yaml`` or ``TASK.py`` is read, then ``INSTRUMENT/TASK.yaml`` or ``.py``, where TASK
    is the name that the class has by default, as in LSST's packages of cameras; see `read_overrides`.

    Parameters
    ----------
    task_class
        Class of the task.
    instrument
        Name of the instrument.
    folders
        Where to look, the last one winning.

    Raises
    ------
    ConfigError
        Raised if a file cannot be read.
    """
    name = getattr(task_class, "_DefaultName", "")
    # The instrument's name comes from a repository, and must not lead out of the folder.
    inner = [instrument] if Path(instrument).name == instrument else []
    paths = [
        folder.joinpath(*part, f"{name}{suffix}")
        for folder in folders
        for part in ([], inner)
        for suffix in _SUFFIXES
    ]
    return [setting for path in dict.fromkeys(paths) if path.is_file() for setting in read_overrides(path)]


def _folder_of(package: str) -> Path:
    try:
        return Path(str(resources.files(package)))
    except (ImportError, TypeError, ValueError) as error:
        raise ConfigError(f"the camera settings of {package!r} cannot be found: {error}") from error
