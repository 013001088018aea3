"""The kinds of connections: what one dataset type is to a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from butler.errors import did_you_mean

from .errors import ConnectionsError

__all__ = [
    "BaseConnection",
    "Connection",
    "DimensionedConnection",
    "InitConnection",
    "InitInput",
    "InitOutput",
    "Input",
    "Output",
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
        Storage class of the dataset type; an input may have another one than the repository's, if what that
        has can be had so.
    doc
        What it is.
    multiple
        Whether one quantum may have several such datasets; `run` then gets a list.
    deprecated
        Why and since when it should not be used; who names it in a config is told. None if it may be.

    Raises
    ------
    ConnectionsError
        Raised for a field that no such connection has, or a value that it cannot have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    storageClass: str
    doc: str = ""
    multiple: bool = False
    deprecated: str | None = None

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _connection_error(type(self), fields.get("name", ""), error) from None


class DimensionedConnection(BaseConnection):
    """A dataset type with dimensions.

    Parameters
    ----------
    dimensions
        Dimensions of the dataset type.
    isCalibration
        Whether its datasets may be given ranges of validity.
    """

    dimensions: tuple[str, ...] = ()
    isCalibration: bool = False

    @field_validator("dimensions", mode="before")
    @classmethod
    def _no_text(cls, dimensions: Any) -> Any:
        """Refuse a text, whose letters would be taken for names."""
        if isinstance(dimensions, str):
            raise ValueError(f"write ({dimensions!r},)")
        return list(dimensions) if isinstance(dimensions, set | frozenset) else dimensions


class Input(DimensionedConnection):
    """A dataset that must exist, or be produced by a task before this one.

    Parameters
    ----------
    deferLoad
        Whether `run` gets a `DeferredDatasetHandle` instead of the object.
    minimum
        Fewer datasets than this in a quantum mean that there is no work.
    deferGraphConstraint
        Whether its existence does not limit what quanta there are; a quantum without it has no work.
    deferBinding
        Whether the datasets of a quantum are looked up after its data ID is known, not by the same query.
    """

    deferLoad: bool = False
    minimum: int = Field(default=1, ge=0)
    deferGraphConstraint: bool = False
    deferBinding: bool = False


class PrerequisiteInput(DimensionedConnection):
    """A dataset that must exist before anything runs, and that does not decide what quanta there are.

    Parameters
    ----------
    deferLoad
        Whether `run` gets a `DeferredDatasetHandle` instead of the object.
    minimum
        Fewer datasets than this in a quantum are an error; 0 makes the input optional.
    lookupFunction
        Finds the datasets of a quantum where a look-up by data ID would not: called with dataset type,
        registry, data ID of the quantum and input collections, it returns refs. A function that a module
        defines; it is not kept with the connection's plain values.
    """

    deferLoad: bool = False
    minimum: int = Field(default=1, ge=0)
    lookupFunction: Callable[..., Any] | None = Field(default=None, exclude=True)


class Output(DimensionedConnection):
    """A dataset that the task produces."""


class InitConnection(BaseConnection):
    """A dataset of the task as a whole, one in each run."""

    dimensions: ClassVar[tuple[str, ...]] = ()
    isCalibration: ClassVar[bool] = False

    multiple: Literal[False] = False


class InitInput(InitConnection):
    """A dataset that the task needs when it is made, such as the schema of a table that it will read.

    The task gets it as ``initInputs[FIELD]``.
    """


class InitOutput(InitConnection):
    """A dataset that the task knows once it is made, such as the schema of a table that it will write.

    It is read from the task's attribute ``FIELD``, and written once in each run, before any quantum runs.
    """


Connection: TypeAlias = DimensionedConnection | InitConnection


def _connection_error(kind: type[BaseConnection], name: str, error: ValidationError) -> ConnectionsError:
    """Say the first fault that pydantic found in one line."""
    fault = error.errors(include_url=False)[0]
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        hint = did_you_mean(field, kind.model_fields)
        return ConnectionsError(f"{kind.__name__} {name!r} has no field {field!r}{hint}")
    if fault["type"] == "missing":
        return ConnectionsError(f"{kind.__name__} {name!r} needs {field}")
    why = fault["msg"].removeprefix("Value error, ")
    return ConnectionsError(f"{kind.__name__} {name!r}: {field} cannot be {fault['input']!r}: {why}")
