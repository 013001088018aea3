"""require_same: one UUID, one dataset."""

from __future__ import annotations

from ..errors import ConflictingDefinitionError
from .dataset_ref import DatasetRef

__all__ = ["require_same"]


def require_same(ref: DatasetRef, known: DatasetRef) -> None:
    """Refuse a ref that says something else of a UUID than what is known of it.

    Parameters
    ----------
    ref
        The ref; that of a component stands for the whole.
    known
        The dataset that has the UUID.

    Raises
    ------
    ConflictingDefinitionError
        Raised if type, run or data ID are others.
    """
    told = (ref.datasetType.nameAndComponent()[0], ref.run, ref.dataId.required_values)
    if told != (known.datasetType.name, known.run, known.dataId.required_values):
        raise ConflictingDefinitionError(f"the UUID {ref.id} belongs to {known}, not to {ref}")
