"""Connections: what a task reads and writes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from butler.errors import did_you_mean

from .errors import ConnectionsError

__all__ = [
    "BaseConnection",
    "Input",
    "Output",
    "PipelineTaskConnections",
    "PrerequisiteInput",
]


class BaseConnection(BaseModel):
    """One dataset type that a task reads or writes.

    Parameters
    ----------
    name
        Dataset type, with ``{placeholders}`` for the templates of the connections; an input may name a
        component, ``calexp.wcs``.
    storageClass
        Storage class of the dataset type.
    dimensions
        Dimensions of the dataset type.
    doc
        What it is.
    multiple
        Whether one quantum may have several such datasets; `run` then gets a list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    storageClass: str
    dimensions: tuple[str, ...] = ()
    doc: str = ""
    multiple: bool = False


class Input(BaseConnection):
    """A dataset that must exist, or be produced by a task before this one.

    Parameters
    ----------
    deferLoad
        Whether `run` gets a `DeferredDatasetHandle` instead of the object.
    minimum
        Fewer datasets than this in a quantum mean that there is no work.
    """

    deferLoad: bool = False
    minimum: int = 1


class PrerequisiteInput(BaseConnection):
    """A dataset that must exist before anything runs, and that does not decide what quanta there are.

    Parameters
    ----------
    deferLoad
        Whether `run` gets a `DeferredDatasetHandle` instead of the object.
    minimum
        Fewer datasets than this in a quantum are an error; 0 makes the input optional.
    """

    deferLoad: bool = False
    minimum: int = 1


class Output(BaseConnection):
    """A dataset that the task produces."""


class PipelineTaskConnections(BaseModel):
    """All connections of a task: each field is one.

    Declare them as pydantic fields; dimensions and name templates are class keywords, as in LSST::

        class StackConnections(
            PipelineTaskConnections,
            dimensions=("tract", "patch", "skymap", "band"),
            defaultTemplates={"coaddName": "deep"},
        ):
            warps: Input = Input(name="{coaddName}Coadd_directWarp", storageClass="ExposureF",
                                 dimensions=("tract", "patch", "skymap", "instrument", "visit"),
                                 multiple=True, deferLoad=True)
            coadd: Output = Output(name="{coaddName}Coadd", storageClass="ExposureF",
                                   dimensions=("tract", "patch", "skymap", "band"))

    A connection that a config can switch off is typed ``Output | None`` and removed by `without`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: ClassVar[tuple[str, ...]] = ()
    defaultTemplates: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Class keywords are for __pydantic_init_subclass__, which runs when the fields are known.
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        dimensions: tuple[str, ...] | None = None,
        defaultTemplates: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if isinstance(dimensions, str):
            raise ConnectionsError(f"{cls.__name__}: dimensions is a tuple of names, not {dimensions!r}")
        if dimensions is not None:
            cls.dimensions = tuple(dimensions)
        cls.defaultTemplates = {**cls.defaultTemplates, **(defaultTemplates or {})}
        if not cls.dimensions and cls.model_fields:
            raise ConnectionsError(f"{cls.__name__} needs dimensions=(...) as a class keyword")
        if shared := set(cls.defaultTemplates) & set(cls.model_fields):
            raise ConnectionsError(f"{cls.__name__}: template and connection share a name: {sorted(shared)}")
        for name, field in cls.model_fields.items():
            if isinstance(field.default, BaseConnection):
                _check_connection(f"{cls.__name__}.{name}", field.default, cls.defaultTemplates)

    @classmethod
    def for_config(cls, config: Any) -> Self:
        """Return the connections that a config leaves on; override to switch some off."""
        return cls()

    def renamed(self, **names: str) -> Self:
        """Return a copy with dataset types named.

        Parameters
        ----------
        **names
            Whole dataset type names by connection, or values by template.

        Raises
        ------
        ConnectionsError
            Raised for a name that is neither.
        """
        known = [*self.defaultTemplates, *type(self).model_fields]
        for name in names:
            if name not in known:
                raise ConnectionsError(f"no connection or template {name!r}{did_you_mean(name, known)}")
        templates = {key: names.get(key, value) for key, value in self.defaultTemplates.items()}
        changed = {
            field: connection.model_copy(
                update={"name": names.get(field, connection.name).format_map(templates)}
            )
            for field, connection in self.all()
        }
        return self.model_copy(update=changed)

    def without(self, *fields: str) -> Self:
        """Return a copy in which optional connections are switched off.

        Raises
        ------
        ConnectionsError
            Raised for a field that does not exist.
        """
        for field in fields:
            if field not in type(self).model_fields:
                hint = did_you_mean(field, type(self).model_fields)
                raise ConnectionsError(f"no connection {field!r}{hint}")
        return self.model_copy(update=dict.fromkeys(fields))

    def all(self) -> Iterator[tuple[str, BaseConnection]]:
        """Iterate over ``(field, connection)`` of those that are switched on."""
        for field in type(self).model_fields:
            connection = getattr(self, field)
            if connection is not None:
                yield field, connection

    @property
    def inputs(self) -> dict[str, Input]:
        """Ordinary inputs by field."""
        return {field: c for field, c in self.all() if isinstance(c, Input)}

    @property
    def prerequisiteInputs(self) -> dict[str, PrerequisiteInput]:
        """Prerequisite inputs by field."""
        return {field: c for field, c in self.all() if isinstance(c, PrerequisiteInput)}

    @property
    def outputs(self) -> dict[str, Output]:
        """Outputs by field."""
        return {field: c for field, c in self.all() if isinstance(c, Output)}


def _check_connection(where: str, connection: BaseConnection, templates: Mapping[str, str]) -> None:
    """Refuse a declaration that cannot work."""
    if getattr(connection, "minimum", 0) > 1 and not connection.multiple:
        raise ConnectionsError(f"{where}: minimum > 1 needs multiple=True")
    for _, placeholder, _, _ in string.Formatter().parse(connection.name):
        if placeholder and placeholder not in templates:
            raise ConnectionsError(
                f"{where}: no template {{{placeholder}}}{did_you_mean(placeholder, templates)}"
            )
