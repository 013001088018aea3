"""What is heavy is imported when it is used, not when the butler is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import butler
from butler.late import late_names

HEAVY = ("astropy", "dask", "fsspec", "lark", "lsst", "matplotlib", "numba", "numpy", "scipy", "sqlalchemy")


def modules_after(statements: str) -> set[str]:
    """Return the names of all modules that a new interpreter has imported after some statements."""
    script = f"{statements}\nimport sys\nprint('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize(
    "statements",
    ["import butler", "from butler.cli import main\nmain(['--help'], standalone_mode=False)"],
    ids=["import", "help"],
)
def test_naming_the_butler_imports_nothing_heavy(statements: str) -> None:
    """``import butler`` and ``butler --help`` do without the libraries that databases and files need."""
    assert not modules_after(statements).intersection(HEAVY)


UNNEEDED = ("astropy", "lark", "lsst", "numpy", "psycopg", "scipy")


def test_the_butler_imports_neither_arrays_nor_regions() -> None:
    """The class itself, with its registry, needs no FITS, no parser of expressions, no geometry."""
    assert not modules_after("from butler import Butler").intersection(UNNEEDED)


def test_a_list_of_collections_imports_neither_arrays_nor_regions(repository: Path) -> None:
    """A command that opens a repository imports what it needs for that."""
    command = f"main(['query-collections', {str(repository)!r}], standalone_mode=False)"
    assert not modules_after(f"from butler.cli import main\n{command}").intersection(UNNEEDED)


def test_finding_and_reading_imports_neither_arrays_nor_queries(repository: Path) -> None:
    """A dataset is found by its data ID without the machinery of queries."""
    script = (
        f"from butler import Butler\nbutler = Butler({str(repository)!r}, collections='run')\n"
        "print(butler.find_dataset('note', instrument='CAM', visit=1))"
    )
    loaded = modules_after(script)
    assert not loaded.intersection({*UNNEEDED, "butler.registry.queries.runner"})


def test_every_public_name_is_found() -> None:
    """Names come from where they are defined, and stay; an unknown one is an error as of any module."""
    assert butler.Butler.__module__ == "butler.butler.butler"
    assert "Butler" in vars(butler)
    with pytest.raises(AttributeError, match="no attribute 'Buttler'"):
        _ = butler.Buttler  # type: ignore[attr-defined]


def test_a_name_is_imported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for becomes an attribute of the package."""
    monkeypatch.delattr(butler, "Timespan", raising=False)
    late_names("butler", {"dimensions": ["Timespan"]})("Timespan")
    assert vars(butler)["Timespan"] is butler.Timespan
