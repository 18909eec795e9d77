"""kill -9 between a create's commit and its answer: of the server, and of the client that waits for it."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.cli.test_cli_tokens import give_token
from tests.integration.kills.scene import PIPELINES

CREATE = b"POST /api/v1/workloads "
LIMIT_S = 120


class Swallow:
    """Passes bytes on to a server, but never the first answer to a create: ``instead`` happens when that has come."""

    def __init__(self, url: str, instead: Callable[[], None]) -> None:
        self._port = int(url.rpartition(":")[2])
        self._instead: Callable[[], None] | None = instead
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.swallowed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        _end(self._listener)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:  # it is dead just now
                    client.close()
                    continue
                creating = threading.Event()
                threading.Thread(target=self._there, args=(client, server, creating), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client, creating), daemon=True).start()

    def _there(self, client: socket.socket, server: socket.socket, creating: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(1 << 16):
                if CREATE in piece:
                    creating.set()
                server.sendall(piece)
        _end(client, server)

    def _back(self, server: socket.socket, client: socket.socket, creating: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(1 << 16):
                if creating.is_set() and self._instead is not None:
                    instead, self._instead = self._instead, None
                    instead()
                    self.swallowed.set()
                    break
                client.sendall(piece)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture(params=["none", "tokens"], ids=["owner", "stranger"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """One whose clients, who have no token, are one owner; and one where each is a stranger."""
    access = {"PENSTOCK_AUTHENTICATION": request.param, "PENSTOCK_ANONYMOUS_WORKLOADS": "true"}
    one = RunningServer(tmp_path / "server", environment={"PENSTOCK_CATALOGUE": str(PIPELINES), **access})
    give_token(one, one.data / "token", "site", "agent:local")
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


def run(server: RunningServer, url: str, folder: Path) -> subprocess.Popen[str]:
    (folder / "data.bin").write_bytes(b"some data")
    options = ["--param", "seconds=0", "--param", "files=1", "--data", "data.bin", "--output", "out", "--json"]
    command = [sys.executable, "-m", "penstock.cli.main", "run", "endurance", *options]
    variables = {**server.variables(), "PENSTOCK_URL": url, "PENSTOCK_TOKEN_FILE": str(folder / "none")}
    return subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(client: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = client.communicate(timeout=LIMIT_S)
    assert client.returncode == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


def workloads(server: RunningServer) -> list[str]:
    """All that were ever made."""
    with contextlib.closing(sqlite3.connect(f"file:{server.data / 'penstock.db'}?mode=ro", uri=True)) as store:
        return [row[0] for row in store.execute("SELECT id FROM workloads UNION ALL SELECT id FROM tombstones")]


def test_a_server_killed_before_it_answered_makes_one_workload(server: RunningServer, tmp_path: Path) -> None:
    def kill() -> None:
        server.kill()
        server.start()

    with contextlib.closing(Swallow(server.url, kill)) as line:
        told = finished(run(server, line.url, tmp_path))
        assert line.swallowed.is_set()
    assert told["state"] == "SUCCEEDED"
    assert workloads(server) == [told["id"]]


def test_a_client_killed_before_it_was_answered_finds_its_workload(server: RunningServer, tmp_path: Path) -> None:
    clients: list[subprocess.Popen[str]] = []
    with contextlib.closing(Swallow(server.url, lambda: clients[0].kill())) as line:
        clients.append(run(server, line.url, tmp_path))
        clients[0].communicate(timeout=LIMIT_S)
        assert line.swallowed.wait(LIMIT_S)
        made = workloads(server)
        assert len(made) == 1
        told = finished(run(server, line.url, tmp_path))
    assert (told["id"], told["state"]) == (made[0], "SUCCEEDED")
    assert workloads(server) == made
