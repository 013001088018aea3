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
        ├── TooManyMaskedPixelsError  no pixel is left to measure a background in
        ├── ExplainError           a pixel that cannot be explained
        ├── PsfMatchError          a PSF that cannot be matched to the model
        ├── WorkerError            worker processes that cannot be used
        └── QuantumError           how a quantum may fail, told to whoever runs it
            ├── AnnotatedPartialOutputsError  some outputs are written, and its cause kept the others away
            ├── InvalidQuantumError     the quantum itself is wrong: nothing else should run either
            ├── RepeatableQuantumError  would fail again just so
            │   └── AlgorithmError      the algorithm does not work on these data
            └── TransientError          may be over in a moment: worth another attempt
    NoWorkFound (connections)
    ├── UnprocessableDataError     the data are so bad that nothing can be made of them
    └── UpstreamFailureNoWorkFound a failure that an earlier quantum has got over left too little
    TaskError, ConflictingDefinitionError (butler)
    └── RunConflictError           a run was made otherwise: another config or schema
        └── VersionConflictError   ... or other versions of packages
"""

from __future__ import annotations

from butler.errors import ButlerUserError, ConflictingDefinitionError
from connections.errors import NoWorkFound

__all__ = [
    "AlgorithmError",
    "AnnotatedPartialOutputsError",
    "BrightObjectError",
    "DetectionError",
    "ExplainError",
    "ExplainPlaceError",
    "InvalidQuantumError",
    "PsfMatchError",
    "QuantumError",
    "RepeatableQuantumError",
    "RunConflictError",
    "TaskError",
    "TooManyMaskedPixelsError",
    "TransientError",
    "UnprocessableDataError",
    "UpstreamFailureNoWorkFound",
    "VersionConflictError",
    "WarpError",
    "WarpGeometryError",
    "WarpInputsError",
    "WarpUnitError",
    "WarpWeightError",
    "WorkerError",
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


class TooManyMaskedPixelsError(TaskError):
    """No pixel of an image is left in which its background could be measured."""


class ExplainError(TaskError):
    """A pixel of a coadd cannot be explained with what is there."""


class ExplainPlaceError(ExplainError):
    """The place of a pixel is not told in one of the ways it can be."""


class PsfMatchError(TaskError):
    """A PSF is unknown, or cannot be turned into the model PSF well enough."""


class QuantumError(TaskError):
    """A quantum failed in a way that whoever runs it should know."""


class AnnotatedPartialOutputsError(QuantumError):
    """Some outputs are written; the error that it is raised from kept the others away.

    The quantum fails with that error, unless whoever runs it takes partial outputs for a success.
    """


class InvalidQuantumError(QuantumError):
    """The quantum itself is wrong, and so others will be: the run ends."""


class RepeatableQuantumError(QuantumError):
    """The quantum would fail again just so."""


class AlgorithmError(RepeatableQuantumError):
    """The algorithm does not work on these data."""


class TransientError(QuantumError):
    """Something failed that may work in a moment: the quantum is worth another attempt."""


class WorkerError(TaskError):
    """Worker processes cannot be started, or are not the same program as their coordinator."""


class UnprocessableDataError(NoWorkFound):
    """The data are so bad that nothing can be made of them; a success without outputs."""


class UpstreamFailureNoWorkFound(NoWorkFound):
    """A failure that an earlier quantum has got over left too little; a success without outputs."""


class RunConflictError(TaskError, ConflictingDefinitionError):
    """A run was made with another config or schema; another run has no such conflict."""


class VersionConflictError(RunConflictError):
    """A run was made with other versions of packages."""
