"""Writes the baseline of the migrations anew: the tables of schema version 1 as SQL, for each database.

Only until the first release: from then on what old repositories have is what it is, and a change of the
schema is a new step. Run it as ``python tests/baseline_writer.py``.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from butler.registry import migrations
from butler.registry.schema import Schema

FOLDER = Path(migrations.__file__).parent
DIALECTS: dict[str, sa.Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


def baseline(dialect: sa.Dialect) -> str:
    """Return the statements that make the tables."""
    statements = []
    for table in Schema().metadata.sorted_tables:
        statements.append(str(sa.schema.CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(sa.schema.CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    lines = "\n".join(f"{text.strip()};\n" for text in statements).expandtabs(4).split("\n")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    for name, dialect in DIALECTS.items():
        (FOLDER / f"baseline_{name}.sql").write_text(baseline(dialect), encoding="utf-8")
