"""Database: one connection, transactions that nest, and errors that say what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import (
    ButlerError,
    ButlerUserError,
    InvalidQueryError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
)

__all__ = ["Database", "Transaction"]

_LOG: Final = logging.getLogger(__name__)

_BUSY_TIMEOUT_S: Final = 60
_FAULTS: Final[tuple[tuple[tuple[str, ...], type[ButlerError], str], ...]] = (
    (
        ("readonly", "unable to open"),
        ButlerUserError,
        "cannot write the registry database: {}; check permissions",
    ),
    (
        ("locked", "busy"),
        ButlerUserError,
        f"the registry is busy: another process has held it for {_BUSY_TIMEOUT_S} s; try again",
    ),
    (("is full", "disk I/O error"), ButlerUserError, "cannot write the registry database: {}"),
    (("malformed", "not a database"), RepositoryCorruptionError, "the registry database is damaged: {}"),
    (
        ("too large", "stack overflow", "too many SQL variables", "too complex", "too big"),
        InvalidQueryError,
        "the query is too large for the database: {}; ask in several steps",
    ),
)
"""What SQLite says, and what that means to a user."""


class Transaction:
    """Actions outside the database that follow the fate of a transaction.

    Parameters
    ----------
    parent
        The enclosing transaction, if any.
    """

    def __init__(self, parent: Transaction | None = None) -> None:
        self.parent = parent
        self._undo: list[Callable[[], None]] = []
        self._finally: list[Callable[[], None]] = []

    def on_rollback(self, action: Callable[[], None]) -> None:
        """Have an action run if this transaction, or one around it, is rolled back."""
        self._undo.append(action)

    def on_commit(self, action: Callable[[], None]) -> None:
        """Have an action run once the outermost transaction is committed."""
        self._finally.append(action)

    def roll_back(self) -> None:
        """Run the undo actions, last first."""
        _run_each(reversed(self._undo))

    def commit(self) -> None:
        """Hand the actions to the enclosing transaction, or run those that wait for the commit."""
        if self.parent is not None:
            self.parent._undo += self._undo
            self.parent._finally += self._finally
            return
        _run_each(self._finally)


def _run_each(actions: Iterable[Callable[[], None]]) -> None:
    """Run actions on files; the rows have gone before, so one that is refused stops none of the others."""
    failed = []
    for action in actions:
        try:
            action()
        except (OSError, ButlerError) as error:
            failed.append(str(error))
    if failed:
        _LOG.warning(
            "%d files could not be removed; `butler verify --repair` can: %s",
            len(failed),
            "; ".join(failed[:5]),
        )


class Database:
    """The one place where SQL is executed.

    Parameters
    ----------
    url
        Where the database is.
    writeable
        Whether anything may be changed.
    """

    def __init__(self, url: sa.URL, *, writeable: bool) -> None:
        self.url = url
        self.writeable = writeable
        self._engine = sa.create_engine(url)
        self._connection: sa.Connection | None = None
        self._transaction: Transaction | None = None
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", self._begin_sqlite)

    @classmethod
    def sqlite(cls, path: Path, *, writeable: bool) -> Database:
        """Open, or make, a SQLite database file."""
        return cls(sa.URL.create("sqlite", database=str(path)), writeable=writeable)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def require_writeable(self) -> None:
        """Refuse what would change something.

        Raises
        ------
        ReadOnlyButlerError
            Raised if the database was opened for reading only.
        """
        if not self.writeable:
            raise ReadOnlyButlerError("this butler is read-only; open it with writeable=True or run=...")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run a block that is kept whole or undone whole; an inner block is undone alone.

        Raises
        ------
        ReadOnlyButlerError
            Raised if the database was opened for reading only.
        """
        self.require_writeable()
        outer = self._transaction
        self._transaction = Transaction(outer)
        try:
            with _plain_errors(), self._begin() as connection:
                self._connection = connection
                yield self._transaction
        except BaseException:
            self._transaction.roll_back()
            raise
        else:
            self._transaction.commit()
        finally:
            self._transaction = outer
            if outer is None:
                self._connection = None

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        if self._connection is None:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        else:
            with self._connection.begin_nested():
                yield self._connection

    def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Change something; only inside `transaction`."""
        if self._connection is None:
            raise RuntimeError("execute needs a transaction")
        with _plain_errors():
            return self._connection.execute(statement, rows)

    def query(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query."""
        with _plain_errors():
            if self._connection is not None:
                return self._connection.execute(statement).all()
            with self._engine.connect() as connection:
                return connection.execute(statement).all()

    def create_tables(self, metadata: sa.MetaData) -> None:
        """Make the tables that do not exist yet; inside `transaction`."""
        if self._connection is None:
            raise RuntimeError("create_tables needs a transaction")
        metadata.create_all(self._connection)

    def has_tables(self) -> bool:
        """Tell whether the database has any table."""
        with _plain_errors():
            return bool(sa.inspect(self._engine).get_table_names())

    def _begin_sqlite(self, connection: sa.Connection) -> None:
        # With the write lock from the start writers queue; a read that turns into a write would fail.
        writing = self._transaction is not None
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _configure_sqlite(connection: Any, record: Any) -> None:
    # The driver's own transactions would break savepoints: SQLAlchemy's "begin" event emits BEGIN instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what a database says about its file, or about a query's size, into one clear error."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig)
        for signs, kind, message in _FAULTS:
            if any(sign in text for sign in signs):
                raise kind(message.format(text)) from error
        raise
