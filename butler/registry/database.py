"""Database: a connection, transactions that nest, and errors that say what to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import (
    ButlerError,
    ButlerUserError,
    InvalidQueryError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
)
from .prepared import Prepared
from .turnstile import Turnstile

__all__ = ["Database", "Transaction"]

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
        for action in reversed(self._undo):
            action()

    def commit(self) -> None:
        """Hand the actions to the enclosing transaction, or run those that wait for the commit."""
        if self.parent is not None:
            self.parent._undo += self._undo
            self.parent._finally += self._finally
            return
        for action in self._finally:
            action()


class _Session(threading.local):
    """What one thread has open, and what it remembers."""

    connection: sa.Connection | None = None
    driver: Any = None
    process: int = 0
    transaction: Transaction | None = None
    depth: int = 0
    mark: str | None = None
    scratch: bool = False

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}


class Database:
    """The one place where SQL is executed; each thread has a connection and a transaction of its own.

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
        # The driver commits each statement by itself; transactions are begun and ended here.
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self.dialect = self._engine.dialect
        self._session = _Session()
        self._connections: WeakSet[sa.Connection] = WeakSet()
        self._inherited: list[sa.Connection] = []
        self._turnstile: Turnstile | None = None
        if self.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            self._turnstile = Turnstile(Path(url.database or "").parent)

    @classmethod
    def sqlite(cls, path: Path, *, writeable: bool) -> Database:
        """Open, or make, a SQLite database file."""
        return cls(sa.URL.create("sqlite", database=str(path)), writeable=writeable)

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in list(self._connections):
            connection.close()
        self._session = _Session()

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
        session = self._session
        outer = session.transaction
        connection = self._connected()
        level = f"level_{session.depth}"
        with _plain_errors():
            if outer is None:
                self._begin(connection)
            else:
                connection.exec_driver_sql(f"SAVEPOINT {level}")
        session.transaction = transaction = Transaction(outer)
        session.depth += 1
        try:
            with _plain_errors():
                yield transaction
                connection.exec_driver_sql("COMMIT" if outer is None else f"RELEASE SAVEPOINT {level}")
        except BaseException:
            # Who reads is not to remember what has never been.
            session.answers.clear()
            # After a full disk, for example, the database has rolled back by itself.
            with suppress(DBAPIError):
                if outer is None:
                    connection.exec_driver_sql("ROLLBACK")
                else:
                    connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {level}")
                    connection.exec_driver_sql(f"RELEASE SAVEPOINT {level}")
            transaction.roll_back()
            raise
        finally:
            session.transaction = outer
            session.depth -= 1
        transaction.commit()

    def _begin(self, connection: sa.Connection) -> None:
        if self._turnstile is None:
            connection.exec_driver_sql("BEGIN")
            return
        with self._turnstile.passing(_BUSY_TIMEOUT_S):
            # With the write lock from the start writers queue; a read that turns into a write would fail.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Change something; only inside `transaction`."""
        if self._session.transaction is None:
            raise RuntimeError("execute needs a transaction")
        with _plain_errors():
            return self._connected().execute(statement, rows)

    def query(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query."""
        with _plain_errors():
            return self._connected().execute(statement).all()

    def prepare(self, statement: sa.ClauseElement, names: Sequence[str] = ()) -> Prepared:
        """Compile a statement for `run` and `run_many`; values come in the order of `names`."""
        return Prepared(statement, self.dialect, names)

    def run(self, prepared: Prepared, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a prepared query, as the driver has them."""
        cursor = self._driver().cursor()
        try:
            cursor.execute(prepared.sql, prepared.arrange(values))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        except self.dialect.loaded_dbapi.Error as error:
            self._raise(error, prepared)
        return rows

    @contextmanager
    def scratch(self) -> Iterator[sa.Connection]:
        """Let a block make and fill temporary tables, which are gone after it; readers may, too.

        Blocks do not nest.
        """
        session = self._session
        connection = self._connected()
        inside = session.transaction is not None
        with _plain_errors():
            connection.exec_driver_sql("SAVEPOINT scratch" if inside else "BEGIN")
            session.scratch = True
            try:
                yield connection
            finally:
                session.scratch = False
                with suppress(DBAPIError):
                    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT scratch" if inside else "ROLLBACK")
                    if inside:
                        connection.exec_driver_sql("RELEASE SAVEPOINT scratch")

    def run_many(self, prepared: Prepared, rows: Iterable[Sequence[Any]]) -> None:
        """Change something once for each row of values; only inside `transaction` or `scratch`."""
        if self._session.transaction is None and not self._session.scratch:
            raise RuntimeError("run_many needs a transaction")
        cursor = self._driver().cursor()
        try:
            cursor.executemany(prepared.sql, map(prepared.arrange, rows))
        except self.dialect.loaded_dbapi.Error as error:
            self._raise(error, prepared)

    def create_tables(self, metadata: sa.MetaData) -> None:
        """Make the tables that do not exist yet; inside `transaction`."""
        if self._session.transaction is None:
            raise RuntimeError("create_tables needs a transaction")
        metadata.create_all(self._connected())

    def has_tables(self) -> bool:
        """Tell whether the database has any table."""
        with _plain_errors():
            return bool(sa.inspect(self._connected()).get_table_names())

    def _connected(self) -> sa.Connection:
        """Return this thread's connection."""
        session = self._session
        if session.connection is None or session.process != os.getpid():
            if session.connection is not None:
                # It belongs to the process that this one was forked from: neither used nor closed here.
                self._inherited.append(session.connection)
            session.connection = connection = self._engine.connect()
            session.driver = connection.connection.dbapi_connection
            session.process = os.getpid()
            session.transaction, session.depth, session.mark = None, 0, None
            session.answers.clear()
            self._connections.add(connection)
        return session.connection

    def _driver(self) -> Any:
        session = self._session
        if session.driver is None or session.process != os.getpid():
            with _plain_errors():
                self._connected()
        return session.driver

    def _raise(self, error: Exception, prepared: Prepared) -> NoReturn:
        """Raise what an error of the driver means."""
        base = self.dialect.loaded_dbapi.Error
        with _plain_errors():
            raise DBAPIError.instance(prepared.sql, None, error, base, dialect=self.dialect) from error


def _configure_sqlite(connection: Any, record: Any) -> None:
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
