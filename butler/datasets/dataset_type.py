"""DatasetType: a name, dimensions and a storage class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..dimensions import UNIVERSE, DimensionGroup
from ..errors import DatasetTypeError
from .storage_class import StorageClass, get_storage_class

__all__ = ["DatasetType"]


@dataclass(frozen=True, slots=True)
class DatasetType:
    """A name, the dimensions of its data IDs, and a storage class.

    Parameters
    ----------
    name
        Letters, digits and ``_``; a component is appended with a dot.
    dimensions
        Group, or names that are closed into one.
    storageClass_name
        Name of a known storage class.
    isCalibration
        Whether its datasets may be given ranges of validity.

    Raises
    ------
    DatasetTypeError
        Raised for a name with other characters.
    """

    name: str
    dimensions: DimensionGroup
    storageClass_name: str
    isCalibration: bool

    def __init__(
        self,
        name: str,
        dimensions: Iterable[str] | DimensionGroup,
        storageClass: str | StorageClass,
        isCalibration: bool = False,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", name) or len(name) > 128:
            raise DatasetTypeError(
                f"a dataset type is named with letters, digits and _ (128 at most), not {name!r}"
            )
        storage_class = (
            storageClass if isinstance(storageClass, StorageClass) else get_storage_class(storageClass)
        )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dimensions", UNIVERSE.conform(dimensions))
        object.__setattr__(self, "storageClass_name", storage_class.name)
        object.__setattr__(self, "isCalibration", isCalibration)

    @property
    def storageClass(self) -> StorageClass:
        """Storage class."""
        return get_storage_class(self.storageClass_name)

    def nameAndComponent(self) -> tuple[str, str | None]:
        """Return the name of the whole and the component's name, None if this is no component."""
        name, _, component = self.name.partition(".")
        return name, component or None

    def makeComponentDatasetType(self, component: str) -> DatasetType:
        """Return the dataset type of one component.

        Raises
        ------
        UnknownComponentError
            Raised if the storage class has no such component.
        """
        part = self.storageClass.component(component)
        return DatasetType(f"{self.name}.{component}", self.dimensions, part, self.isCalibration)

    def __str__(self) -> str:
        calibration = " calibration" if self.isCalibration else ""
        return f"{self.name} {self.dimensions} {self.storageClass_name}{calibration}"

    def __reduce__(self) -> tuple[object, ...]:
        return DatasetType, (self.name, self.dimensions, self.storageClass_name, self.isCalibration)
