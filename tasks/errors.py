"""Errors that tasks raise on purpose.

::

    ButlerUserError (butler)
    └── TaskError                  (ValueError) a task cannot work with what it was given
        ├── WarpError              a warp that cannot be coadded; the message names its data ID
        │   ├── WarpGeometryError  its box or WCS is not that of the patch
        │   ├── WarpUnitError      its pixels have another unit than nJy
        │   ├── WarpInputsError    its record of inputs cannot be used
        │   └── WarpWeightError    its weight in the coadd is not a positive number
        ├── BrightObjectError      a catalog of bright objects that cannot be used
        ├── DetectionError         an image in which nothing can be detected, whatever is in it
        ├── ExplainError           a pixel that cannot be explained
        └── PsfMatchError          a PSF that cannot be matched to the model
    TaskError, ConflictingDefinitionError (butler)
    └── RunConflictError           a run was made otherwise: another config or schema
        └── VersionConflictError   ... or other versions of packages
"""

from __future__ import annotations

from butler.errors import ButlerUserError, ConflictingDefinitionError

__all__ = [
    "BrightObjectError",
    "DetectionError",
    "ExplainError",
    "PsfMatchError",
    "RunConflictError",
    "TaskError",
    "VersionConflictError",
    "WarpError",
    "WarpGeometryError",
    "WarpInputsError",
    "WarpUnitError",
    "WarpWeightError",
]


class TaskError(ButlerUserError, ValueError):
    """A task cannot do its work with what it was given."""


class WarpError(TaskError):
    """A warp cannot be coadded."""


class WarpGeometryError(WarpError):
    """The box or WCS of a warp is not that of the patch."""


class WarpUnitError(WarpError):
    """The pixels of a warp have another unit than nJy."""


class WarpInputsError(WarpError):
    """The record of what a warp was made of is missing or cannot be used."""


class WarpWeightError(WarpError):
    """The weight of a warp is not a positive finite number."""


class BrightObjectError(TaskError):
    """A catalog of bright objects lacks a column, or has a value that cannot be."""


class DetectionError(TaskError):
    """An image lacks what detection needs, for example a PSF."""


class ExplainError(TaskError):
    """A pixel of a coadd cannot be explained with what is there."""


class PsfMatchError(TaskError):
    """A PSF is unknown, or cannot be turned into the model PSF well enough."""


class RunConflictError(TaskError, ConflictingDefinitionError):
    """A run was made with another config or schema; another run has no such conflict."""


class VersionConflictError(RunConflictError):
    """A run was made with other versions of packages."""
