"""Butler: the front door, where registry and datastore meet."""

from __future__ import annotations

from .locating import LocatingButler
from .moving import MovingButler
from .querying import QueryingButler
from .writing import WritingButler

__all__ = ["Butler"]


class Butler(LocatingButler, QueryingButler, WritingButler, MovingButler):
    """Finds and keeps datasets.

    Parameters
    ----------
    config
        Directory of a repository, its ``butler.yaml``, a label that ``DAF_BUTLER_REPOSITORIES`` or
        ``DAF_BUTLER_REPOSITORY_INDEX`` gives it, or the settings that `makeRepo` returned.
    collections
        Collections to search when a call names none, in order; the run if None.
    run
        RUN that datasets are put into when a call names none; made if needed.
    writeable
        Whether anything may be changed; by default only if `run` is given.
    inferDefaults
        Whether an instrument or sky map that is the only one is filled into data IDs.
    without_datastore
        Whether only the registry is opened: datasets are found then, but not read.
    searchPaths
        For LSST's callers: no other place has settings, so that it is told to have no effect.
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
    DimensionNameError, DataIdValueError
        Raised for a keyword argument that is neither instrument nor skymap, or a value without record.
    CollectionError
        Raised for a glob among the collections.
    ReadOnlyButlerError
        Raised if it is to be changed, but cannot.
    """
