"""ConnectionNames: what a config says about the names of connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from butler.errors import did_you_mean

from .connections import PipelineTaskConnections
from .errors import ConnectionsError

__all__ = ["ConnectionNames"]


class ConnectionNames(dict[str, str]):
    """Whole dataset type names by connection, and values by template.

    It holds what was set; as attributes, names that were not set are read as they are declared::

        config.connections.coaddName = "good"
        config.connections.warps  # "{coaddName}Coadd_directWarp"

    Parameters
    ----------
    connections
        What is named.
    names
        What is set.

    Raises
    ------
    ConnectionsError
        Raised for a name that is neither connection nor template, then and whenever one is set.
    """

    _connections: type[PipelineTaskConnections]

    def __init__(self, connections: type[PipelineTaskConnections], names: Mapping[str, str]) -> None:
        super().__init__()
        self.__dict__["_connections"] = connections
        for name, value in names.items():
            self[name] = value

    def __reduce__(self) -> tuple[Any, ...]:
        # What is set is checked, and so the connections must be there first.
        return type(self), (self._connections, dict(self))

    def __setitem__(self, name: str, value: str) -> None:
        self._require(name)
        if not isinstance(value, str):
            raise ConnectionsError(f"the name of {name} is a text, not {value!r}")
        super().__setitem__(name, value)

    def __setattr__(self, name: str, value: str) -> None:
        self[name] = value

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            self._require(name)
        except ConnectionsError as error:
            raise AttributeError(str(error)) from None
        if name in self:
            return self[name]
        if name in self._connections.defaultTemplates:
            return self._connections.defaultTemplates[name]
        return str(self._connections.model_fields[name].default.name)

    def _require(self, name: str) -> None:
        known = self._connections.known_names()
        if name not in known:
            raise ConnectionsError(f"no connection or template {name!r}{did_you_mean(name, known)}")
