"""PipelineTaskConnections: all that a task reads and writes."""

from __future__ import annotations

import string
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from butler.errors import did_you_mean

from .connection_types import (
    BaseConnection,
    Connection,
    DimensionedConnection,
    InitInput,
    InitOutput,
    Input,
    Output,
    PrerequisiteInput,
)
from .errors import ConnectionsError, MissingPrerequisiteError, NoWorkFound, ScalarError

if TYPE_CHECKING:
    from butler import DataCoordinate, DatasetRef

    from .quanta_adjuster import QuantaAdjuster

__all__ = ["Adjustable", "PipelineTaskConnections"]

_Kind = TypeVar("_Kind", bound=BaseConnection)
Adjustable = Mapping[str, tuple[DimensionedConnection, Collection["DatasetRef"]]]
"""Datasets of a quantum by connection, with the connections."""
_RESERVED: Final = frozenset(
    {
        "adjustQuantum", "adjust_all_quanta", "all", "allConnections", "defaultTemplates",
        "deprecatedTemplates", "dimensions", "for_config", "getSpatialBoundsConnections",
        "getTemporalBoundsConnections", "initInputs", "initOutputs", "inputs", "known_names", "outputs",
        "prerequisiteInputs", "renamed", "replaced", "without",
    }
)  # fmt: skip
"""What connections have besides connections."""


class PipelineTaskConnections(BaseModel):
    """All connections of a task: each field is one.

    Declare them as fields; dimensions and name templates are class keywords, as in LSST::

        class StackConnections(
            PipelineTaskConnections,
            dimensions=("tract", "patch", "skymap", "band"),
            defaultTemplates={"coaddName": "deep"},
        ):
            warps = Input(name="{coaddName}Coadd_directWarp", storageClass="ExposureF",
                          dimensions=("tract", "patch", "skymap", "instrument", "visit"),
                          multiple=True, deferLoad=True)
            coadd = Output(name="{coaddName}Coadd", storageClass="ExposureF",
                           dimensions=("tract", "patch", "skymap", "band"))

    Connections, dimensions and templates are inherited. A connection that a config can switch off is declared
    ``nImage: Output | None = Output(...)``, and `for_config` returns the connections `without` it; with
    `replaced` that method changes one, and it may return an instance of another class where even the
    dimensions depend on the config.

    Class keywords
    --------------
    dimensions
        Dimensions of a quantum; required unless inherited.
    defaultTemplates
        Values of the placeholders in names.
    deprecatedTemplates
        Why a template should not be used, by its name; a config that sets it is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(BaseConnection,))

    dimensions: ClassVar[tuple[str, ...]] = ()
    defaultTemplates: ClassVar[Mapping[str, str]] = {}
    deprecatedTemplates: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Class keywords are for __pydantic_init_subclass__, which runs when the fields are known.
        super().__init_subclass__()
        own = {name: value for name, value in vars(cls).items() if isinstance(value, BaseConnection)}
        if taken := _RESERVED & {*own, *cls.__annotations__}:
            raise ConnectionsError(f"{cls.__name__}: no connection can be named {', '.join(sorted(taken))}")
        # LSST's declarations have no annotations; the order is that of the declarations.
        kinds: dict[str, Any] = {name: type(connection) for name, connection in own.items()}
        cls.__annotations__ = {**kinds, **cls.__annotations__}

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        dimensions: tuple[str, ...] | None = None,
        defaultTemplates: Mapping[str, str] | None = None,
        deprecatedTemplates: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if isinstance(dimensions, str):
            raise ConnectionsError(f"{cls.__name__}: dimensions is a tuple of names, not {dimensions!r}")
        if dimensions is not None:
            cls.dimensions = tuple(dimensions)
        cls.defaultTemplates = {**cls.defaultTemplates, **(defaultTemplates or {})}
        cls.deprecatedTemplates = {**cls.deprecatedTemplates, **(deprecatedTemplates or {})}
        declared = cls.__mro__[: cls.__mro__.index(PipelineTaskConnections)]
        if cls.model_fields and not any("dimensions" in vars(base) for base in declared):
            raise ConnectionsError(f"{cls.__name__} needs dimensions=(...) as a class keyword")
        if shared := set(cls.defaultTemplates) & set(cls.model_fields):
            raise ConnectionsError(f"{cls.__name__}: template and connection share a name: {sorted(shared)}")
        if strange := set(cls.deprecatedTemplates) - set(cls.defaultTemplates):
            raise ConnectionsError(f"{cls.__name__}: deprecated templates have no default: {sorted(strange)}")
        for name, field in cls.model_fields.items():
            if isinstance(field.default, BaseConnection):
                cls._check_connection(name, field.default)

    @classmethod
    def for_config(cls, config: Any) -> PipelineTaskConnections:
        """Return the connections that a config leaves on; override to switch or change some."""
        return cls()

    @classmethod
    def known_names(cls) -> list[str]:
        """Return what a config can name: templates and connections."""
        return [*cls.defaultTemplates, *cls.model_fields]

    def renamed(self, **names: str) -> Self:
        """Return a copy with dataset types named.

        Parameters
        ----------
        **names
            Whole dataset type names by connection, or values by template; placeholders in a whole name
            are filled in as well.

        Raises
        ------
        ConnectionsError
            Raised for a name that is neither, or a placeholder that is no template.

        Warns
        -----
        FutureWarning
            Issued for a connection or a template that is deprecated.
        """
        for name in names:
            if name not in (known := self.known_names()):
                raise ConnectionsError(f"no connection or template {name!r}{did_you_mean(name, known)}")
            connection = getattr(self, name, None)
            reason = connection.deprecated if connection else self.deprecatedTemplates.get(name)
            if reason:
                warnings.warn(f"{type(self).__name__}.{name}: {reason}", FutureWarning, stacklevel=2)
        templates = {key: names.get(key, value) for key, value in self.defaultTemplates.items()}
        changed: dict[str, BaseConnection] = {}
        for field, connection in self.allConnections.items():
            given = connection.model_copy(update={"name": names.get(field, connection.name)})
            self._check_connection(field, given)
            changed[field] = given.model_copy(update={"name": given.name.format_map(templates)})
        return self.model_copy(update=changed)

    def without(self, *fields: str) -> Self:
        """Return a copy in which optional connections are switched off.

        Raises
        ------
        ConnectionsError
            Raised for a field that does not exist.
        """
        for field in fields:
            self._require(field)
        return self.model_copy(update=dict.fromkeys(fields))

    def replaced(self, **connections: BaseConnection) -> Self:
        """Return a copy in which connections are others, also of another kind.

        Raises
        ------
        ConnectionsError
            Raised for a field that does not exist, or a connection that cannot be.
        """
        for field, connection in connections.items():
            self._require(field)
            self._check_connection(field, connection)
        return self.model_copy(update=connections)

    def adjustQuantum(
        self, inputs: Adjustable, outputs: Adjustable, label: str, data_id: DataCoordinate
    ) -> tuple[Adjustable, Adjustable]:
        """Say which datasets a quantum really uses; override to leave some out.

        It is called for each quantum when a graph is built, with the datasets that exist or will be made;
        and again right before a quantum runs, with those that exist, if some that were planned are not
        there. Both go through `adjust_quantum`, which applies what is returned. What is left out of the
        outputs is not made; a quantum without any output is dropped.

        An override ends with a call of this one on what it has left, which counts the datasets::

            def adjustQuantum(self, inputs, outputs, label, data_id):
                warps, refs = inputs["warps"]
                kept = {"warps": (warps, [ref for ref in refs if ref.dataId["visit"] != 7])}
                super().adjustQuantum({**inputs, **kept}, outputs, label, data_id)
                return kept, {}

        Parameters
        ----------
        inputs
            Connection and refs of each input and prerequisite, by field, in data ID order.
        outputs
            Connection and refs of each output, by field.
        label
            Task.
        data_id
            Data ID of the quantum.

        Returns
        -------
        inputs, outputs
            Those that changed alone. Refs may be left out, not added; their order is kept for `run`.

        Raises
        ------
        ScalarError
            Raised if a connection that is not `multiple` has several datasets.
        NoWorkFound
            Raised if an input has too few.
        MissingPrerequisiteError
            Raised if a prerequisite has too few.
        """
        for field, (connection, refs) in {**inputs, **outputs}.items():
            if len(refs) > 1 and not connection.multiple:
                raise ScalarError(
                    f"{label} {data_id} has {len(refs)} datasets of {field} ({connection.name}), which takes "
                    "one; declare it with multiple=True, or narrow the query"
                )
        for field, (connection, refs) in inputs.items():
            if not isinstance(connection, Input | PrerequisiteInput) or len(refs) >= connection.minimum:
                continue
            what = f"has {len(refs)} datasets of {field} ({connection.name})"
            if isinstance(connection, Input):
                # Whoever drops the quantum says which it is.
                raise NoWorkFound(f"{what}; it needs {connection.minimum}")
            raise MissingPrerequisiteError(
                f"{label} {data_id} {what}; {connection.minimum} must exist before anything runs"
            )
        return {}, {}

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        """Change the quanta of the whole task when a graph is built; override to remove some, or move inputs.

        It is called once for those that were not done before, and `adjustQuantum` after it for each that is
        left. A saved graph is not asked again.

        Parameters
        ----------
        adjuster
            Its quanta.
        """

    def getSpatialBoundsConnections(self) -> Collection[str]:
        """Return the inputs and outputs that also say where on the sky a quantum looks for prerequisites.

        Prerequisites with pixels of the sky, such as reference stars, are then looked up for their data IDs,
        too: override where the quantum has no region of its own, or one that is smaller than its inputs.
        """
        return ()

    def getTemporalBoundsConnections(self) -> Collection[str]:
        """Return the inputs and outputs that also say when calibrations of a quantum have to be valid.

        These are then looked up for the time of each of their data IDs, too: override where the quantum has
        no time of its own.
        """
        return ()

    def all(self) -> Iterator[tuple[str, DimensionedConnection]]:
        """Iterate over ``(field, connection)`` of those that quanta have and that are switched on."""
        for field, connection in self.allConnections.items():
            if isinstance(connection, DimensionedConnection):
                yield field, connection

    @property
    def allConnections(self) -> dict[str, Connection]:
        """All that are switched on by field, also those of the task as a whole."""
        found = {field: getattr(self, field) for field in type(self).model_fields}
        return {field: connection for field, connection in found.items() if connection is not None}

    @property
    def inputs(self) -> dict[str, Input]:
        """Ordinary inputs by field."""
        return self._of_kind(Input)

    @property
    def prerequisiteInputs(self) -> dict[str, PrerequisiteInput]:
        """Prerequisite inputs by field."""
        return self._of_kind(PrerequisiteInput)

    @property
    def outputs(self) -> dict[str, Output]:
        """Outputs by field."""
        return self._of_kind(Output)

    @property
    def initInputs(self) -> dict[str, InitInput]:
        """What the task needs when it is made, by field."""
        return self._of_kind(InitInput)

    @property
    def initOutputs(self) -> dict[str, InitOutput]:
        """What the task knows once it is made, by field."""
        return self._of_kind(InitOutput)

    def _of_kind(self, kind: type[_Kind]) -> dict[str, _Kind]:
        return {field: c for field, c in self.allConnections.items() if isinstance(c, kind)}

    @classmethod
    def _require(cls, field: str) -> None:
        if field not in cls.model_fields:
            hint = did_you_mean(field, cls.model_fields)
            raise ConnectionsError(f"{cls.__name__} has no connection {field!r}{hint}")

    @classmethod
    def _check_connection(cls, field: str, connection: BaseConnection) -> None:
        """Refuse a declaration that cannot work."""
        where = f"{cls.__name__}.{field}"
        if getattr(connection, "minimum", 0) > 1 and not connection.multiple:
            raise ConnectionsError(f"{where}: minimum > 1 needs multiple=True")
        try:
            parts = list(string.Formatter().parse(connection.name))
        except ValueError as error:
            raise ConnectionsError(f"{where}: {connection.name!r} cannot be a name: {error}") from error
        for _, placeholder, _, _ in parts:
            if placeholder is not None and placeholder not in cls.defaultTemplates:
                hint = did_you_mean(placeholder, cls.defaultTemplates)
                raise ConnectionsError(f"{where}: no template {{{placeholder}}}{hint}")
