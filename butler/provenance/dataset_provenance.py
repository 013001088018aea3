"""DatasetProvenance: what a dataset was made from, as flat keys for a header."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..datasets import DatasetRef
from ..errors import DatasetNotFoundError, DatasetTypeError

__all__ = ["DatasetProvenance", "with_provenance"]

_Value = str | int | float | bool | uuid.UUID
_RESERVED: Final = frozenset({"id", "run", "datasettype"})
"""Keys that every input has."""
_HEADER: Final = "LSST BUTLER"
"""How keys begin in a FITS header."""
_TABLE: Final = "LSST.BUTLER"
"""How they begin in what a table says of itself."""


@dataclass(slots=True)
class DatasetProvenance:
    """Inputs of a dataset, and the quantum that made it.

    Parameters
    ----------
    inputs
        Datasets that it was made from.
    quantum_id
        UUID of the quantum, if there was one.
    extras
        More to tell of an input, by its UUID.
    """

    inputs: list[DatasetRef] = field(default_factory=list)
    quantum_id: uuid.UUID | None = None
    extras: dict[uuid.UUID, dict[str, _Value]] = field(default_factory=dict)

    def add_input(self, ref: DatasetRef) -> None:
        """Add an input; one that is there already counts once."""
        if all(known.id != ref.id for known in self.inputs):
            self.inputs.append(ref)

    def add_extra_provenance(self, dataset_id: uuid.UUID, extra: Mapping[str, _Value]) -> None:
        """Tell more of an input.

        Parameters
        ----------
        dataset_id
            Its UUID.
        extra
            Values by key.

        Raises
        ------
        DatasetNotFoundError
            Raised if it is no input.
        DatasetTypeError
            Raised for a key that every input has: id, run, datasettype.
        """
        if all(known.id != dataset_id for known in self.inputs):
            raise DatasetNotFoundError(f"the dataset {dataset_id} is no input; add it first")
        if taken := sorted(key for key in extra if key.lower() in _RESERVED):
            raise DatasetTypeError(f"every input has {', '.join(taken)} already; choose other keys")
        self.extras.setdefault(dataset_id, {}).update(extra)

    def to_flat_dict(
        self,
        ref: DatasetRef | None,
        /,
        *,
        prefix: str = "",
        sep: str = ".",
        simple_types: bool = False,
        use_upper: bool | None = None,
        max_inputs: int | None = None,
    ) -> dict[str, _Value]:
        """Return keys and values that name the dataset and its inputs.

        Parameters
        ----------
        ref
            The dataset; None to tell of its inputs only.
        prefix
            What every key begins with.
        sep
            One character between the words of a key.
        simple_types
            Whether UUIDs are texts.
        use_upper
            Whether keys are in upper case; by default if the prefix begins so.
        max_inputs
            Most inputs to name; if there are more, only their number is told.

        Raises
        ------
        DatasetTypeError
            Raised if `sep` is not one character.
        """
        if len(sep) != 1:
            raise DatasetTypeError(f"the words of a key are separated by one character, not by {sep!r}")
        values: dict[str, _Value] = {}
        if ref is not None:
            values |= _told("", ref)
            values |= {f"dataid{sep}{key}": value for key, value in sorted(ref.dataId.required.items())}
        if self.quantum_id is not None:
            values["quantum"] = self.quantum_id
        values["n_inputs"] = len(self.inputs)
        if max_inputs is None or len(self.inputs) <= max_inputs:
            for number, known in enumerate(self.inputs):
                start = f"input{sep}{number}{sep}"
                values |= _told(start, known)
                values |= {f"{start}{key}": value for key, value in self.extras.get(known.id, {}).items()}
        upper = prefix[:1].isupper() if use_upper is None else use_upper
        start = f"{prefix}{sep}" if prefix else ""
        return {
            start + (key.upper() if upper else key.lower()): str(value)
            if simple_types and isinstance(value, uuid.UUID)
            else value
            for key, value in values.items()
        }

    @staticmethod
    def strip_provenance_from_flat_dict(prov_dict: MutableMapping[str, Any]) -> None:
        """Remove from a header the keys that `with_provenance` adds."""
        for key in [key for key in prov_dict if key.startswith((f"{_HEADER} ", f"{_TABLE}."))]:
            del prov_dict[key]


def with_provenance(obj: Any, provenance: DatasetProvenance | None, ref: DatasetRef) -> Any:
    """Return an object whose metadata tell its provenance, not that of what it was made from.

    One that has no metadata is returned as it is.

    Parameters
    ----------
    obj
        The object; it stays as it is, what it holds is shared. ``metadata`` get keys ``LSST BUTLER ...``,
        the ``meta`` of a table ``LSST.BUTLER....``.
    provenance
        What to tell; nothing if None.
    ref
        The dataset that it becomes.
    """
    for name, prefix, sep in (("metadata", _HEADER, " "), ("meta", _TABLE, ".")):
        held = getattr(obj, name, None)
        if isinstance(held, MutableMapping):
            values = dict(held)
            DatasetProvenance.strip_provenance_from_flat_dict(values)
            if provenance is not None:
                values |= provenance.to_flat_dict(ref, prefix=prefix, sep=sep, simple_types=True)
            if values == held:
                return obj
            told = copy.copy(obj)
            setattr(told, name, values)
            return told
    return obj


def _told(start: str, ref: DatasetRef) -> dict[str, _Value]:
    return {
        f"{start}id": ref.id,
        f"{start}run": ref.run,
        f"{start}datasettype": ref.datasetType.name,
    }
