"""The house: imports point one way, each outside library has one door, each file has a room."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("butler", "connections", "tasks")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))

# Inside a package, top to bottom: a room may import those below it.
ROOMS = {
    "butler": [
        ["cli"],
        ["ingest"],
        ["butler"],
        ["transfer"],
        ["ingester"],
        ["remover", "writer"],
        ["repository", "pictures"],
        ["datastore"],
        ["registry"],
        ["formatters"],
        ["skymaps"],
        ["handles", "provenance"],
        ["datasets"],
        ["dimensions"],
        ["regions"],
        ["images", "log_records", "tables", "task_metadata"],
        ["assignments", "safe_yaml"],
        ["plugins"],
        ["user_paths"],
        ["errors", "late", "tai"],
    ],
    "connections": [
        ["builder", "moved_graph", "provenance", "saved_graph"],
        ["drafting", "graph_file", "graph_query", "graph_view", "graph_writer", "resolving"],
        ["bounds"],
        ["graph_columns", "run_collections", "written_types"],
        ["graph_archive"],
        ["dataset_lookup"],
        ["data_id_rows", "graph", "retention"],
        ["config_view", "init_inputs", "pipeline_view"],
        ["pipeline"],
        ["config_record", "pipeline_config", "task_expression"],
        ["pipeline_node"],
        ["pipeline_file", "selection"],
        ["task_class"],
        ["adjusting", "connection_names"],
        ["connections"],
        ["camera_config", "quanta_adjuster"],
        ["connection_types", "contract", "overrides", "quantum"],
        ["errors"],
    ],
    "tasks": [
        ["cli"],
        ["demo", "ready_pipelines"],
        ["execution", "explain_pixel"],
        ["coadd", "warp", "process_ccd"],
        ["select"],
        ["detection", "sky_info"],
        ["background"],
        ["task"],
        ["pipeline_task_config"],
        ["command_line"],
        ["config", "records", "struct", "timer"],
        ["data_ref", "usage"],
        ["errors"],
        ["kernels"],
    ],
}

# Where a library that is heavy, or could be swapped, may be imported.
DOORS = {
    "sqlalchemy": ["butler/registry/"],
    "lsst": ["butler/regions/"],
    "astropy.io": ["butler/formatters/"],
    "fsspec": ["butler/datastore/remote.py"],
    "s3fs": [],
    "numba": [
        "tasks/kernels/loops/",
        "tasks/kernels/native_compiler.py",
        "tasks/kernels/stacking/words.py",
    ],
    "llvmlite": [
        "tasks/kernels/native_compiler.py",
        "tasks/kernels/native_loop.py",
        "tasks/kernels/stacking/words.py",
    ],
    "lark": ["butler/registry/parser.py"],
    "healsparse": [
        "butler/formatters/healsparse_map.py",
        "butler/pictures/depth_map.py",
        "tasks/coadd/input_map.py",
    ],
    "hpgeom": [
        "butler/pictures/depth_map.py",
        "tasks/coadd/input_map.py",
        "tasks/coadd/map_pixels.py",
    ],
    # Headers are read in worker processes.
    "multiprocessing": ["tasks/execution/", "butler/ingest/reading.py"],
    "click": ["butler/cli/", "tasks/cli/"],
    "tqdm": ["butler/cli/", "tasks/cli/"],
    "matplotlib": ["butler/pictures/"],
    "pyarrow": ["butler/tables/"],
    "pandas": ["butler/tables/"],
    "sep": ["tasks/background.py", "tasks/process_ccd/"],
    "astroscrappy": ["tasks/process_ccd/"],
    "alembic": ["butler/registry/migrations/"],
    "astro_metadata_translator": ["butler/ingest/translation.py"],
    "psycopg": [],
    "sqlite3": [],
    "pickle": [],
    "dask": ["tasks/execution/dask_executor.py"],
    "distributed": ["tasks/execution/dask_executor.py"],
}
# The two rooms at the bottom know nothing of ours; errors, late names and times are the floor of the house.
BOTTOM = {
    "butler/images": {"butler.errors", "butler.images", "butler.late", "butler.tai"},
    "tasks/kernels": {"butler.late", "tasks.kernels"},
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return what a file says."""
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Return the absolute names of the modules that a file imports, also inside functions."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found |= {module} if node.module else {f"{module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: str) -> tuple[str, str]:
    """Return package and room of one of our modules; a package's own face is room ``__init__``."""
    package, _, rest = module.partition(".")
    return package, rest.split(".")[0] or "__init__"


def floor_of(package: str, room: str) -> int | None:
    """Return how far down a room lies."""
    return next((i for i, floor in enumerate(ROOMS[package]) if room in floor), None)


def module_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def misplaced(path: Path) -> Iterator[str]:
    """Return what is wrong with the room of a file, and with what it imports from other rooms."""
    package, room = room_of(module_of(path))
    if room == "__init__":
        return
    floor = floor_of(package, room)
    if floor is None:
        yield f"{path} stands in no room: add {room!r} to the plan, or move the file"
        return
    for imported in imports_of(path):
        other, other_room = room_of(imported)
        if other not in PACKAGES:
            continue
        if PACKAGES.index(other) > PACKAGES.index(package):
            yield f"{path} imports upwards: {imported}"
        if other == package and other_room not in (room, "__init__"):
            below = floor_of(package, other_room)
            if below is None:
                yield f"{path} imports {imported}, which has no room"
            elif below <= floor:
                yield f"{path} imports {imported}, which is not below it"


def through_windows(path: Path) -> Iterator[str]:
    """Return which libraries a file imports though their door is elsewhere."""
    relative = str(path.relative_to(ROOT))
    for imported in imports_of(path):
        for library, doors in DOORS.items():
            is_part = imported == library or imported.startswith(f"{library}.")
            if is_part and not any(relative.startswith(door) for door in doors):
                yield f"{relative} imports {imported}"


def oversized(path: Path) -> Iterator[str]:
    """Return what in a file is too long: itself, or a function."""
    n_lines = path.read_text().count("\n")
    if n_lines > 500:
        yield f"{path} has {n_lines} lines"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            size = (node.end_lineno or 0) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            if size > 60:
                yield f"{path}:{node.lineno} {node.name} has {size} lines"


def test_every_file_has_a_room_and_imports_downwards() -> None:
    """Every file stands in a room of the plan, and imports only from rooms below its own."""
    assert [fault for path in SOURCES for fault in misplaced(path)] == []


def test_outside_libraries_come_in_by_their_door() -> None:
    """A library with a door is imported nowhere else."""
    assert [fault for path in SOURCES for fault in through_windows(path)] == []


def test_sizes_stay_readable() -> None:
    """No file over 500 lines, no function over 60 lines of code."""
    assert [fault for path in SOURCES for fault in oversized(path)] == []


@pytest.mark.parametrize("room", BOTTOM)
def test_bottom_rooms_know_nothing_of_ours(room: str) -> None:
    """Images and kernels import nothing of the project but themselves and the errors."""
    for path in (ROOT / room).rglob("*.py"):
        for imported in imports_of(path):
            if imported.split(".")[0] in PACKAGES:
                allowed = any(imported == a or imported.startswith(f"{a}.") for a in BOTTOM[room])
                assert allowed, f"{path} imports {imported}"


def test_a_wrong_arrow_is_seen(tmp_path: Path) -> None:
    """The reading of imports finds relative, absolute and lazy ones."""
    source = "from ..errors import A\nfrom . import b\nimport butler.c\ndef f():\n    from ...x import y\n"
    path = ROOT / "butler" / "images" / "not_there.py"
    found: set[str] = set()
    try:
        path.write_text(source)
        found = imports_of(path)
    finally:
        path.unlink()
    assert found == {"butler.errors", "butler.images.b", "butler.c", "x"}


@pytest.mark.parametrize(
    "module", sorted({module_of(p) for p in SOURCES if p.name == "__init__.py"}), ids=str
)
def test_public_names_are_listed_and_sorted(module: str) -> None:
    """Each package lists its public names, sorted, and has them all."""
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert names == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n)), module
    assert all(hasattr(loaded, name) for name in names)
