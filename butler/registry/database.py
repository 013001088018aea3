"""Database: a connection, transactions that nest, and errors that say what to do."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import ButlerError, ButlerUserError, ReadOnlyButlerError, UncertainCommitError
from .engines import Backend, PostgresBackend, SqliteBackend
from .prepared import Prepared

__all__ = ["Database", "Transaction"]

_LOG: Final = logging.getLogger(__name__)


class Transaction:
    """Actions outside the database that follow the fate of a transaction.

    Parameters
    ----------
    parent
        The enclosing transaction, if any.

    Attributes
    ----------
    root
        The outermost transaction.
    has_looked
        Whether it is known, in the outermost one, what others have changed before it began.
    """

    def __init__(self, parent: Transaction | None = None) -> None:
        self.parent = parent
        self.root: Transaction = self if parent is None else parent.root
        self.has_looked = False
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


class _Session(threading.local):
    """What one thread has open, and what it remembers."""

    connection: sa.Connection | None = None
    driver: Any = None
    process: int = 0
    is_lost: bool = False
    transaction: Transaction | None = None
    depth: int = 0

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
    backend
        What knows the database's ways.
    """

    def __init__(self, url: sa.URL, backend: Backend, *, writeable: bool) -> None:
        self.url = url
        self.writeable = writeable
        self._backend = backend
        self._engine = backend.make_engine(url, writeable=writeable)
        self.dialect = self._engine.dialect
        self._driver_error: type[Exception] = self.dialect.loaded_dbapi.Error
        self._session = _Session()
        self._connections: WeakSet[sa.Connection] = WeakSet()
        self._inherited: list[sa.Connection] = []

    @classmethod
    def sqlite(cls, path: Path, *, writeable: bool) -> Database:
        """Open, or make, a SQLite database file."""
        return cls(
            sa.URL.create("sqlite", database=str(path)), SqliteBackend(path.parent), writeable=writeable
        )

    @classmethod
    def postgresql(cls, url: sa.URL, namespace: str, *, writeable: bool) -> Database:
        """Open a schema of a PostgreSQL database; see `PostgresBackend`."""
        return cls(url, PostgresBackend(namespace), writeable=writeable)

    @property
    def place(self) -> str:
        """Where the database is, for messages."""
        return self._backend.place(self.url)

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

    @property
    def answers(self) -> dict[Any, Any]:
        """What this thread remembers; forgotten when a transaction is undone. See `Memory`."""
        return self._session.answers

    @property
    def root(self) -> Transaction | None:
        """The outermost transaction of this thread, None outside of any."""
        transaction = self._session.transaction
        return None if transaction is None else transaction.root

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run a block that is kept whole or undone whole; an inner block is undone alone.

        Raises
        ------
        ReadOnlyButlerError
            Raised if the database was opened for reading only.
        UncertainCommitError
            Raised if the database went away at the very end.
        """
        self.require_writeable()
        session = self._session
        outer = session.transaction
        level = f"level_{session.depth}"
        if outer is None:
            self._backend.begin(self._say)
        else:
            self._say(f"SAVEPOINT {level}")
        session.transaction = transaction = Transaction(outer)
        session.depth += 1
        try:
            with self._plain_errors():
                yield transaction
            if outer is None:
                self._commit()
            else:
                self._say(f"RELEASE SAVEPOINT {level}")
        except UncertainCommitError:
            # Files without rows can be found and removed, rows without files are lost datasets.
            raise
        except BaseException:
            self._undo(level if outer is not None else None)
            transaction.roll_back()
            raise
        finally:
            session.transaction = outer
            session.depth -= 1
            if session.is_lost and outer is None:
                session.driver = None
        transaction.commit()

    def _commit(self) -> None:
        try:
            self._say("COMMIT")
        except ButlerError as error:
            if self._session.is_lost:
                raise UncertainCommitError(
                    "the registry database went away while a transaction was committed; look whether it was "
                    "kept, and if not, repeat it"
                ) from error
            raise

    def _undo(self, level: str | None) -> None:
        """Roll back to a level, or all; who reads is not to remember what has never been."""
        self._session.answers.clear()
        # After a full disk, for example, the database has rolled back by itself.
        with suppress(DBAPIError, ButlerError):
            if level is None:
                self._say("ROLLBACK")
            else:
                self._say(f"ROLLBACK TO SAVEPOINT {level}")
                self._say(f"RELEASE SAVEPOINT {level}")

    def lock(self, name: str) -> None:
        """Let no other writer pass here until the outermost transaction ends; inside `transaction`.

        What is looked up after it stays true: where a name is looked up and inserted if missing, two writers
        could both find it missing.

        Parameters
        ----------
        name
            What is locked, for example a kind of rows.
        """
        connection = self._active("lock")
        with self._plain_errors():
            self._backend.lock(connection, name)
        if self.root is not None:
            # Who had the lock before may have changed what is remembered.
            self.root.has_looked = False

    def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Change something; only inside `transaction`."""
        connection = self._active("execute")
        with self._plain_errors():
            return connection.execute(statement, rows)

    def insert_missing(self, table: sa.Table, rows: Sequence[Mapping[str, Any]], *keys: str) -> int:
        """Insert rows, but not those whose key is taken; only inside `transaction`; return how many.

        Where another transaction has inserted the same key, it waits until that is kept or undone.

        Parameters
        ----------
        table, rows
            What to insert, and where.
        *keys
            Columns of the primary key or of one unique key; the other keys must be free.
        """
        statement = self._backend.insert(table).on_conflict_do_nothing(index_elements=keys)
        return self.execute(statement, rows).rowcount

    def query(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query."""
        with self._plain_errors():
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
        except (self._driver_error, UnicodeEncodeError) as error:
            self._raise(error, prepared.sql)
        return rows

    def run_many(self, prepared: Prepared, rows: Iterable[Sequence[Any]]) -> int:
        """Change something once for each row of values; only inside `transaction`; return how many rows."""
        self._active("run_many")
        cursor = self._driver().cursor()
        try:
            cursor.executemany(prepared.sql, map(prepared.arrange, rows))
            n_changed = int(cursor.rowcount)
        except (self._driver_error, UnicodeEncodeError) as error:
            self._raise(error, prepared.sql)
        return n_changed

    def create_tables(self, metadata: sa.MetaData) -> None:
        """Make the tables that do not exist yet; inside `transaction`."""
        connection = self._active("create_tables")
        with self._plain_errors():
            self._backend.make_namespace(connection)
            metadata.create_all(connection)

    def has_table(self, name: str) -> bool:
        """Tell whether a table exists."""
        with self._plain_errors():
            return sa.inspect(self._connected()).has_table(name)

    def _active(self, verb: str) -> sa.Connection:
        if self._session.transaction is None:
            raise RuntimeError(f"{verb} needs a transaction")
        return self._connected()

    def _connected(self) -> sa.Connection:
        """Return this thread's connection."""
        session = self._session
        if session.connection is None or session.driver is None or session.process != os.getpid():
            if session.connection is not None and session.process != os.getpid():
                # It belongs to the process that this one was forked from: neither used nor closed here.
                self._inherited.append(session.connection)
            session.connection = connection = self._engine.connect()
            session.driver = connection.connection.dbapi_connection
            session.process = os.getpid()
            session.is_lost, session.transaction, session.depth = False, None, 0
            session.answers.clear()
            self._connections.add(connection)
        return session.connection

    def _driver(self) -> Any:
        session = self._session
        if session.driver is None or session.process != os.getpid():
            with self._plain_errors():
                self._connected()
        return session.driver

    def _say(self, words: str) -> None:
        """Run a statement without values or rows."""
        cursor = self._driver().cursor()
        try:
            cursor.execute(words)
        except self._driver_error as error:
            self._raise(error, words)

    def _raise(self, error: Exception, sql: str) -> NoReturn:
        """Raise what an error of the driver means."""
        with self._plain_errors():
            if not isinstance(error, self._driver_error):
                raise error
            is_lost = self.dialect.is_disconnect(error, self._session.driver, None)  # type: ignore[arg-type]
            raise DBAPIError.instance(
                sql, None, error, self._driver_error, connection_invalidated=is_lost, dialect=self.dialect
            ) from error

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what the database says about a user's input, or about itself, into one clear error."""
        try:
            yield
        except DBAPIError as error:
            if error.connection_invalidated:
                self._note_loss()
            meant = self._backend.fault(error)
            if meant is None:
                raise
            raise meant from error
        except UnicodeEncodeError as error:
            raise ButlerUserError(f"no database can hold the text {error.object!r}") from error

    def _note_loss(self) -> None:
        """Have the next question ask for a new connection; the rest of a transaction is to fail."""
        session = self._session
        session.is_lost = True
        if session.transaction is None:
            session.driver = None
