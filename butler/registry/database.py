"""Database: a connection, transactions that nest, and errors that say what to do."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import (
    ButlerError,
    ButlerUserError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
    UncertainCommitError,
)
from .engines import Backend, PostgresBackend, SqliteBackend
from .prepared import Prepared

__all__ = ["Database", "Transaction"]

_LOG: Final = logging.getLogger(__name__)
_Item = TypeVar("_Item")


class Moment:
    """While it lasts, nobody asks again what others have changed.

    Attributes
    ----------
    has_looked
        Whether it is known what others have changed before it began.
    """

    def __init__(self) -> None:
        self.has_looked = False


class Transaction(Moment):
    """Actions outside the database that follow the fate of a transaction.

    Parameters
    ----------
    parent
        The enclosing transaction, if any.

    Attributes
    ----------
    root
        The outermost transaction.
    """

    def __init__(self, parent: Transaction | None = None) -> None:
        super().__init__()
        self.parent = parent
        self.root: Transaction = self if parent is None else parent.root
        self._undo: list[Callable[[], None]] = []
        self._before: dict[Callable[[list[Any]], None], list[Any]] = {}
        self._finally: list[Callable[[], None]] = []

    def on_rollback(self, action: Callable[[], None]) -> None:
        """Have an action run if this transaction, or one around it, is rolled back."""
        self._undo.append(action)

    def before_commit(self, action: Callable[[list[_Item]], None], items: Iterable[_Item]) -> None:
        """Have an action run just before the outermost transaction is committed.

        It runs once, for the items of all transactions that are kept; if it fails, nothing is.
        """
        self._before.setdefault(action, []).extend(items)

    def prepare(self) -> None:
        """Run the actions that come before the commit, in the outermost transaction."""
        if self.parent is None:
            for action, items in self._before.items():
                action(items)

    def on_commit(self, action: Callable[[], None]) -> None:
        """Have an action run once the outermost transaction is committed."""
        self._finally.append(action)

    def keep_files(self) -> None:
        """Have no action run, whatever happens: nobody knows the fate of the rows."""
        self._undo.clear()
        self._finally.clear()

    def roll_back(self) -> None:
        """Run the undo actions, last first."""
        _run_each(reversed(self._undo))

    def commit(self) -> None:
        """Hand the actions to the enclosing transaction, or run those that wait for the commit."""
        if self.parent is not None:
            for action, items in self._before.items():
                self.parent.before_commit(action, items)
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
    transaction: Transaction | None = None
    moment: Moment | None = None
    depth: int = 0
    scratch: bool = False

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}


class Database:
    """The one place where SQL is executed; each thread has a connection and a transaction of its own.

    Parameters
    ----------
    url
        Where the database is.
    backend
        What knows the database's ways.
    writeable
        Whether anything may be changed.
    """

    def __init__(self, url: sa.URL, backend: Backend, *, writeable: bool) -> None:
        self.url = url
        self.writeable = writeable
        self._backend = backend
        self._engine = backend.make_engine(url, writeable=writeable)
        self.dialect = self._engine.dialect
        self._driver_error = self.dialect.loaded_dbapi.Error
        self._session = _Session()
        self._connections: WeakSet[sa.Connection] = WeakSet()
        self._inherited: list[sa.Connection] = []

    @classmethod
    def sqlite(cls, path: Path, *, writeable: bool) -> Database:
        """Open, or make, a SQLite database file."""
        url = sa.URL.create("sqlite", database=str(path))
        return cls(url, SqliteBackend(path.parent), writeable=writeable)

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

    @property
    def moment(self) -> Moment | None:
        """What is going on in this thread: the outermost transaction, or a block of `in_a_moment`."""
        session = self._session
        return session.moment if session.transaction is None else session.transaction.root

    @contextmanager
    def in_a_moment(self) -> Iterator[None]:
        """Run a block that is so short that what others change meanwhile comes after it."""
        session = self._session
        outer, session.moment = session.moment, session.moment or Moment()
        try:
            yield
        finally:
            session.moment = outer

    def joined(self) -> AbstractContextManager[object]:
        """Return the transaction that is open, or one of its own, for a block that must be kept whole.

        If the block fails in one that is open, that must not be kept.
        """
        return self.transaction() if self.root is None else nullcontext()

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
        level = f"level_{session.depth}"
        if outer is None:
            self._backend.begin(self._say)
        else:
            self._say(f"SAVEPOINT {level}")
        session.transaction = transaction = Transaction(outer)
        session.depth += 1
        try:
            yield transaction
            transaction.prepare()
            self._say("COMMIT" if outer is None else f"RELEASE SAVEPOINT {level}", ending=transaction)
        except BaseException:
            # Who reads is not to remember what has never been.
            session.answers.clear()
            # After a full disk, for example, the database has rolled back by itself, or it has gone.
            with suppress(sa.exc.SQLAlchemyError, ButlerError):
                if outer is None:
                    self._say("ROLLBACK")
                else:
                    self._say(f"ROLLBACK TO SAVEPOINT {level}")
                    self._say(f"RELEASE SAVEPOINT {level}")
            transaction.roll_back()
            raise
        finally:
            session.transaction = outer
            session.depth -= 1
            self._forget_lost()
        transaction.commit()

    @contextmanager
    def rebuilding(self) -> Iterator[sa.Connection]:
        """Run a block, on the connection that it gets, that may rebuild tables; kept or undone whole.

        Raises
        ------
        RepositoryCorruptionError
            Raised if in the end rows refer to others that are not there.
        """
        connection = self._connected()
        self._backend.enforce_references(connection, False)
        try:
            with self.transaction():
                self.lock("create")
                with self._plain_errors():
                    yield connection
                if lost := self._backend.lost_references(connection):
                    raise RepositoryCorruptionError(f"rows refer to others that are not there: {lost}")
        finally:
            self._backend.enforce_references(connection, True)

    def lock(self, name: str) -> None:
        """Let no other writer pass here until the outermost transaction ends; inside `transaction`.

        What is looked up after it stays true. Without it, two writers that look whether something exists
        could both find it missing.

        Parameters
        ----------
        name
            What is locked, for example a kind of rows.
        """
        connection = self._in_transaction("lock")
        with self._plain_errors():
            self._backend.lock(connection, name)
        if self.root is not None:
            self.root.has_looked = False

    def execute(
        self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Change something; only inside `transaction`."""
        connection = self._in_transaction("execute")
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
        return self.execute(statement.execution_options(preserve_rowcount=True), rows).rowcount

    def query(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query."""
        with self._plain_errors():
            return self._connected().execute(statement).all()

    def prepare(self, statement: sa.ClauseElement, names: Sequence[str] = ()) -> Prepared:
        """Compile a statement for `run` and `run_many`; values come in the order of `names`."""
        return Prepared(statement, self.dialect, names)

    def run(self, prepared: Prepared, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a prepared query, as the driver has them."""
        driver = self._driver()
        try:
            cursor = driver.cursor()
            cursor.execute(prepared.sql, prepared.arrange(values))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        except (self._driver_error, UnicodeEncodeError) as error:
            self._raise(error, prepared.sql)
        return rows

    @contextmanager
    def scratch(self) -> Iterator[sa.Connection]:
        """Let a block make and fill temporary tables, which are gone after it; readers may, too.

        Blocks do not nest.
        """
        session = self._session
        connection = self._connected()
        level = None if session.transaction is None else "scratch"
        self._say(self._backend.begin_scratch if level is None else f"SAVEPOINT {level}")
        session.scratch = True
        try:
            with self._plain_errors():
                yield connection
        finally:
            session.scratch = False
            with suppress(DBAPIError, ButlerError):
                self._say("ROLLBACK" if level is None else f"ROLLBACK TO SAVEPOINT {level}")
                if level is not None:
                    self._say(f"RELEASE SAVEPOINT {level}")

    def run_many(self, prepared: Prepared, rows: Iterable[Sequence[Any]]) -> int:
        """Change something once for each row of values; return how many rows.

        Only inside `transaction`, or for temporary tables inside `scratch`.
        """
        if not self._session.scratch:
            self._in_transaction("run_many")
        driver = self._driver()
        try:
            cursor = driver.cursor()
            values = [prepared.arrange(row) for row in rows]
            if len(values) == 1:
                # For a server, many need one more exchange than one.
                cursor.execute(prepared.sql, values[0])
            else:
                cursor.executemany(prepared.sql, values)
            n_changed = int(cursor.rowcount)
        except (self._driver_error, UnicodeEncodeError) as error:
            self._raise(error, prepared.sql)
        return n_changed

    def create_tables(self, metadata: sa.MetaData, tables: Sequence[sa.Table] | None = None) -> None:
        """Make all tables, or some, that do not exist yet; inside `transaction`."""
        connection = self._in_transaction("create_tables")
        with self._plain_errors():
            self._backend.make_namespace(connection)
            metadata.create_all(connection, tables)

    def has_table(self, name: str) -> bool:
        """Tell whether a table exists."""
        with self._plain_errors():
            return sa.inspect(self._connected()).has_table(name)

    def _in_transaction(self, verb: str) -> sa.Connection:
        if self._session.transaction is None:
            raise RuntimeError(f"{verb} needs a transaction")
        return self._connected()

    def _connected(self) -> sa.Connection:
        """Return this thread's connection."""
        session = self._session
        if session.connection is None or session.process != os.getpid():
            if session.connection is not None:
                # It belongs to the process that this one was forked from: neither used nor closed here.
                self._inherited.append(session.connection)
            with self._plain_errors():
                connection = self._engine.connect()
            session.connection = connection
            session.driver = connection.connection.dbapi_connection
            session.process = os.getpid()
            session.transaction, session.depth = None, 0
            session.answers.clear()
            self._connections.add(connection)
        return session.connection

    def _driver(self) -> Any:
        session = self._session
        if session.driver is None or session.process != os.getpid():
            self._connected()
        return session.driver

    def _say(self, words: str, ending: Transaction | None = None) -> None:
        """Run words without values; `ending` is the transaction that they end."""
        driver = self._driver()
        try:
            driver.cursor().execute(words)
        except self._driver_error as error:
            self._raise(error, words, ending)

    def _raise(self, error: Exception, sql: str, ending: Transaction | None = None) -> NoReturn:
        """Raise what an error of the driver means."""
        with self._plain_errors(ending):
            if not isinstance(error, self._driver_error):
                raise error
            session = self._session
            is_lost = self.dialect.is_disconnect(error, session.driver, None)
            if is_lost and session.connection is not None:
                session.connection.invalidate(error)
            raise DBAPIError.instance(
                sql, None, error, self._driver_error, connection_invalidated=is_lost, dialect=self.dialect
            ) from error

    def _forget_lost(self) -> None:
        """Have a connection that broke replaced, but not amid a transaction: that has gone with it."""
        session = self._session
        if session.connection is not None and session.connection.invalidated and session.transaction is None:
            session.connection.close()
            session.connection = session.driver = None

    @contextmanager
    def _plain_errors(self, committing: Transaction | None = None) -> Iterator[None]:
        """Turn what the database says about a user's input, or about itself, into one clear error."""
        try:
            yield
        except DBAPIError as error:
            self._forget_lost()
            if committing is not None and committing.parent is None and error.connection_invalidated:
                # Files without rows can be found and removed, rows without files are lost datasets.
                committing.keep_files()
                raise UncertainCommitError(
                    "the registry database went away while a transaction was committed; look whether it was "
                    "kept, and if not, repeat it"
                ) from error
            meant = self._backend.fault(error)
            if meant is None:
                raise
            raise meant from error
        except sa.exc.PendingRollbackError as error:
            raise ButlerUserError("the registry database has gone away; the transaction is undone") from error
        except UnicodeEncodeError as error:
            raise ButlerUserError(f"no database can hold the text {error.object!r}") from error
