"""QuantumJob and RunSetup: everything that it takes to run a quantum in any process."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from butler import DatasetRef
from butler.datastore import FileDatastore
from butler.registry import FileRecord
from connections import PipelineTaskNode, Quantum

__all__ = ["QuantumJob", "RunSetup"]


@dataclass(frozen=True)
class RunSetup:
    """What all quanta of a run share; each worker gets it once.

    Parameters
    ----------
    nodes
        Tasks by label.
    datastore
        Where to read and write files.
    cores
        Number of threads that a quantum may use.
    memory
        Bytes that a quantum may take; None for as many as there are.
    raise_on_partial_outputs
        Whether an `AnnotatedPartialOutputsError` is a failure.
    log_level
        Least level of the messages that are kept.
    init_inputs
        Objects that tasks need when they are made, by label and connection.
    """

    nodes: Mapping[str, PipelineTaskNode]
    datastore: FileDatastore
    cores: int = 1
    memory: int | None = None
    raise_on_partial_outputs: bool = True
    log_level: int = logging.INFO
    init_inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class QuantumJob:
    """One attempt at a quantum.

    Parameters
    ----------
    quantum
        What to run.
    records
        Files of the inputs that exist.
    metadata_ref, log_ref
        Datasets for metadata and log.
    attempt
        Number of the attempt, from 1.
    history
        How the earlier attempts ended.
    """

    quantum: Quantum
    records: Mapping[uuid.UUID, FileRecord]
    metadata_ref: DatasetRef
    log_ref: DatasetRef
    attempt: int = 1
    history: tuple[str, ...] = ()
