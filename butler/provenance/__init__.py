"""Where datasets come from: what a header says of it, and what the registry keeps of each quantum."""

from .dataset_provenance import DatasetProvenance, with_provenance
from .quantum_record import QuantumRecord, RecordedDataset, TaskRecord
from .simple_records import (
    datasets_from_simple,
    datasets_to_simple,
    records_from_simple,
    records_to_simple,
)

__all__ = [
    "DatasetProvenance",
    "QuantumRecord",
    "RecordedDataset",
    "TaskRecord",
    "datasets_from_simple",
    "datasets_to_simple",
    "records_from_simple",
    "records_to_simple",
    "with_provenance",
]
