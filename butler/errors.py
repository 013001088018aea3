"""Every error that butler raises on purpose.

::

    ButlerError
    ├── ButlerUserError                 your input was wrong; the message says how to mend it
    │   ├── RepositoryNotFoundError     (FileNotFoundError) no butler.yaml there
    │   ├── RepositoryExistsError       (FileExistsError) refusing to overwrite a repository
    │   ├── ReadOnlyButlerError         (TypeError) a write on a read-only butler
    │   ├── CollectionError
    │   │   ├── MissingCollectionError  (LookupError) no collection of that name
    │   │   ├── NoDefaultCollectionError  (TypeError) neither given nor set as default
    │   │   ├── CollectionTypeError     (TypeError) a RUN where a CHAINED is needed, or the reverse
    │   │   └── CollectionCycleError    (ValueError) a chain that would contain itself
    │   ├── DatasetTypeError            (ValueError) a dataset type that cannot be
    │   │   └── MissingDatasetTypeError   (LookupError) no dataset type of that name
    │   ├── DatasetNotFoundError        (LookupError) no dataset for that data ID
    │   │   └── AmbiguousCalibrationError several calibrations are valid within that time
    │   ├── ArtifactExistsError         (FileExistsError) refusing to overwrite a file
    │   ├── ArtifactMissingError        (FileNotFoundError) registered, but its file is gone
    │   ├── ConflictingDefinitionError  (ValueError) exists already, with another definition
    │   ├── OrphanedRecordError         (ValueError) something else still needs it
    │   ├── DimensionNameError          (KeyError) unknown or missing dimension
    │   ├── DataIdValueError            (ValueError) a value that no dimension record has
    │   ├── InvalidQueryError           (ValueError) an expression that cannot be understood
    │   │   └── EmptyQueryResultError     nothing found, and why
    │   ├── StorageClassError           (TypeError) object, storage class and parameters do not fit
    │   │   └── UnknownParameterError     (KeyError) a read parameter that is not understood
    │   ├── UnknownComponentError       (KeyError) no such component
    │   ├── BoxError                    (ValueError) a pixel box outside its image
    │   ├── FileFormatError             (ValueError) a file that is broken or not what it says
    │   ├── IngestError                 (ValueError) an exposure that cannot be described
    │   ├── SchemaVersionError          (ValueError) a registry older or newer than this program
    │   ├── PruneError                  (TypeError) options of a deletion that contradict each other
    │   ├── TemplateError               (ValueError) a path that would leave the repository
    │   └── TransactionConflictError    two writers waited for each other, and this one gave way
    ├── RepositoryCorruptionError       the repository contradicts itself; run ``butler verify``
    └── UncertainCommitError            the database went away; nobody knows what it has kept
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

__all__ = [
    "AmbiguousCalibrationError",
    "ArtifactExistsError",
    "ArtifactMissingError",
    "BoxError",
    "ButlerError",
    "ButlerUserError",
    "CollectionCycleError",
    "CollectionError",
    "CollectionTypeError",
    "ConflictingDefinitionError",
    "DataIdValueError",
    "DatasetNotFoundError",
    "DatasetTypeError",
    "DimensionNameError",
    "EmptyQueryResultError",
    "FileFormatError",
    "IngestError",
    "InvalidQueryError",
    "MissingCollectionError",
    "MissingDatasetTypeError",
    "NoDefaultCollectionError",
    "OrphanedRecordError",
    "PruneError",
    "ReadOnlyButlerError",
    "RepositoryCorruptionError",
    "RepositoryExistsError",
    "RepositoryNotFoundError",
    "SchemaVersionError",
    "StorageClassError",
    "TemplateError",
    "TransactionConflictError",
    "UncertainCommitError",
    "UnknownComponentError",
    "UnknownParameterError",
    "did_you_mean",
]


_MAX_LENGTH: Final = 2000
"""Longest message, characters."""


class ButlerError(Exception):
    """Base of every error raised on purpose."""

    def __str__(self) -> str:
        # KeyError would print the message in quotes.
        text = " ".join(str(arg) for arg in self.args)
        if len(text) > _MAX_LENGTH:
            # It repeats what it was given; the beginning and the end tell enough of that.
            text = f"{text[: _MAX_LENGTH // 2]} ... {text[-_MAX_LENGTH // 2 :]}"
        return text


class ButlerUserError(ButlerError):
    """The caller's input was wrong; nothing was changed."""


class RepositoryNotFoundError(ButlerUserError, FileNotFoundError):
    """There is no repository at the given place."""


class RepositoryExistsError(ButlerUserError, FileExistsError):
    """A repository is already there."""


class ReadOnlyButlerError(ButlerUserError, TypeError):
    """The butler was opened read-only."""


class CollectionError(ButlerUserError):
    """Something is wrong with a collection."""


class MissingCollectionError(CollectionError, LookupError):
    """No collection has that name."""


class NoDefaultCollectionError(CollectionError, TypeError):
    """No collection was given and the butler has no default."""


class CollectionTypeError(CollectionError, TypeError):
    """The collection is of another type than the operation needs."""


class CollectionCycleError(CollectionError, ValueError):
    """A chain would contain itself."""


class DatasetTypeError(ButlerUserError, ValueError):
    """A dataset type is badly defined."""


class MissingDatasetTypeError(DatasetTypeError, LookupError):
    """No dataset type has that name."""


class DatasetNotFoundError(ButlerUserError, LookupError):
    """No dataset matches."""


class AmbiguousCalibrationError(DatasetNotFoundError):
    """Several calibrations are valid within a timespan, each at a part of it."""


class ArtifactExistsError(ButlerUserError, FileExistsError):
    """A file would be overwritten."""


class ArtifactMissingError(ButlerUserError, FileNotFoundError, LookupError):
    """The dataset is registered but its file is not there."""


class ConflictingDefinitionError(ButlerUserError, ValueError):
    """The thing exists already and is different."""


class OrphanedRecordError(ButlerUserError, ValueError):
    """The thing is still needed by something else."""


class DimensionNameError(ButlerUserError, KeyError):
    """A dimension or field name is unknown, or a required one is missing."""


class DataIdValueError(ButlerUserError, ValueError):
    """A data ID has a value of the wrong type or without a dimension record."""


class InvalidQueryError(ButlerUserError, ValueError):
    """A query expression is wrong."""


class EmptyQueryResultError(InvalidQueryError):
    """A query found nothing; the message says which condition removed everything."""


class SchemaVersionError(ButlerUserError, ValueError):
    """The tables of a registry are of another version than this program's."""


class StorageClassError(ButlerUserError, TypeError):
    """Object, storage class and parameters do not fit each other."""


class UnknownParameterError(StorageClassError, KeyError):
    """The storage class does not understand such a read parameter."""


class UnknownComponentError(ButlerUserError, KeyError):
    """The storage class has no such component."""


class BoxError(ButlerUserError, ValueError):
    """A pixel box is empty or not inside its image."""


class FileFormatError(ButlerUserError, ValueError):
    """A file is truncated, broken, or not of the format it should have."""


class IngestError(ButlerUserError, ValueError):
    """An exposure cannot be ingested."""


class PruneError(ButlerUserError, TypeError):
    """The options of a deletion contradict each other, or ask for nothing."""


class TemplateError(ButlerUserError, ValueError):
    """A path template is wrong or would leave the repository."""


class RepositoryCorruptionError(ButlerError):
    """The repository contradicts itself."""


class TransactionConflictError(ButlerUserError):
    """Two writers waited for each other; what this one did is undone, and can be done again."""


class UncertainCommitError(ButlerError):
    """The database went away while a transaction was committed; it was kept whole, or not at all."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or the known names where none is near.

    Parameters
    ----------
    name
        The misspelt name.
    known
        The names that exist.

    Returns
    -------
    hint
        Text to append to a message; empty if nothing is known.
    """
    candidates = sorted(set(known))
    if not candidates:
        return ""
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    near = near or [c for c in candidates if c.lower() == name.lower()][:1]
    if near:
        return f"; did you mean {near[0]!r}?"
    shown = ", ".join(candidates[:20]) + (", ..." if len(candidates) > 20 else "")
    return f"; known: {shown}"
