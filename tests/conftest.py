"""Fixtures that many tests share; what they hold is drawn in `small_repository`."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from postgres_server import INSTALL, PostgresServer, find_binaries, run_server
from registry_homes import PostgresHome, RegistryHome, SqliteHome
from small_repository import fill_repository
from trust_scale import lacking

from butler import Butler
from tasks.kernels.native_loop import NativeLoop

if TYPE_CHECKING:
    from object_server import ObjectServer

# The same examples in every run, so that a failure is that of a change; `HYPOTHESIS_PROFILE=search` looks for
# new ones.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Name our marks: of tests that two databases pass, and of those that `make trust` runs in full."""
    # While tests run, what is written to standard error is caught.
    config.stash[_STDERR] = os.dup(2)
    config.addinivalue_line("markers", "both_databases: for SQLite and for PostgreSQL")
    config.addinivalue_line("markers", "sqlite_only: in a module of `both_databases`, but about a file")
    config.addinivalue_line("markers", "trust: a sample in `make test`, in full in `make trust`")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Limit the tear-down anew: pytest gives up a test's limit when the test fails.

    What hung in a test, such as a cluster, hangs in its tear-down too.
    """
    limit = float(item.config.getini("faulthandler_timeout"))
    if limit and not item.config.getoption("usepdb"):
        faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[_STDERR])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of modules marked `both_databases` with SQLite, and with PostgreSQL."""
    both = metafunc.definition.get_closest_marker("both_databases")
    alone = metafunc.definition.get_closest_marker("sqlite_only")
    if both and not alone and "registry_kind" in metafunc.fixturenames:
        metafunc.parametrize("registry_kind", ["sqlite", "postgresql"], indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def every_loop_is_kept() -> Iterator[None]:
    """Fail where one of our loops has machine code that cannot be kept: every process would compile it."""
    compile_loop = NativeLoop._compile

    def compile_to_keep(loop: NativeLoop, *arguments: Any) -> Any:
        entry: Any = compile_loop(loop, *arguments)
        # Only code that is kept tells how it ended.
        assert entry.restype or not loop._module.startswith("tasks."), f"{loop._name} needs numba"
        return entry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NativeLoop, "_compile", compile_to_keep)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server of our own."""
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(INSTALL, pytrace=False)
        lacking(INSTALL)
    with run_server(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def registry_kind(request: pytest.FixtureRequest) -> str:
    """Return where registries are kept."""
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def registry_home(registry_kind: str, request: pytest.FixtureRequest) -> RegistryHome:
    """Return what makes and copies repositories."""
    if registry_kind == "sqlite":
        return SqliteHome()
    return PostgresHome(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def repository_template(registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository to be copied, which nobody may open: PostgreSQL copies what is not in use."""
    root = tmp_path_factory.mktemp("master") / "repository"
    registry_home.make(root)
    fill_repository(root)
    return root


@pytest.fixture(scope="session")
def empty_template(registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository without anything in it, to be copied."""
    root = tmp_path_factory.mktemp("master") / "empty"
    registry_home.make(root)
    return root


@pytest.fixture
def repository(repository_template: Path, registry_home: RegistryHome, tmp_path: Path) -> Iterator[Path]:
    """Return the root of an own copy of the small repository."""
    root = tmp_path / "repository"
    registry_home.copy(repository_template, root)
    yield root
    registry_home.remove(root)


@pytest.fixture
def butler(repository: Path) -> Iterator[Butler]:
    """Return a writeable butler of the small repository, with run, instrument and sky map as defaults."""
    with Butler(repository, run="run", instrument="CAM", skymap="sky") as opened:
        yield opened


@pytest.fixture
def empty(empty_template: Path, registry_home: RegistryHome, tmp_path: Path) -> Iterator[Butler]:
    """Return a writeable butler of an empty repository."""
    registry_home.copy(empty_template, tmp_path / "empty")
    with Butler(tmp_path / "empty", writeable=True) as opened:
        yield opened
    registry_home.remove(tmp_path / "empty")


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    """Return a server that speaks S3, with credentials for it in the environment."""
    from object_server import running_server

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        with running_server() as server:
            yield server
