"""Queries: one statement over dimension tables and datasets, the sky before it, objects after it."""

from typing import TYPE_CHECKING

from ...late import late_names

if TYPE_CHECKING:
    from .explain import why_empty
    from .query import Query
    from .question import Output
    from .results import (
        DataCoordinateQueryResults,
        DatasetRefQueryResults,
        DimensionRecordQueryResults,
        GeneralQueryResults,
    )
    from .runner import QueryRunner
    from .spec import DatasetSearch, KeyTable, QuerySpec
else:
    __getattr__ = late_names(
        __name__,
        {
            "explain": ["why_empty"],
            "query": ["Query"],
            "question": ["Output"],
            "results": [
                "DataCoordinateQueryResults",
                "DatasetRefQueryResults",
                "DimensionRecordQueryResults",
                "GeneralQueryResults",
            ],
            "runner": ["QueryRunner"],
            "spec": ["DatasetSearch", "KeyTable", "QuerySpec"],
        },
    )

__all__ = [
    "DataCoordinateQueryResults",
    "DatasetRefQueryResults",
    "DatasetSearch",
    "DimensionRecordQueryResults",
    "GeneralQueryResults",
    "KeyTable",
    "Output",
    "Query",
    "QueryRunner",
    "QuerySpec",
    "why_empty",
]
