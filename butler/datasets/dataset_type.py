"""DatasetType: a name, dimensions and a storage class."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..dimensions import UNIVERSE, DimensionGroup, DimensionUniverse
from ..errors import DatasetTypeError
from .storage_class import StorageClass
from .storage_classes import get_storage_class

__all__ = ["DatasetType", "KnowsDatasetTypes"]


class KnowsDatasetTypes(Protocol):
    """A registry, as far as a minimal form needs it."""

    def getDatasetType(self, name: str) -> DatasetType:
        """Return a dataset type by name."""


@dataclass(frozen=True, slots=True)
class DatasetType:
    """A name, the dimensions of its data IDs, and a storage class.

    Parameters
    ----------
    name
        Letters, digits and ``_``; a component is appended with a dot.
    dimensions
        Group, or names that are closed into one.
    storageClass
        Known storage class, or its name.
    parentStorageClass
        Storage class of the whole; of components, and only of these.
    universe
        The one there is; for LSST's callers.
    isCalibration
        Whether its datasets may be given ranges of validity.

    Raises
    ------
    DatasetTypeError
        Raised for a name with other characters, or a parent's storage class where there is no parent.
    """

    name: str
    dimensions: DimensionGroup
    storageClass_name: str
    parentStorageClass_name: str | None
    isCalibration: bool

    def __init__(
        self,
        name: str,
        dimensions: Iterable[str] | DimensionGroup,
        storageClass: str | StorageClass,
        parentStorageClass: str | StorageClass | None = None,
        *,
        universe: DimensionUniverse | None = None,
        isCalibration: bool = False,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", name) or len(name) > 128:
            raise DatasetTypeError(
                f"a dataset type is named with letters, digits and _ (128 at most), not {name!r}"
            )
        if parentStorageClass is not None and "." not in name:
            raise DatasetTypeError(f"{name!r} is no component, and has no parent with a storage class")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dimensions", (universe or UNIVERSE).conform(dimensions))
        object.__setattr__(self, "storageClass_name", _known(storageClass).name)
        parent = None if parentStorageClass is None else _known(parentStorageClass).name
        object.__setattr__(self, "parentStorageClass_name", parent)
        object.__setattr__(self, "isCalibration", isCalibration)

    @property
    def storageClass(self) -> StorageClass:
        """Storage class."""
        return get_storage_class(self.storageClass_name)

    @property
    def parentStorageClass(self) -> StorageClass | None:
        """Storage class of the whole that this is a component of, None if it is none or not known."""
        parent = self.parentStorageClass_name
        return None if parent is None else get_storage_class(parent)

    @staticmethod
    def splitDatasetTypeName(datasetTypeName: str) -> tuple[str, str | None]:
        """Return the name of the whole and the component's name, None if it is no component."""
        name, _, component = datasetTypeName.partition(".")
        return name, component or None

    @staticmethod
    def nameWithComponent(datasetTypeName: str, componentName: str) -> str:
        """Return the name of a component's dataset type."""
        return f"{datasetTypeName}.{componentName}"

    def nameAndComponent(self) -> tuple[str, str | None]:
        """Return the name of the whole and the component's name, None if this is no component."""
        return self.splitDatasetTypeName(self.name)

    def component(self) -> str | None:
        """Return the component's name, None if this is no component."""
        return self.nameAndComponent()[1]

    def isComponent(self) -> bool:
        """Tell whether this is a part of something."""
        return self.component() is not None

    def isComposite(self) -> bool:
        """Tell whether this has components."""
        return bool(self.storageClass.components)

    def componentTypeName(self, component: str) -> str:
        """Return the name of a component's dataset type; raises as `makeComponentDatasetType`."""
        return self.makeComponentDatasetType(component).name

    def makeComponentDatasetType(self, component: str) -> DatasetType:
        """Return the dataset type of one component.

        Raises
        ------
        UnknownComponentError
            Raised if the storage class has no such component.
        """
        part = self.storageClass.component(component)
        name = self.nameWithComponent(self.name, component)
        return DatasetType(
            name, self.dimensions, part, self.storageClass_name, isCalibration=self.isCalibration
        )

    def makeAllComponentDatasetTypes(self) -> list[DatasetType]:
        """Return the dataset types of all components."""
        return [self.makeComponentDatasetType(name) for name, _ in self.storageClass.components]

    def makeCompositeDatasetType(self) -> DatasetType:
        """Return the dataset type of the whole that this is a component of.

        Raises
        ------
        DatasetTypeError
            Raised if this is no component, or the storage class of the whole is not known.
        """
        name, component = self.nameAndComponent()
        if component is None or self.parentStorageClass_name is None:
            raise DatasetTypeError(f"{self} does not know what it is a component of")
        return DatasetType(
            name, self.dimensions, self.parentStorageClass_name, isCalibration=self.isCalibration
        )

    def is_compatible_with(self, other: DatasetType) -> bool:
        """Tell whether the datasets of another type can be had as ones of this type."""
        return (
            (self.name, self.dimensions, self.isCalibration)
            == (other.name, other.dimensions, other.isCalibration)
        ) and self.storageClass.can_convert(other.storageClass)

    def overrideStorageClass(self, storageClass: str | StorageClass) -> DatasetType:
        """Return this dataset type with another storage class.

        Raises
        ------
        DatasetTypeError
            Raised if neither storage class can be had from the other.
        """
        chosen = _known(storageClass)
        if chosen.name == self.storageClass_name:
            return self
        if not (chosen.can_convert(self.storageClass) or self.storageClass.can_convert(chosen)):
            raise DatasetTypeError(
                f"the storage class of {self.name} is {self.storageClass_name}, which cannot be converted "
                f"to or from {chosen.name}"
            )
        parent = self.parentStorageClass_name
        return DatasetType(self.name, self.dimensions, chosen, parent, isCalibration=self.isCalibration)

    def to_simple(self, minimal: bool = False) -> dict[str, Any]:
        """Return plain values for JSON, as LSST has them.

        Parameters
        ----------
        minimal
            Whether the name is enough, because a registry will know the rest.
        """
        if minimal:
            return {"name": self.name}
        simple: dict[str, Any] = {
            "name": self.name,
            "storageClass": self.storageClass_name,
            "dimensions": list(self.dimensions.required),
        }
        if self.parentStorageClass_name is not None:
            simple["parentStorageClass"] = self.parentStorageClass_name
        if self.isCalibration:
            simple["isCalibration"] = True
        return simple

    @classmethod
    def from_simple(
        cls,
        simple: Mapping[str, Any],
        universe: DimensionUniverse | None = None,
        registry: KnowsDatasetTypes | None = None,
    ) -> DatasetType:
        """Read what `to_simple` returned.

        Parameters
        ----------
        simple
            The values.
        universe
            The one there is; for LSST's callers.
        registry
            What knows the dataset types of which only the name is told.

        Raises
        ------
        DatasetTypeError
            Raised if only the name is told, and there is no registry.
        """
        if "dimensions" not in simple:
            if registry is None:
                raise DatasetTypeError(f"of {simple['name']!r} only the name is told: a registry is needed")
            return registry.getDatasetType(simple["name"])
        return cls(
            simple["name"],
            simple["dimensions"],
            simple["storageClass"],
            simple.get("parentStorageClass"),
            universe=universe,
            isCalibration=bool(simple.get("isCalibration")),
        )

    def to_json(self, minimal: bool = False) -> str:
        """Return `to_simple` as JSON text."""
        return json.dumps(self.to_simple(minimal), separators=(",", ":"))

    @classmethod
    def from_json(
        cls,
        json_str: str,
        universe: DimensionUniverse | None = None,
        registry: KnowsDatasetTypes | None = None,
    ) -> DatasetType:
        """Read what `to_json` returned; arguments and errors as `from_simple`."""
        return cls.from_simple(json.loads(json_str), universe, registry)

    def __lt__(self, other: DatasetType) -> bool:
        return self.name < other.name

    def __str__(self) -> str:
        calibration = " calibration" if self.isCalibration else ""
        return f"{self.name} {self.dimensions} {self.storageClass_name}{calibration}"

    def __reduce__(self) -> tuple[object, ...]:
        return DatasetType.from_simple, (self.to_simple(),)


def _known(storage_class: str | StorageClass) -> StorageClass:
    return storage_class if isinstance(storage_class, StorageClass) else get_storage_class(storage_class)
