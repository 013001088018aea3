"""DatasetExistence: how far a dataset exists."""

from __future__ import annotations

from enum import Flag

__all__ = ["DatasetExistence"]


class DatasetExistence(Flag):
    """What registry and datastore know of a dataset; true only if it can be read, or is taken to be."""

    UNRECOGNIZED = 0
    """Neither knows it."""
    RECORDED = 1
    """The registry has the dataset."""
    DATASTORE = 2
    """There is a record of its file."""
    _ARTIFACT = 4
    """The file is there."""
    _ASSUMED = 8
    """Whether the file is there was not looked up."""
    KNOWN = RECORDED | DATASTORE | _ASSUMED
    """Registered and stored, as far as can be told without a look at the file."""
    VERIFIED = RECORDED | DATASTORE | _ARTIFACT
    """Registered and stored, and the file is there."""

    def __bool__(self) -> bool:
        return self in (DatasetExistence.KNOWN, DatasetExistence.VERIFIED)
