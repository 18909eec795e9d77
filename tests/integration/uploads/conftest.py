"""A server without an agent, NGINX before it, and clients that note what they were told and what they sent."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer
from tests.integration.nginx import Nginx
from tests.integration.uploads.slow_line import SlowLine, Weather

from penstock.client.http import Server
from penstock.client.inputs import LocalFile, look_at
from penstock.client.patience import Patience
from penstock.client.uploads import send
from penstock.client.workloads import Created, State, Workload, Workloads
from penstock.clock import Deadline
from penstock.errors import PenstockError
from penstock.settings import Settings

WAIT_S = 1200.0 if "PENSTOCK_SOAK" in os.environ else 60.0
PIPELINE = (
    "{name: lines, title: L, version: '1', results: {files: ['*.txt']},"
    " inputs: {text: {title: T, formats: [bin], suffixes: [.bin], max: null}}}"
)


class Noting(httpx.BaseTransport):
    """A transport that notes from which byte each PATCH went on, and which byte the server had last said it has."""

    def __init__(self) -> None:
        self._real = httpx.HTTPTransport()
        self.told: dict[str, int] = {}
        self.resent: list[tuple[str, int, int]] = []
        self.patches = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "PATCH":
            self.patches += 1
            start = int(request.headers["Upload-Offset"])
            if start < self.told.get(path, 0):
                self.resent.append((path, start, self.told[path]))
        response = self._real.handle_request(request)
        if "Upload-Offset" in response.headers:
            self.told[path] = max(self.told.get(path, 0), int(response.headers["Upload-Offset"]))
        return response

    def close(self) -> None:
        self._real.close()


@dataclass
class Post:
    """Server, NGINX and a file to send."""

    folder: Path
    server: RunningServer
    nginx: Nginx
    noting: Noting = field(default_factory=Noting)

    @property
    def port(self) -> int:
        return self.nginx.port

    def file(self, name: str, size: int, seed: int = 7) -> LocalFile:
        """A file of random bytes with its digest."""
        path = self.folder / name
        content = random.Random(seed)  # noqa: S311 - content of a test
        total = hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, size, 1 << 22):
                piece = content.randbytes(min(1 << 22, size - start))
                total.update(piece)
                file.write(piece)
        return look_at("text", path).with_digest(total.hexdigest())

    def client(self, url: str) -> Server:
        settings = Settings(url=url, state=self.folder / "state", token_file=self.folder / "no-token")
        return Server(settings, self.noting)

    def create(self, file: LocalFile, client: Server) -> Created:
        return Workloads(client).create("lines", {}, [file])

    def send(self, client: Server, created: Created, file: LocalFile) -> float:
        """Upload to the end; the seconds it took."""
        patience = Patience(WAIT_S, lambda _error, _left: None, first_pause_s=0.05)
        began = time.monotonic()
        send(client, created.uploads[0].url, file, patience, lambda _size: None)
        return time.monotonic() - began

    def arrived(self, client: Server, created: Created) -> Workload:
        """The workload once the server has checked the digest of what came; it fails where that is wrong."""
        deadline, calls = Deadline.after(WAIT_S), Workloads(client)
        now = calls.get(created.id)
        while now.state in (State.UPLOADING, State.PREPARING):
            assert not deadline.passed, now
            now = calls.get(created.id, after=now.sequence, wait_s=10)
        assert now.state == State.QUEUED, now.reason
        return now

    def incoming(self, created: Created) -> int:
        """Bytes of the upload that are in its file."""
        path = self.server.data / "workspace" / "incoming" / created.uploads[0].url.rpartition("/")[2]
        return path.stat().st_size if path.exists() else 0

    def patient(self, call: Any) -> Any:
        """What ``call`` returns, once the server answers."""
        return Patience(WAIT_S, _ignore, first_pause_s=0.05).insist(call)


def _ignore(_error: PenstockError, _left: float) -> None:
    return None


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """A server that only receives: no agent takes what is queued."""
    catalogue = tmp_path / "catalogue" / "lines"
    catalogue.mkdir(parents=True)
    (catalogue / "pipeline.yml").write_text(PIPELINE)
    environment = {"PENSTOCK_CATALOGUE": str(catalogue.parent), "PENSTOCK_AUTHENTICATION": "none"}
    server = RunningServer(tmp_path / "server", environment=environment, arguments=("--no-agent",))
    server.start()
    nginx = Nginx(tmp_path / "nginx", server.data)
    nginx.start()
    one = Post(tmp_path, server, nginx)
    yield one
    one.noting.close()
    nginx.stop()
    server.stop()


@pytest.fixture
def lines() -> Iterator[Any]:
    """Makes lines, and cuts them in the end."""
    made: list[SlowLine] = []

    def make(port: int, weather: Weather) -> SlowLine:
        made.append(SlowLine(port, weather))
        return made[-1]

    yield make
    for line in made:
        line.close()
