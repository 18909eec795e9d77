"""The tasks that the server accepts in a second, each durable before its answer.

    python benchmarks/accept.py [--clients 16] [--tasks 20000] [--database sqlite:///...]

Each client sends plain TES creates one after the other over a connection of its own, by one small process beside the
server; beside it, in the same run, the same requests for ``service-info``, which touch no store, and the fsyncs that
this disk does in a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.conftest import RunningServer, end_runners

TASK = json.dumps(
    {
        "name": "align",
        "tags": {"sample": "17"},
        "resources": {"cpu_cores": 1, "ram_gb": 2},
        "executors": [{"image": "penstock/tools:1", "command": ["bwa", "mem", "/ref.fa", "/reads.fq"]}],
    }
).encode()
_TICKS = os.sysconf("SC_CLK_TCK")


class Client(asyncio.Protocol):
    """Sends the same request again and again over one connection; ``times`` are seconds of each."""

    def __init__(self, request: bytes, number: int) -> None:
        self.times: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request, self._left = request, number
        self._told = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._told += data
        head, there, body = self._told.partition(b"\r\n\r\n")
        if not there or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(self._told.decode()))
            return
        self._told = b""
        self.times.append(time.perf_counter() - self._began)
        self._send()

    def _send(self) -> None:
        if self._left == 0:
            self._transport.close()
            self.done.set_result(None)
            return
        self._left -= 1
        self._began = time.perf_counter()
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


async def rate(server: RunningServer, request: bytes, clients: int, number: int) -> tuple[float, list[float]]:
    """Requests a second and how long each took."""
    loop, address = asyncio.get_running_loop(), server.url.removeprefix("http://").split(":")
    began = time.perf_counter()
    made = [
        (await loop.create_connection(lambda: Client(request, number // clients), address[0], int(address[1])))[1]
        for _ in range(clients)
    ]
    await asyncio.gather(*(one.done for one in made))
    times = [each for one in made for each in one.times]
    return len(times) / (time.perf_counter() - began), times


def fsyncs(folder: Path, number: int = 300) -> float:
    """Appends of 4 KiB, each made durable, a second."""
    began = time.perf_counter()
    with (folder / "appended").open("wb", buffering=0) as file:
        for _ in range(number):
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
    return number / (time.perf_counter() - began)


@contextlib.contextmanager
def running(folder: Path, database: str | None) -> Iterator[tuple[RunningServer, str]]:
    """A server whose tasks nobody runs, and the token of an owner."""
    told = {"PENSTOCK_DATABASE_URL": database} if database else {}
    told |= {"PENSTOCK_DATA": str(folder / "data"), "PENSTOCK_LOG_LEVEL": "warning"}
    server = RunningServer(
        folder / "data", arguments=("--no-agent",), environment={"PENSTOCK_LOG_LEVEL": "warning", **told}
    )
    file = folder / "data" / "token"
    words = ["admin", "token", "ensure", "--owner", "lab", "--scope", "tasks", "--file", str(file)]
    command = [sys.executable, "-m", "penstock.cli.main", *words]
    subprocess.run(command, env=server.variables(), check=True, capture_output=True)
    server.start()
    try:
        yield server, file.read_text().strip()
    finally:
        server.stop()
        end_runners(server.data)


def requests(token: str) -> tuple[bytes, bytes]:
    """A create, and a look that touches no store."""
    who = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n".encode()
    create = b"POST /ga4gh/tes/v1/tasks HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    return create % (who, len(TASK), TASK), b"GET /ga4gh/tes/v1/service-info HTTP/1.1\r\n%s\r\n" % who


def processor_s(server: RunningServer) -> float:
    """What the server has used of a processor."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--clients", type=int, default=16)
    words.add_argument("--tasks", type=int, default=20_000)
    words.add_argument("--database", default=None)
    told = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        disk = fsyncs(Path(name))
        with running(Path(name) / "server", told.database) as (server, token):
            create, look = requests(token)
            asyncio.run(rate(server, create, told.clients, told.clients * 10))  # loads what is loaded on first use
            before = processor_s(server)
            accepted, times = asyncio.run(rate(server, create, told.clients, told.tasks))
            cost = 1000 * (processor_s(server) - before) / len(times)
            bare, _ = asyncio.run(rate(server, look, told.clients, told.tasks // 4))
        if not told.database:
            with contextlib.closing(sqlite3.connect(server.data / "penstock.db")) as stored:
                kept = stored.execute("SELECT count(*) FROM tasks").fetchone()[0]
            assert kept == len(times) + told.clients * 10, kept
    print(f"| {len(times)} creates by {told.clients} clients, 2 cores | figure |\n|---|---|")
    print(f"| accepted a second, durable before the answer | {accepted:.0f} |")
    print(f"| `service-info` a second, the same clients | {bare:.0f} |")
    print(f"| 4 KiB appended and synced a second | {disk:.0f} |")
    print(f"| answer p50 / p99 | {1000 * statistics.median(times):.1f} / {1000 * _percentile(times):.1f} ms |")
    print(f"| processor time of a create in the server | {cost:.2f} ms |")


def _percentile(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    main()
