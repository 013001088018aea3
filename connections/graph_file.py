"""GraphFile: a saved quantum graph, read as far as it is asked for."""

from __future__ import annotations

import json
import uuid
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import ValidationError

from butler import ButlerUserError, DataCoordinate, DatasetType
from butler.dimensions import UNIVERSE
from butler.registry import without_collection
from butler.safe_yaml import load_yaml

from .errors import GraphFileError
from .graph import DroppedQuanta
from .graph_archive import FORMAT, HEADER, VERSION, BlockDatasets, GraphHeader, QuantaColumns
from .graph_columns import as_quanta, matching_places
from .pipeline_file import parse_pipeline
from .quantum import Quantum
from .run_collections import RunCollections
from .selection import select_labels

__all__ = ["GraphFile"]

_MAX_BYTES: Final = 1 << 30
"""Most bytes that a member may have when it is unpacked: a block of one quantum with millions of inputs."""
_Member = TypeVar("_Member", GraphHeader, QuantaColumns, BlockDatasets)


class GraphFile:
    """A saved graph, open for reading; to be used in a ``with`` block.

    What a method does not return is not read, and nothing of the file is executed: no task is imported.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    GraphFileError
        Raised, also by methods, if it is no saved graph, of another version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as undo:
            with self._told():
                self._archive = undo.enter_context(zipfile.ZipFile(path))
            self.header = self._read_header()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    @cached_property
    def dataset_types(self) -> dict[str, DatasetType]:
        """Dataset types by name."""
        with self._told():
            return {kind.name: kind for kind in map(DatasetType.from_simple, self.header.types)}

    @property
    def place(self) -> RunCollections:
        """Where the outputs go, as it was planned."""
        entry = self.header.place
        return RunCollections(
            entry.run, tuple(entry.inputs), entry.chain, tuple(entry.children), entry.replaced
        )

    @property
    def dropped(self) -> tuple[DroppedQuanta, ...]:
        """Quanta that the graph does not have, with reasons."""
        with self._told():
            return tuple(
                DroppedQuanta(
                    entry.label,
                    entry.reason,
                    entry.count,
                    None if entry.example is None else DataCoordinate.standardize(entry.example),
                )
                for entry in self.header.dropped
            )

    def count_by_label(self) -> dict[str, int]:
        """Return the number of quanta of each task."""
        counts = dict.fromkeys(self.header.tasks, 0)
        for block in self.header.blocks:
            counts[block.label] += block.n_quanta
        return counts

    def labels(self, selection: str) -> list[str]:
        """Return the labels of tasks that a selection names; see `select_labels`.

        Raises
        ------
        PipelineError
            Raised for a name that there is not.
        """
        with self._told():
            described = parse_pipeline(load_yaml(self.header.pipeline, "its pipeline"))
        subsets = {name: subset.labels for name, subset in described.subsets.items()}
        return select_labels(selection, list(self.header.tasks), subsets)

    def quanta(
        self,
        *,
        ids: Collection[uuid.UUID] | None = None,
        labels: Collection[str] | None = None,
        data_id: Mapping[str, Collection[Any]] | None = None,
    ) -> Iterator[Quantum]:
        """Yield quanta, in task order; only the blocks that have them are read.

        Parameters
        ----------
        ids
            UUIDs of those to yield; all by default.
        labels
            Their tasks; all by default.
        data_id
            Allowed values of their data IDs by dimension; quanta of tasks that do not have one of the
            dimensions are left out.
        """
        for number, block in enumerate(self.header.blocks):
            if labels is not None and block.label not in labels:
                continue
            task = self.header.tasks[block.label]
            described = self._member(f"quanta/{number:05}.json", QuantaColumns)
            with self._told():
                places = matching_places(described, UNIVERSE.conform(task.dimensions), ids, data_id or {})
            if not places:
                continue
            with without_collection():
                datasets = self._member(f"datasets/{number:05}.json", BlockDatasets)
                with self._told():
                    found = as_quanta(block.label, task, (described, datasets), self.dataset_types, places)
            yield from found

    def _read_header(self) -> GraphHeader:
        with self._told():
            values = json.loads(self._bytes(HEADER))
            if not isinstance(values, dict) or values.get("format") != FORMAT:
                raise ValueError("its header is that of something else")
        if values.get("version") != VERSION:
            raise GraphFileError(
                f"{str(self.path)!r} has version {values.get('version')!r:.20}, and {VERSION} can be read; "
                "build the graph again, or use the program that wrote it"
            )
        with self._told():
            header = GraphHeader.model_validate_json(json.dumps(values))
            if unknown := {block.label for block in header.blocks} - header.tasks.keys():
                raise ValueError(f"it has quanta of {', '.join(sorted(unknown))}, of which it says nothing")
        return header

    def _member(self, name: str, kind: type[_Member]) -> _Member:
        with self._told():
            return kind.model_validate_json(self._bytes(name))

    def _bytes(self, name: str) -> bytes:
        """Return an unpacked member; its checksum is checked."""
        size = self._archive.getinfo(name).file_size
        if size > _MAX_BYTES:
            raise GraphFileError(f"{name} would take {size} bytes, more than a graph has there")
        return self._archive.read(name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what is wrong with the file into one error that names it."""
        try:
            yield
        except FileNotFoundError as error:
            raise GraphFileError(f"there is no saved graph {str(self.path)!r}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise GraphFileError(self._about(f"{where}: {first['msg']}")) from error
        except (
            ButlerUserError, zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError,
            TypeError, NotImplementedError, RuntimeError, RecursionError,
        ) as error:  # fmt: skip
            raise GraphFileError(self._about(str(error) or type(error).__name__)) from error

    def _about(self, reason: str) -> str:
        return f"{str(self.path)!r} is no saved graph, or a damaged one: {reason}"
