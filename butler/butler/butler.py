"""Butler: the front door, where registry and datastore meet."""

from __future__ import annotations

from .moving import MovingButler
from .querying import QueryingButler
from .reading import ReadingButler
from .writing import WritingButler

__all__ = ["Butler"]


class Butler(ReadingButler, QueryingButler, WritingButler, MovingButler):
    """Finds and keeps datasets.

    Parameters
    ----------
    config
        Directory of a repository, or its ``butler.yaml``.
    collections
        Collections to search when a call names none, in order.
    run
        RUN that datasets are put into when a call names none; made if needed.
    writeable
        Whether anything may be changed; by default only if `run` is given.
    **data_id
        Default values for ``instrument`` and ``skymap``.

    Attributes
    ----------
    registry, collections, datastore
        What exists; its collections, to register, query and chain; where the files are.

    Raises
    ------
    RepositoryNotFoundError
        Raised if there is no repository.
    ReadOnlyButlerError
        Raised if it is to be changed, but cannot.
    """
