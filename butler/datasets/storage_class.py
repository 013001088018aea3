"""StorageClass: what kind of object a dataset is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import StorageClassError, UnknownComponentError, did_you_mean

__all__ = ["STORAGE_CLASSES", "StorageClass", "get_storage_class"]


@dataclass(frozen=True, slots=True)
class StorageClass:
    """What kind of object a dataset is, whatever file it is kept in.

    Parameters
    ----------
    name
        Name, as LSST has it.
    pytype
        Python type, ``"package.module:Class"``; imported only when an object is checked.
    components
        Storage class of each part that can be read alone.
    parameters
        Names of the read parameters that are understood.
    """

    name: str
    pytype: str
    components: tuple[tuple[str, str], ...] = ()
    parameters: frozenset[str] = frozenset()

    def component(self, name: str) -> StorageClass:
        """Return the storage class of a component.

        Raises
        ------
        UnknownComponentError
            Raised if there is no such component.
        """
        parts = dict(self.components)
        if name not in parts:
            hint = did_you_mean(name, parts) or "; it has none"
            raise UnknownComponentError(f"{self.name} has no component {name!r}{hint}")
        return get_storage_class(parts[name])

    def can_convert(self, other: StorageClass) -> bool:
        """Tell whether objects of another storage class can be had as ones of this."""
        return self.pytype == other.pytype

    def coerce_type(self, obj: Any) -> Any:
        """Return an object, of a storage class that `can_convert` allows, as one of this."""
        return obj

    def check_parameters(self, names: Iterable[str]) -> None:
        """Refuse read parameters that are not understood.

        Raises
        ------
        StorageClassError
            Raised with the ones that are.
        """
        for name in names:
            if name not in self.parameters:
                hint = did_you_mean(name, self.parameters) or "; it takes none"
                raise StorageClassError(f"{self.name} does not understand the parameter {name!r}{hint}")


_BOX: Final = frozenset({"bbox", "origin"})
_PLANES: Final = (("image", "ImageF"), ("mask", "MaskX"), ("variance", "ImageF"), ("bbox", "Box2I"))
_EXPOSURE: Final = (
    *_PLANES,
    ("maskedImage", "MaskedImageF"),
    ("wcs", "Wcs"),
    ("psf", "Psf"),
    ("photoCalib", "PhotoCalib"),
    ("filter", "FilterLabel"),
    ("visitInfo", "VisitInfo"),
    ("coaddInputs", "CoaddInputs"),
    ("metadata", "PropertyList"),
)

STORAGE_CLASSES: Final[dict[str, StorageClass]] = {
    sc.name: sc
    for sc in (
        StorageClass("Exposure", "butler.images:Exposure", _EXPOSURE, _BOX),
        StorageClass("ExposureF", "butler.images:Exposure", _EXPOSURE, _BOX),
        StorageClass("MaskedImage", "butler.images:MaskedImage", _PLANES, _BOX),
        StorageClass("MaskedImageF", "butler.images:MaskedImage", _PLANES, _BOX),
        StorageClass("Image", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("ImageF", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("ImageU", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("Mask", "butler.images:Mask", (("bbox", "Box2I"),), _BOX),
        StorageClass("MaskX", "butler.images:Mask", (("bbox", "Box2I"),), _BOX),
        StorageClass("Box2I", "butler.images:Box2I"),
        StorageClass("Wcs", "butler.images:SkyWcs"),
        StorageClass("Psf", "butler.images:Psf"),
        StorageClass("PhotoCalib", "butler.images:PhotoCalib"),
        StorageClass("FilterLabel", "butler.images:FilterLabel"),
        StorageClass("VisitInfo", "butler.images:VisitInfo"),
        StorageClass("CoaddInputs", "butler.images:CoaddInputs"),
        StorageClass("PropertyList", "builtins:dict"),
        StorageClass("SkyMap", "butler.skymaps:SkyMap"),
        StorageClass("HealSparseMap", "healsparse:HealSparseMap"),
        StorageClass("ArrowAstropy", "astropy.table:Table"),
        StorageClass("SourceCatalog", "astropy.table:Table"),
        StorageClass("StructuredDataDict", "builtins:dict"),
        StorageClass("Config", "builtins:dict"),
        StorageClass("TaskMetadata", "builtins:dict"),
    )
}
"""The storage classes that are known, by name."""


def get_storage_class(name: str) -> StorageClass:
    """Return a storage class by name.

    Raises
    ------
    StorageClassError
        Raised if there is none.
    """
    try:
        return STORAGE_CLASSES[name]
    except KeyError:
        hint = did_you_mean(name, STORAGE_CLASSES)
        raise StorageClassError(f"no storage class {name!r}{hint}") from None
