"""Queries: one statement over dimension tables and datasets, the sky before it, objects after it."""

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
