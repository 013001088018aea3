"""Errors of planning: connections, pipelines and quantum graphs.

::

    ButlerUserError (butler)
    ├── ConnectionsError        (TypeError, ValueError) a task declares impossible inputs or outputs
    ├── ConfigError             (ValueError) a config field or value that cannot be
    ├── PipelineError           (ValueError) a pipeline that cannot be run as written
    ├── RunCollectionsError     (ValueError) outputs cannot go where they should
    └── QuantumGraphError
        ├── EmptyQuantumGraphError   nothing to do, and why
        ├── GraphFileError      (ValueError) a saved graph that cannot be read, or that does not fit
        ├── MissingPrerequisiteError (FileNotFoundError, DatasetNotFoundError) what must exist before does not
        ├── OutputExistsError   (FileExistsError) an output of the run is there already
        └── ScalarError         (TypeError) several datasets where a task takes one
    NoWorkFound                 a quantum has nothing to do: success, without outputs
"""

from __future__ import annotations

from butler.errors import ButlerUserError, DatasetNotFoundError

__all__ = [
    "ConfigError",
    "ConnectionsError",
    "EmptyQuantumGraphError",
    "GraphFileError",
    "MissingPrerequisiteError",
    "NoWorkFound",
    "OutputExistsError",
    "PipelineError",
    "QuantumGraphError",
    "RunCollectionsError",
    "ScalarError",
]


class ConnectionsError(ButlerUserError, TypeError, ValueError):
    """A task declares inputs or outputs that cannot be."""


class ConfigError(ButlerUserError, ValueError):
    """A config field does not exist, or cannot have that value."""


class PipelineError(ButlerUserError, ValueError):
    """A pipeline cannot be run as it is written."""


class RunCollectionsError(ButlerUserError, ValueError):
    """The outputs of a pipeline cannot go where they are to go."""


class QuantumGraphError(ButlerUserError):
    """A quantum graph cannot be built or read."""


class EmptyQuantumGraphError(QuantumGraphError, ValueError):
    """A quantum graph has no quanta; the message says why."""


class GraphFileError(QuantumGraphError, ValueError):
    """A saved graph cannot be read, or does not fit the repository or the tasks."""


class MissingPrerequisiteError(QuantumGraphError, DatasetNotFoundError, FileNotFoundError):
    """A dataset that must exist before anything runs does not."""


class OutputExistsError(QuantumGraphError, FileExistsError):
    """An output of the run exists already."""


class ScalarError(QuantumGraphError, TypeError):
    """A quantum has several datasets of a connection that takes one."""


class NoWorkFound(BaseException):
    """A quantum has nothing to do.

    The quantum counts as a success without outputs. Like LSST's it is no `Exception`, so that a task's
    own ``except Exception`` does not swallow it.
    """
