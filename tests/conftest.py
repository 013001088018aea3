"""Fixtures that many tests share; what they hold is drawn in `small_repository`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from small_repository import make_repository

from butler import Butler

if TYPE_CHECKING:
    from object_server import ObjectServer

# The same examples in every run, so that a failure is that of a change; `HYPOTHESIS_PROFILE=search` looks for
# new ones.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of the tests that `make trust` runs with their full counts; see `trust_scale`."""
    config.addinivalue_line("markers", "trust: a sample in `make test`, in full in `make trust`")


@pytest.fixture(scope="session")
def repository_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository to be read or copied, never changed."""
    root = tmp_path_factory.mktemp("template") / "repository"
    make_repository(root)
    return root


@pytest.fixture
def repository(repository_template: Path, tmp_path: Path) -> Path:
    """Return the root of an own copy of the small repository."""
    root = tmp_path / "repository"
    shutil.copytree(repository_template, root)
    return root


@pytest.fixture
def butler(repository: Path) -> Iterator[Butler]:
    """Return a writeable butler of the small repository, with run, instrument and sky map as defaults."""
    with Butler(repository, run="run", instrument="CAM", skymap="sky") as opened:
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Butler]:
    """Return a writeable butler of an empty repository."""
    Butler.makeRepo(tmp_path / "empty")
    with Butler(tmp_path / "empty", writeable=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    """Return a server that speaks S3, with credentials for it in the environment."""
    from object_server import running_server

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with running_server() as server:
            yield server
