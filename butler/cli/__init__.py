"""The ``butler`` command: parse, call, print."""

# Each of these modules adds its commands to the group.
from . import collections, create, ingest, inspection, query, removal, retrieve, transfer  # noqa: F401
from .arguments import repository_argument
from .main import ErrorsInOneLine, main

__all__ = ["ErrorsInOneLine", "main", "repository_argument"]
