"""Frames: what ingest needs to know of each detector image in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..datasets import DatasetType
from ..images import Psf
from ..regions import SkyRegion

__all__ = ["FilePart", "Frame", "FrameFile", "RecordValues"]

RecordValues = tuple[str, dict[str, Any]]
"""An element, and the values of a record of it: first instrument and number, or name."""


class FilePart(NamedTuple):
    """A part of a file that is to become a dataset.

    Parameters
    ----------
    dataset_type
        What it becomes.
    path
        The file.
    formatter
        Name of the formatter that reads it; that of the storage class if empty.
    layout
        Where its pixels lie, as text; None if it has no pixels, or nobody has looked.
    """

    dataset_type: DatasetType
    path: Path
    formatter: str
    layout: str | None = None


class Frame(NamedTuple):
    """A detector image.

    Parameters
    ----------
    data_id
        Instrument, exposure and detector.
    exposure_records
        Values of the records that it has in common with the other frames of its exposure, each after those
        that it refers to; often the same object as theirs. That of the visit has no region.
    records
        Values of its own records, which may refer to those.
    parts
        Its datasets, the exposure first.
    exposure_time
        Seconds.
    region
        Where it lies on the sky.
    zero_point_key
        What tells its row in a table of zero points; empty if there is none.
    psf
        Its PSF, if that is one of several in a file.
    """

    data_id: dict[str, Any]
    exposure_records: tuple[RecordValues, ...]
    records: tuple[RecordValues, ...]
    parts: tuple[FilePart, ...]
    exposure_time: float
    region: SkyRegion
    zero_point_key: tuple[str, ...] = ()
    psf: Psf | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """Instrument, detector and exposure: the required values of its data ID, in their order."""
        return self.data_id["instrument"], self.data_id["detector"], self.data_id["exposure"]


class FrameFile(NamedTuple):
    """What was found in a file.

    Parameters
    ----------
    path
        The file.
    frames
        Its detector images.
    reason
        Why it cannot be ingested; empty if it can.
    """

    path: Path
    frames: tuple[Frame, ...] = ()
    reason: str = ""
