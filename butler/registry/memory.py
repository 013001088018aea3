"""Memory: what was read of rows that seldom change, until some process changes them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from .database import Database
from .schema import Schema

__all__ = ["MARK", "Memory"]

_Found = TypeVar("_Found")
MARK: Final = "catalog_mark"
"""Name of the attribute that gets a new value with every change of such rows."""
_MOST: Final = 100_000
"""Most answers that are kept."""


class Memory:
    """Answers about collections, dataset types and dimension records, as long as they are true.

    What does not exist is not to be remembered: new rows need no word to anybody then. Rows that are
    replaced or removed do, by `changed`, which every process sees in the database. Inside a transaction
    what was true at its first question stays true, and so it does inside `Database.in_a_moment`.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._attributes = schema.attributes
        mark = sa.select(self._attributes.c.value).where(self._attributes.c.name == sa.bindparam("name"))
        self._ask = database.prepare(mark, ["name"])

    def answers(self) -> dict[Any, Any]:
        """Return this thread's answers, true now."""
        answers = self._db.answers
        moment = self._db.moment
        if moment is not None and moment.has_looked:
            return answers
        mark = self._db.run(self._ask, (MARK,))
        if answers.get(MARK) != mark or len(answers) > _MOST:
            answers.clear()
            answers[MARK] = mark
        if moment is not None:
            moment.has_looked = True
        return answers

    def recall(self, key: Hashable, find: Callable[[], _Found | None]) -> _Found | None:
        """Return an answer; if it is not known, find it, and keep it unless it is None."""
        answers = self.answers()
        if key in answers:
            known: _Found = answers[key]
            return known
        mark = answers.get(MARK)
        found = find()
        # What was found in parts, between which somebody changed something, may never have been true.
        if found is not None and answers.get(MARK) is mark:
            answers[key] = found
        return found

    def forget(self) -> None:
        """Look everything up again when it is asked for."""
        self._db.answers.clear()

    def keep(self, found: Mapping[Hashable, Any], mark: object) -> None:
        """Keep answers that were found since `mark` was the mark, unless somebody has changed something."""
        answers = self._db.answers
        if answers.get(MARK) is mark:
            answers.update(found)

    def changed(self) -> None:
        """Have every process forget; inside the transaction of the change."""
        table = self._attributes
        mark = secrets.token_hex(8)
        self._db.execute(table.update().where(table.c.name == MARK).values(value=mark))
        self._db.answers.clear()
