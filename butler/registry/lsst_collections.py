"""LsstCollections: what LSST's registry does with collections, in its spelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import EllipsisType

from ..datasets import DatasetType
from ..dimensions import GOVERNORS
from ..errors import CollectionTypeError
from .collections import CollectionStore, CollectionType
from .dataset_store import DatasetStore

__all__ = ["CollectionSummary", "LsstCollections"]

_Types = str | Iterable[str] | EllipsisType


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """What a collection, or the members of a chain, hold.

    Parameters
    ----------
    dataset_types
        Dataset types of which there is a dataset.
    governors
        Values of instrument and sky map among the datasets.
    """

    dataset_types: frozenset[DatasetType]
    governors: Mapping[str, frozenset[str]]


class LsstCollections:
    """The part of LSST's registry that makes, tells and changes collections."""

    collections: CollectionStore
    datasets: DatasetStore

    def registerCollection(
        self, name: str, type: CollectionType = CollectionType.TAGGED, doc: str | None = None
    ) -> bool:
        """Register a collection; see `CollectionStore.register`."""
        return self.collections.register(name, type, doc)

    def registerRun(self, name: str, doc: str | None = None) -> bool:
        """Register a RUN collection; see `CollectionStore.register`."""
        return self.collections.register(name, CollectionType.RUN, doc)

    def removeCollection(self, name: str) -> None:
        """Remove a collection; see `CollectionStore.remove`."""
        self.collections.remove(name)

    def getCollectionType(self, name: str) -> CollectionType:
        """Return what kind a collection is; raises as `CollectionStore.get_info`."""
        return self.collections.get_info(name).type

    def getCollectionChain(self, parent: str) -> tuple[str, ...]:
        """Return the children of a chain.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        CollectionTypeError
            Raised if it is no chain.
        """
        info = self.collections.get_info(parent)
        if info.type is not CollectionType.CHAINED:
            raise CollectionTypeError(f"{parent!r} is a {info.type} collection, and has no children")
        return info.children

    def setCollectionChain(
        self, parent: str, children: str | Iterable[str], *, flatten: bool = False
    ) -> None:
        """Replace the children of a chain; see `CollectionStore.redefine_chain`.

        Parameters
        ----------
        parent
            The chain.
        children
            Its new children.
        flatten
            Whether chains among these are replaced by their members.
        """
        names = [children] if isinstance(children, str) else list(children)
        if flatten:
            names = [info.name for info in self.collections.flatten(names)]
        self.collections.redefine_chain(parent, names)

    def getCollectionParentChains(self, collection: str) -> set[str]:
        """Return the chains that a collection is a direct child of; raises if it does not exist."""
        return set(self.collections.parents(self.collections.get_info(collection).name))

    def getCollectionDocumentation(self, collection: str) -> str | None:
        """Return what a collection is for, None if nobody said; raises if it does not exist."""
        return self.collections.get_info(collection).doc or None

    def setCollectionDocumentation(self, collection: str, doc: str | None) -> None:
        """Say what a collection is for; see `CollectionStore.set_doc`."""
        self.collections.set_doc(collection, doc or "")

    def queryCollections(
        self,
        expression: _Types = ...,
        datasetType: str | DatasetType | None = None,
        collectionTypes: CollectionType | Iterable[CollectionType] | None = None,
        flattenChains: bool = False,
        includeChains: bool | None = None,
    ) -> list[str]:
        """Return names of collections; see `CollectionStore.query`.

        Parameters
        ----------
        expression
            Name or glob, or several; ``...`` for all.
        datasetType
            Dataset type that they must hold.
        collectionTypes, flattenChains, includeChains
            As of `CollectionStore.query`.
        """
        pattern = "*" if isinstance(expression, EllipsisType) else expression
        names = self.collections.query(pattern, collectionTypes, flattenChains, includeChains)
        if datasetType is None:
            return names
        wanted = datasetType if isinstance(datasetType, str) else datasetType.name
        infos = self.collections.query_info(names, include_summary=True)
        return [info.name for info in infos if wanted in (info.dataset_types or ())]

    def getCollectionSummary(self, collection: str) -> CollectionSummary:
        """Return what a collection holds, as it is now.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        """
        (info,) = self.collections.query_info([collection], include_summary=True)
        members = self.collections.flatten([collection])
        types = frozenset(self.datasets.get_type(name).type for name in info.dataset_types or ())
        held = {name: frozenset(self.datasets.governor_values(members, name)) for name in GOVERNORS}
        return CollectionSummary(types, {name: values for name, values in held.items() if values})
