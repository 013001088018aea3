"""find_known_files: files that need not be read, as they are datasets already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..butler import Butler
from .dataset_types import EXPOSURE

__all__ = ["find_known_files"]


def find_known_files(butler: Butler, paths: Sequence[Path], run: str) -> dict[str, Path]:
    """Return those of some files that a run has as exposures where they lie, by the path that it has.

    A file counts that has the recorded path and size. What was copied or linked into the repository has
    another path there, and is not known by its own.
    """
    registry = butler.registry
    if not butler.query_datasets(EXPOSURE, run, limit=1, explain=False):
        # To look at files takes long where they lie far away.
        return {}
    places: dict[str, tuple[Path, int]] = {}
    folders: dict[Path, Path] = {}
    for path in paths:
        try:
            size = path.stat().st_size
            if path.is_symlink():
                place = path.resolve()
            else:
                # To look where links lead takes long, and most files have their folder in common.
                folder = path.parent
                if folder not in folders:
                    folders[folder] = folder.resolve()
                place = folders[folder] / path.name
        except OSError:
            continue
        places[str(place)] = path, size
    recorded = registry.files.sizes_at(
        list(places), registry.datasets.get_type(EXPOSURE.name).id, registry.collections.get_info(run).id
    )
    return {place: path for place, (path, size) in places.items() if size in recorded.get(place, ())}
