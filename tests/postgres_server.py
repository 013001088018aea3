"""A private PostgreSQL server from the distribution's binaries, and databases in it."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

INSTALL = "there is no PostgreSQL server here: apt-get install postgresql"
OWNER = "butler"
_ROOM = 2 << 30
"""Bytes that the tests' databases may need."""
_PREFIX = "butler-pg-"
_ABANDONED_S = 600
"""Age from which a folder without a server is taken for one that killed tests have left."""
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "jit": "off",
}


def find_binaries() -> Path | None:
    """Return the directory that has ``initdb`` and ``postgres``, of the newest version; None if none has."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    return next(
        (path for path in folders if (path / "initdb").exists() and (path / "postgres").exists()), None
    )


class PostgresServer:
    """A running server of version 15 or later.

    Parameters
    ----------
    folder
        Where its socket is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, database: str, user: str = OWNER) -> str:
        """Return the URL of a database, for a butler."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", user: str = OWNER) -> psycopg.Connection[Any]:
        """Connect, past the code under test."""
        return psycopg.connect(host=str(self.folder), dbname=database, user=user, autocommit=True)

    def remove_database(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def make_database(self, template: str = "template0") -> str:
        """Make a database, equal to another one that nobody is connected to, and return its name."""
        name = f"d{uuid.uuid4().hex[:12]}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        return name


@contextmanager
def run_server(binaries: Path) -> Iterator[PostgresServer]:
    """Run a server in a temporary directory while a block runs; as another user if this one is root.

    Its databases sort texts as in a dictionary, which the registry must not.
    """
    # A socket needs a short path, and the server one that its user can enter; in memory if there is enough.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM and os.access(memory, os.W_OK)
    place = memory if roomy else Path("/tmp")
    _remove_leftovers(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        owner = _unprivileged()
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    language = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
    initdb = [binaries / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    try:
        subprocess.run([*initdb, *language], check=True, capture_output=True, **as_user)
        command = [binaries / "postgres", "-D", data, "-k", folder]
        options = [f"-c{name}={value}" for name, value in _OPTIONS.items()]
        with log.open("wb") as stream:
            # Between fork and exec nothing of the tests' threads is needed.
            as_user["preexec_fn"] = _die_with_parent
            process = subprocess.Popen([*command, *options], stdout=stream, stderr=stream, **as_user)
        try:
            server = PostgresServer(folder)
            _wait_for(server, process, log)
            yield server
        finally:
            # Its name for "now, without waiting for clients".
            process.send_signal(signal.SIGINT)
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _die_with_parent() -> None:
    """Have the system stop the server if the tests are killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGQUIT)


def _remove_leftovers(place: Path) -> None:
    """Remove what servers of killed tests have left."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - (folder / "log").stat().st_mtime > _ABANDONED_S and not _has_server(folder):
                shutil.rmtree(folder)


def _has_server(folder: Path) -> bool:
    """Tell whether a server uses a folder: whether somebody listens at its socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(folder / ".s.PGSQL.5432")) == 0


def _wait_for(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server that was started takes connections."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return server.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{log.read_text()}") from None
            time.sleep(0.05)


def _unprivileged() -> pwd.struct_passwd:
    """Return a user that may run a server; initdb refuses root."""
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]
