"""Database: one connection, transactions that nest, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import ButlerUserError, ReadOnlyButlerError, UncertainCommitError
from .engines import Backend, PostgresBackend, SqliteBackend

__all__ = ["Database", "Transaction"]


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


class Database:
    """The one place where SQL is executed.

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
        self._reader = backend.reader(self._engine)
        self._connection: sa.Connection | None = None
        self._transaction: Transaction | None = None
        sa.event.listen(self._engine, "begin", self._begun)

    @classmethod
    def sqlite(cls, path: Path, *, writeable: bool) -> Database:
        """Open, or make, a SQLite database file."""
        return cls(sa.URL.create("sqlite", database=str(path)), SqliteBackend(), writeable=writeable)

    @classmethod
    def postgresql(cls, url: sa.URL, namespace: str, *, writeable: bool) -> Database:
        """Open a schema of a PostgreSQL database; see `PostgresBackend`."""
        return cls(url, PostgresBackend(namespace), writeable=writeable)

    @property
    def place(self) -> str:
        """Where the database is, for messages."""
        return self._backend.place(self.url)

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
            with self._begin() as connection:
                self._connection = connection
                yield self._transaction
        except UncertainCommitError:
            # Files without rows can be found and removed, rows without files are lost datasets.
            raise
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
        if self._connection is not None:
            with self._plain_errors():
                savepoint = self._connection.begin_nested()
            with self._rolling_back(savepoint):
                yield self._connection
            with self._plain_errors():
                savepoint.commit()
            return
        with self._plain_errors():
            connection = self._engine.connect()
        with connection:
            with self._plain_errors():
                begun = connection.begin()
            with self._rolling_back(begun):
                yield connection
            with self._plain_errors(committing=True):
                begun.commit()

    @contextmanager
    def _rolling_back(self, begun: sa.Transaction) -> Iterator[None]:
        try:
            yield
        except BaseException:
            begun.rollback()
            raise

    def lock(self, name: str) -> None:
        """Let no other writer pass here until the outermost transaction ends; inside `transaction`.

        What is looked up after it stays true: where a name is looked up and inserted if missing, two writers
        could both find it missing.

        Parameters
        ----------
        name
            What is locked, for example a kind of rows.
        """
        with self._plain_errors():
            self._backend.lock(self._active("lock"), name)

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
            if self._connection is not None:
                return self._connection.execute(statement).all()
            with self._reader.connect() as connection:
                return connection.execute(statement).all()

    def create_tables(self, metadata: sa.MetaData) -> None:
        """Make the tables that do not exist yet; inside `transaction`."""
        connection = self._active("create_tables")
        with self._plain_errors():
            self._backend.make_namespace(connection)
            metadata.create_all(connection)

    def has_table(self, name: str) -> bool:
        """Tell whether a table exists."""
        with self._plain_errors():
            if self._connection is not None:
                return sa.inspect(self._connection).has_table(name)
            with self._reader.connect() as connection:
                return sa.inspect(connection).has_table(name)

    def _active(self, verb: str) -> sa.Connection:
        if self._connection is None:
            raise RuntimeError(f"{verb} needs a transaction")
        return self._connection

    def _begun(self, connection: sa.Connection) -> None:
        self._backend.begin(connection, writing=self._transaction is not None)

    @contextmanager
    def _plain_errors(self, *, committing: bool = False) -> Iterator[None]:
        """Turn what the database says about a user's input, or about itself, into one clear error."""
        try:
            yield
        except DBAPIError as error:
            if committing and error.connection_invalidated:
                raise UncertainCommitError(
                    "the registry database went away while a transaction was committed; look whether it was "
                    "kept, and if not, repeat it"
                ) from error
            meant = self._backend.fault(error)
            if meant is None:
                raise
            raise meant from error
        except UnicodeEncodeError as error:
            raise ButlerUserError(f"no database can hold the text {error.object!r}") from error
