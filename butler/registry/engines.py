"""Engines: what SQLite and PostgreSQL are told, and what their complaints mean to a user."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import (
    ButlerError,
    ButlerUserError,
    ConflictingDefinitionError,
    InvalidQueryError,
    OrphanedRecordError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
    TransactionConflictError,
)
from .turnstile import Turnstile

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["Backend", "PostgresBackend", "SqliteBackend", "check_postgres_url"]

_BUSY_TIMEOUT_S: Final = 60
_CACHE_KIB: Final = 32768
"""Most memory for pages of a SQLite file: what a listing jumps to and fro in is read once, if it fits."""
_Fault = tuple[tuple[str, ...], type[ButlerError], str]
_BUSY: Final = f"the registry is busy: another process has held it for {_BUSY_TIMEOUT_S} s; try again"
_TAKEN: Final = "the same exists already: {}"
_NEEDED: Final = "something else still needs this, or has removed what this needs: {}"
_TOO_LARGE: Final = "the query is too large for the database: {}; ask in several steps"
_DAMAGED: Final = "the registry database is damaged: {}"
_UNWRITABLE: Final = "cannot write the registry database: {}"

_SQLITE_FAULTS: Final[tuple[_Fault, ...]] = (
    (("readonly", "unable to open"), ButlerUserError, f"{_UNWRITABLE}; check permissions"),
    (("locked", "busy"), ButlerUserError, _BUSY),
    (("is full", "disk I/O error"), ButlerUserError, _UNWRITABLE),
    (("malformed", "not a database"), RepositoryCorruptionError, _DAMAGED),
    (("UNIQUE constraint",), ConflictingDefinitionError, _TAKEN),
    (("FOREIGN KEY constraint",), OrphanedRecordError, _NEEDED),
    (
        ("too large", "stack overflow", "too many SQL variables", "too complex", "too big"),
        InvalidQueryError,
        _TOO_LARGE,
    ),
)
"""Parts of SQLite's messages, and what they mean."""

_POSTGRES_FAULTS: Final[tuple[_Fault, ...]] = (
    (("23505",), ConflictingDefinitionError, _TAKEN),
    (("23503",), OrphanedRecordError, _NEEDED),
    (("25P02",), ButlerUserError, "an earlier step of this transaction has failed: {}"),
    (("55P03",), ButlerUserError, _BUSY),
    (
        ("40",),
        TransactionConflictError,
        "two writers waited for each other: {}; nothing was changed, try again",
    ),
    (("25006",), ReadOnlyButlerError, "the registry database can only be read: {}"),
    (("42501",), ButlerUserError, "the database refuses: {}; ask the repository's owner for the right"),
    (("42P01", "42703", "XX"), RepositoryCorruptionError, _DAMAGED),
    (("22021", "22P05"), ButlerUserError, "the database cannot hold this text: {}"),
    (("22",), InvalidQueryError, "the database cannot compute this: {}"),
    (("54",), InvalidQueryError, _TOO_LARGE),
    (("53",), ButlerUserError, "the database server has no room: {}"),
    (("57014",), ButlerUserError, "the database server stopped this: {}"),
)
"""Starts of PostgreSQL's SQLSTATE codes, and what they mean."""

_POSTGRES_OPTIONS: Final = (
    "host",
    "port",
    "service",
    "sslmode",
    "sslrootcert",
    "connect_timeout",
    "target_session_attrs",
    "gssencmode",
    "krbsrvname",
)
"""What may follow the ``?`` of a URL; libpq knows more, some of which would read or run foreign files."""


class Backend(Protocol):
    """What differs between databases."""

    begin_scratch: str
    """SQL that begins a transaction in which readers, too, may make temporary tables."""

    def place(self, url: sa.URL) -> str:
        """Return where a database is, for messages."""

    def make_engine(self, url: sa.URL, *, writeable: bool) -> sa.Engine:
        """Return the source of connections."""

    def begin(self, say: Callable[[str], None]) -> None:
        """Begin a transaction that writes, in words that `say` passes on."""

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Let no other writer pass the same place until the transaction ends."""

    def make_namespace(self, connection: sa.Connection) -> None:
        """Make room for the tables of a new registry."""

    def enforce_references(self, connection: sa.Connection, enforced: bool) -> None:
        """Turn foreign keys on or off, where tables are rebuilt by removing and making them."""

    def lost_references(self, connection: sa.Connection) -> str:
        """Return tables whose rows refer to others that are not there; empty if there are none."""

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """Return an INSERT that can have an ON CONFLICT clause."""

    def fault(self, error: DBAPIError) -> ButlerError | None:
        """Return what an error means to a user; None if it is our own mistake."""


class SqliteBackend:
    """A file for the processes of one machine; one of them writes at a time.

    Parameters
    ----------
    directory
        Where the file is.
    """

    begin_scratch = "BEGIN"

    def __init__(self, directory: Path) -> None:
        self._turnstile = Turnstile(directory)

    def place(self, url: sa.URL) -> str:
        """Return where a database is, for messages."""
        return str(url.database)

    def make_engine(self, url: sa.URL, *, writeable: bool) -> sa.Engine:
        """Return the source of connections, on which each statement is a transaction unless one is begun."""
        path = Path(url.database or "")
        if not writeable and _is_frozen(path):
            url = url.set(database=f"file:{quote(str(path))}", query={"immutable": "1", "uri": "true"})
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        sa.event.listen(engine, "connect", _configure_sqlite)
        return engine

    def begin(self, say: Callable[[str], None]) -> None:
        """Begin a transaction that writes; when its turn has come."""
        with self._turnstile.passing(_BUSY_TIMEOUT_S):
            # With the write lock from the start writers queue; a read that turns into a write would fail.
            say("BEGIN IMMEDIATE")

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Do nothing: a transaction that writes is alone."""

    def make_namespace(self, connection: sa.Connection) -> None:
        """Do nothing: the file is the namespace."""

    def enforce_references(self, connection: sa.Connection, enforced: bool) -> None:
        """Turn foreign keys on or off; amid a transaction SQLite ignores it."""
        connection.exec_driver_sql(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")

    def lost_references(self, connection: sa.Connection) -> str:
        """Return tables whose rows refer to others that are not there; empty if there are none."""
        rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return ", ".join(sorted({f"{row[0]} to {row[2]}" for row in rows}))

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return an INSERT that can have an ON CONFLICT clause."""
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)

    def fault(self, error: DBAPIError) -> ButlerError | None:
        """Return what an error means to a user; None if it is our own mistake."""
        text = str(error.orig)
        return _meaning(_SQLITE_FAULTS, text, lambda sign: sign in text)


class PostgresBackend:
    """A server for the processes of many machines, which write side by side.

    Parameters
    ----------
    namespace
        Schema, in PostgreSQL's sense, that has the tables; a plain lower-case name.
    """

    begin_scratch = "BEGIN READ WRITE"

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def place(self, url: sa.URL) -> str:
        """Return where a database is, for messages."""
        return f"namespace {self._namespace!r} of {url}"

    def make_engine(self, url: sa.URL, *, writeable: bool) -> sa.Engine:
        """Return the source of connections, on which each statement is a transaction unless one is begun.

        Raises
        ------
        ButlerUserError
            Raised if there is no driver.
        """
        settings = {
            "search_path": self._namespace,
            "lock_timeout": f"{round(_BUSY_TIMEOUT_S * 1000)}",
            "default_transaction_read_only": "off" if writeable else "on",
        }
        told = " ".join(f"-c {name}={value}" for name, value in settings.items())
        try:
            return sa.create_engine(
                url.set(drivername="postgresql+psycopg"),
                poolclass=sa.NullPool,
                isolation_level="AUTOCOMMIT",
                connect_args={"options": told, "client_encoding": "utf8"},
            )
        except ImportError as error:
            raise ButlerUserError(
                "PostgreSQL needs a driver that is not installed: pip install 'coadd-butler[postgres]'"
            ) from error

    def begin(self, say: Callable[[str], None]) -> None:
        """Begin a transaction that writes."""
        say("BEGIN ISOLATION LEVEL READ COMMITTED")

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Take an advisory lock; another holder's changes are seen once it is taken."""
        digest = hashlib.blake2b(f"{self._namespace}/{name}".encode(), digest_size=8).digest()
        key = int.from_bytes(digest, signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.literal(key, sa.BigInteger))))

    def make_namespace(self, connection: sa.Connection) -> None:
        """Make the schema unless it exists, which needs no right to make one.

        Raises
        ------
        ButlerUserError
            Raised if the database does not keep texts as Unicode.
        """
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise ButlerUserError(
                f"the database keeps texts as {encoding}; make one with CREATE DATABASE ... ENCODING 'UTF8'"
            )
        if self._namespace not in sa.inspect(connection).get_schema_names():
            connection.execute(sa.schema.CreateSchema(self._namespace))

    def enforce_references(self, connection: sa.Connection, enforced: bool) -> None:
        """Do nothing: tables are altered where they are."""

    def lost_references(self, connection: sa.Connection) -> str:
        """Return nothing: foreign keys are always enforced."""
        return ""

    def insert(self, table: sa.Table) -> postgresql.Insert:
        """Return an INSERT that can have an ON CONFLICT clause."""
        # A dialect takes a while to import, and most repositories need one of them only.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)

    def fault(self, error: DBAPIError) -> ButlerError | None:
        """Return what an error means to a user; None if it is our own mistake."""
        origin: Any = error.orig
        code = getattr(origin, "sqlstate", None) or ""
        said = getattr(origin, "diag", None)
        parts = [said.message_primary, said.message_detail] if said else []
        text = " ".join(" ".join(filter(None, parts) if any(parts) else [str(origin)]).split())
        if error.connection_invalidated or code.startswith(("08", "57P")):
            return ButlerUserError(f"the registry database has gone away: {text}; try again")
        if not code and isinstance(error, sa.exc.OperationalError):
            return ButlerUserError(
                f"cannot reach the registry database: {text}; a password belongs into ~/.pgpass, "
                "PGPASSWORD or a service file"
            )
        if "NUL (0x00)" in text:
            return ButlerUserError("the database cannot hold a text with a NUL character")
        return _meaning(_POSTGRES_FAULTS, text, code.startswith)


def check_postgres_url(text: str) -> sa.URL:
    """Return the URL of a PostgreSQL database.

    Raises
    ------
    ValueError
        Raised if it is none, or says more than where the database is; a password is not repeated.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("write the URL as postgresql://host/database") from None
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ValueError(
            f"{url.drivername!r} is no database for a registry; write postgresql://host/database"
        )
    if url.password is not None or "password" in url.query:
        raise ValueError(
            "the URL has a password, which butler.yaml would tell to everybody; leave it out here, and put "
            "it into ~/.pgpass, PGPASSWORD or a libpq service"
        )
    unknown = sorted(url.query.keys() - set(_POSTGRES_OPTIONS))
    if unknown:
        raise ValueError(f"the URL may have {', '.join(_POSTGRES_OPTIONS)}, not {unknown[0]!r}")
    if not url.database and "service" not in url.query:
        raise ValueError("the URL names no database; write postgresql://host/database")
    return url


def _meaning(faults: tuple[_Fault, ...], text: str, fits: Callable[[str], bool]) -> ButlerError | None:
    for signs, kind, message in faults:
        if any(map(fits, signs)):
            return kind(message.format(text))
    return None


def _is_frozen(path: Path) -> bool:
    """Tell whether nobody can change a database, nor make the files that SQLite keeps beside it.

    Changes that wait in a log have to be looked at all the same.
    """
    log = path.with_name(f"{path.name}-wal")
    read_only = os.statvfs(path.parent).f_flag & os.ST_RDONLY
    return bool(read_only) and not (log.exists() and log.stat().st_size)


def _configure_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    cursor.close()
