"""A real HTTP server that speaks S3, and a log of what travelled."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec
from moto.server import ThreadedMotoServer

BUCKET = "bucket"


@dataclass(frozen=True)
class Request:
    """A request and the bytes of its answer's body."""

    method: str
    path: str
    range: str
    n_bytes: int


@dataclass
class ObjectServer:
    """The server's address, and all requests since the last `clear`."""

    endpoint: str
    requests: list[Request] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """Options that reach it."""
        return {"endpoint_url": self.endpoint}

    def of(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys of all objects below a prefix."""
        system = fsspec.filesystem("s3", use_listings_cache=False, **self.options)
        return sorted(name.removeprefix(f"{BUCKET}/") for name in system.find(f"{BUCKET}/{prefix}"))

    def url(self, key: str) -> str:
        return f"s3://{BUCKET}/{key}"

    def write(self, key: str, content: bytes) -> str:
        """Put an object that all may read, as somebody else would; return its URL."""
        system = fsspec.filesystem("s3", **self.options)
        system.pipe_file(f"{BUCKET}/{key}", content, ACL="public-read")
        return self.url(key)

    def read(self, key: str) -> bytes:
        content: bytes = fsspec.filesystem("s3", **self.options).cat_file(f"{BUCKET}/{key}")
        return content

    def remove(self, key: str) -> None:
        fsspec.filesystem("s3", **self.options).rm_file(f"{BUCKET}/{key}")


class _Counter:
    """WSGI application around another that counts what it answers."""

    def __init__(self, application: Any, requests: list[Request]) -> None:
        self._application = application
        self._requests = requests

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b"".join(self._application(environ, start_response))
        self._requests.append(
            Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", ""), len(body))
        )
        return [body]


@contextmanager
def running_server() -> Iterator[ObjectServer]:
    """Run a server with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    running = ObjectServer(f"http://{host}:{port}")
    server._server.app = _Counter(server._server.app, running.requests)
    fsspec.filesystem("s3", **running.options).mkdir(BUCKET)
    try:
        yield running
    finally:
        server.stop()
