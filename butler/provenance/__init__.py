"""Where datasets come from: what a header says of it, and what the registry keeps of each quantum."""

from .dataset_provenance import DatasetProvenance, with_provenance
from .quantum_record import QuantumRecord, RecordedDataset, TaskRecord

__all__ = ["DatasetProvenance", "QuantumRecord", "RecordedDataset", "TaskRecord", "with_provenance"]
