"""StorageClass: what kind of object a dataset is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, Final

from ..errors import StorageClassError, UnknownComponentError, UnknownParameterError, did_you_mean

__all__ = ["StorageClass"]

Parts = tuple[tuple[str, "StorageClass"], ...]


@dataclass(frozen=True, slots=True, repr=False)
class StorageClass:
    """What kind of object a dataset is, whatever file it is kept in.

    Two storage classes are equal if all of their fields are.

    Parameters
    ----------
    name
        Name, as LSST has it.
    pytype
        Python type, or its place ``"package.module:Class"``, which is imported only when an object is
        checked; that of ``inheritsFrom`` if not given, or any.
    components
        Storage class of each stored part that can be read alone.
    derivedComponents
        Storage class of each part that is computed.
    parameters
        Names of the read parameters that are understood.
    converters
        By the place of a type, the place of the function that makes an object of this class out of one.
    formatter
        Name of the formatter that writes it; without one it is not stored on its own.
    pixel_type
        numpy type of the pixels of an image, for example ``"f4"``; any if not given.
    inheritsFrom
        Storage class whose fields, but the name, this one has where it does not give its own.
    """

    name: str
    pytype_name: str
    components: Parts
    derivedComponents: Parts
    parameters: frozenset[str]
    converters: tuple[tuple[str, str], ...]
    formatter: str
    pixel_type: str
    _parts: dict[str, StorageClass] = field(compare=False)

    def __init__(
        self,
        name: str,
        pytype: type | str | None = None,
        components: Mapping[str, StorageClass] | None = None,
        derivedComponents: Mapping[str, StorageClass] | None = None,
        parameters: Iterable[str] = (),
        converters: Mapping[str, str] | None = None,
        *,
        formatter: str | None = None,
        pixel_type: str | None = None,
        inheritsFrom: StorageClass | None = None,
    ) -> None:
        parent = inheritsFrom
        if isinstance(pytype, type):
            _GIVEN_TYPES[place_of(pytype)] = pytype
            pytype = place_of(pytype)
        stored = {**dict(parent.components if parent else ()), **(components or {})}
        derived = {**dict(parent.derivedComponents if parent else ()), **(derivedComponents or {})}
        converted = {**dict(parent.converters if parent else ()), **(converters or {})}
        fields = {
            "name": name,
            "pytype_name": pytype or (parent.pytype_name if parent else "builtins:object"),
            "components": tuple(stored.items()),
            "derivedComponents": tuple(derived.items()),
            "parameters": frozenset(parameters) | (parent.parameters if parent else frozenset()),
            "converters": tuple(converted.items()),
            "formatter": (parent.formatter if parent else "") if formatter is None else formatter,
            "pixel_type": (parent.pixel_type if parent else "") if pixel_type is None else pixel_type,
            "_parts": {**stored, **derived},
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)

    @property
    def pytype(self) -> type:
        """Python type of the objects.

        Raises
        ------
        StorageClassError
            Raised if the package that defines it is not installed.
        """
        return _imported_type(self.pytype_name)

    def isComposite(self) -> bool:
        """Tell whether it has stored parts."""
        return bool(self.components)

    def allComponents(self) -> dict[str, StorageClass]:
        """Return the storage class of each part, stored or computed."""
        return dict(self._parts)

    def component(self, name: str) -> StorageClass:
        """Return the storage class of a part, stored or computed.

        Raises
        ------
        UnknownComponentError
            Raised if there is no such part.
        """
        try:
            return self._parts[name]
        except KeyError:
            hint = did_you_mean(name, self._parts) or "; it has none"
            raise UnknownComponentError(f"{self.name} has no component {name!r}{hint}") from None

    def check_parameters(self, names: Iterable[str]) -> None:
        """Refuse read parameters that are not understood.

        Raises
        ------
        UnknownParameterError
            Raised with the ones that are.
        """
        for name in names:
            if name not in self.parameters:
                hint = did_you_mean(name, self.parameters) or "; it takes none"
                raise UnknownParameterError(f"{self.name} does not understand the parameter {name!r}{hint}")

    def knownParameters(self) -> frozenset[str]:
        """Return the names of the read parameters that this class and its parts understand."""
        return self.parameters.union(*(part.parameters for part in self._parts.values()))

    def validateInstance(self, instance: object) -> bool:
        """Tell whether an object is of the Python type."""
        return isinstance(instance, self.pytype)

    def can_convert(self, other: StorageClass) -> bool:
        """Tell whether objects of another storage class can be had as ones of this."""
        if other.pytype_name == self.pytype_name:
            return True
        theirs = other.pytype
        return issubclass(theirs, self.pytype) or self._converter_of(theirs) is not None

    def coerce_type(self, obj: Any) -> Any:
        """Return an object as one of this storage class: itself if it fits, else converted.

        Parameters
        ----------
        obj
            The object; never changed.

        Raises
        ------
        StorageClassError
            Raised if the object is of another type and there is no converter, or if its pixels cannot be
            had in the type of this class.
        """
        if not isinstance(obj, self.pytype):
            converter = self._converter_of(type(obj))
            if converter is None:
                raise StorageClassError(
                    f"cannot take {type(obj).__name__} as {self.name}: "
                    f"expected {self.pytype_name.partition(':')[2]}{self._or_convertible()}"
                )
            obj = _imported(converter)(obj)
        if not self.pixel_type:
            return obj
        from ..images import with_pixel_type

        return with_pixel_type(obj, self.pixel_type)

    def _converter_of(self, given: type) -> str | None:
        """Return the place of the function that converts objects of a type."""
        for place, function in self.converters:
            # A type whose module nobody has imported has no subclasses.
            module, _, name = place.partition(":")
            known = _GIVEN_TYPES.get(place) or getattr(sys.modules.get(module), name, None)
            if known is not None and issubclass(given, known):
                return function
        return None

    def _or_convertible(self) -> str:
        names = sorted({place.replace(":", ".") for place, _ in self.converters})
        return f", or one of {', '.join(names)}" if names else ""

    def __repr__(self) -> str:
        return f"StorageClass({self.name!r}, pytype={self.pytype_name!r})"

    def __str__(self) -> str:
        return self.name


_GIVEN_TYPES: Final[dict[str, type]] = {}
"""Types that were given as such: they may have no place where they could be imported from."""


def place_of(pytype: type) -> str:
    """Return the place of a type."""
    return f"{pytype.__module__}:{pytype.__qualname__}"


@cache
def _imported_type(place: str) -> type:
    found = _GIVEN_TYPES.get(place) or _imported(place)
    if not isinstance(found, type):
        raise StorageClassError(f"{place} is no type")
    return found


def _imported(place: str) -> Any:
    """Import what a storage class names; the names come from code, never from a repository."""
    module, _, name = place.partition(":")
    try:
        return attrgetter(name)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise StorageClassError(f"cannot import {place}, which a storage class needs: {error}") from error
