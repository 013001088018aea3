"""PipelineTaskConfig: the settings of a task that a pipeline can run."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator

from connections import ConnectionNames, PipelineTaskConnections

from .config import Config

__all__ = ["PipelineTaskConfig"]


class PipelineTaskConfig(Config):
    """Config of a task that a pipeline can run.

    A subclass names its connections by class keyword: ``pipelineConnections=MyConnections``.

    Parameters
    ----------
    connections
        Dataset type names by connection, and values of the name templates; also as attributes,
        ``config.connections.coaddName = "good"``.
    """

    ConnectionsClass: ClassVar[type[PipelineTaskConnections]] = PipelineTaskConnections

    connections: dict[str, str] = Field(default_factory=dict)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Class keywords are for __pydantic_init_subclass__, which runs when the fields are known.
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, pipelineConnections: type[PipelineTaskConnections] | None = None, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if pipelineConnections is not None:
            cls.ConnectionsClass = pipelineConnections

    @field_validator("connections")
    @classmethod
    def _known_connections(cls, names: dict[str, str]) -> ConnectionNames:
        """Refuse names that are neither connection nor template."""
        return ConnectionNames(cls.ConnectionsClass, names)

    def resolved_connections(self) -> PipelineTaskConnections:
        """Return the connections as this config names and switches them.

        Raises
        ------
        ConnectionsError
            Raised if a name has a placeholder that is no template.
        """
        return self.ConnectionsClass.for_config(self).renamed(**self.connections)
