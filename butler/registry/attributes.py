"""Attributes: what a registry says of itself, its schema version above all."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from ..errors import RepositoryCorruptionError, SchemaVersionError
from .database import Database
from .schema import SCHEMA_VERSION

__all__ = ["ATTRIBUTES", "check_version", "has_registry", "read_attributes"]

ATTRIBUTES: Final = sa.table("butler_attributes", sa.column("name", sa.String), sa.column("value", sa.String))
"""Their table, the same in all schema versions."""


def has_registry(database: Database) -> bool:
    """Tell whether a database has a registry."""
    return database.has_table(ATTRIBUTES.name)


def read_attributes(database: Database) -> dict[str, str]:
    """Return the attributes by name.

    Raises
    ------
    RepositoryCorruptionError
        Raised if the database has no registry.
    """
    if not has_registry(database):
        raise RepositoryCorruptionError(f"there is no registry in {database.place}")
    return {row.name: row.value for row in database.query(sa.select(ATTRIBUTES))}


def check_version(attributes: dict[str, str], *, accept_older: bool = False) -> int:
    """Return the schema version.

    Raises
    ------
    SchemaVersionError
        Raised if it is not that of this program.
    RepositoryCorruptionError
        Raised if it is no number.
    """
    text = attributes.get("schema_version", "")
    if not text.isdecimal():
        raise RepositoryCorruptionError(f"the registry has the schema version {text!r}, which is no number")
    version = int(text)
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the registry has schema version {version}, this program knows {SCHEMA_VERSION}; "
            "upgrade coadd-butler"
        )
    if version < SCHEMA_VERSION and not accept_older:
        raise SchemaVersionError(
            f"the registry has schema version {version}, this program needs {SCHEMA_VERSION}; "
            "while nobody else uses it, run: butler migrate REPO"
        )
    return version
