"""unregistered: the dataset types of a pipeline beside those of a repository."""

from __future__ import annotations

from collections.abc import Iterable

from butler import Butler, DatasetType
from butler.errors import ConflictingDefinitionError, MissingDatasetTypeError

__all__ = ["unregistered"]


def unregistered(kinds: Iterable[DatasetType], butler: Butler) -> list[str]:
    """Return the names of the dataset types that a repository does not know.

    Raises
    ------
    ConflictingDefinitionError
        Raised if it knows one otherwise.
    """
    missing = []
    for kind in kinds:
        try:
            known = butler.registry.getDatasetType(kind.name)
        except MissingDatasetTypeError:
            missing.append(kind.name)
            continue
        if known != kind:
            raise ConflictingDefinitionError(f"the repository has <{known}>, the pipeline writes <{kind}>")
    return missing
