"""Queries: one statement over dimension tables and datasets, the sky before it, objects after it."""

from .explain import why_empty
from .query import Query
from .question import Output
from .runner import QueryRunner, dataset_output
from .spec import DatasetSearch, KeyTable, QuerySpec

__all__ = [
    "DatasetSearch",
    "KeyTable",
    "Output",
    "Query",
    "QueryRunner",
    "QuerySpec",
    "dataset_output",
    "why_empty",
]
