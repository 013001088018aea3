"""find_init_inputs: the datasets that tasks need when they are made."""

from __future__ import annotations

from collections.abc import Sequence

from butler import Butler, DatasetRef
from butler.errors import MissingCollectionError, MissingDatasetTypeError

from .errors import MissingPrerequisiteError
from .pipeline import Pipeline
from .pipeline_node import parent_name

__all__ = ["InitInputs", "find_init_inputs"]

InitInputs = dict[str, dict[str, DatasetRef]]
"""Datasets by label and connection."""


def find_init_inputs(pipeline: Pipeline, butler: Butler, collections: Sequence[str]) -> InitInputs:
    """Return the init inputs of the tasks of a pipeline that exist before it runs.

    Those that a task of the pipeline writes are not among them: the run will have them.

    Parameters
    ----------
    pipeline
        The tasks.
    butler
        Butler of the repository.
    collections
        Where inputs are searched, in order.

    Raises
    ------
    MissingPrerequisiteError
        Raised with all that are missing.
    """
    made = {kind.name for node in pipeline.nodes for kind in node.init_outputs.values()}
    found: InitInputs = {}
    missing: list[str] = []
    for node in pipeline.nodes:
        for field, connection in node.connections.initInputs.items():
            if parent_name(connection) in made:
                continue
            ref = _find(butler, connection.name, collections)
            if ref is None:
                missing.append(f"{connection.name} of {node.label}")
            else:
                found.setdefault(node.label, {})[field] = ref
    if missing:
        raise MissingPrerequisiteError(
            f"{', '.join(collections) or 'no collection'} has no {', '.join(missing)}; "
            "run what writes it first, or add its collection to the inputs"
        )
    return found


def _find(butler: Butler, name: str, collections: Sequence[str]) -> DatasetRef | None:
    try:
        return butler.find_dataset(name, collections=list(collections))
    except (MissingDatasetTypeError, MissingCollectionError):
        return None
