"""500 clients that send or read a byte a second do not stop others; floods of headers and parameters are refused.

Through the real NGINX and directly at the server, over loopback. Each slow client is one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.conftest import TOOLS
from tests.integration.nginx import Nginx

from penstock.clock import Deadline

SLOW = 500
REQUESTS = 60
PATIENCE_S = 20.0  # of the normal client, for one request
LARGE = 300_000
TASKS = "/ga4gh/tes/v1/tasks"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The same server, by both ways to it."""
    folder = tmp_path_factory.mktemp("slow")
    server = RunningServer(folder / "server")
    server.start()
    nginx = Nginx(folder / "nginx", server.data)
    nginx.start()
    yield {"nginx": nginx.url, "server": server.url}
    nginx.stop()
    server.stop()
    end_runners(server.data)


@dataclass
class Crowd:
    """Slow clients of one kind each, by turns: of headers, of a body, of an answer."""

    url: httpx.URL
    large: str
    lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def join(self, count: int) -> None:
        """So many more connections."""
        for number in range(count):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setblocking(False)
            await asyncio.get_running_loop().sock_connect(one, (self.url.host, self.url.port))
            reader, writer = await asyncio.open_connection(sock=one, limit=4096)
            writer.write(self._beginning(number % 3))
            self.lines.append((reader, writer))

    def _beginning(self, kind: int) -> bytes:
        if kind == 0:
            return f"GET {TASKS} HTTP/1.1\r\nHost: here\r\nX-Long: ".encode()
        if kind == 1:
            return f"POST {TASKS} HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n".encode()
        return f"GET {TASKS}/{self.large}?view=FULL HTTP/1.1\r\nHost: here\r\n\r\n".encode()

    async def dawdle(self) -> None:
        """A byte a second of everybody."""
        while True:
            for number, (reader, writer) in enumerate(self.lines):
                if number % 3 == 2:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1), 0.001)
                elif not writer.is_closing():
                    writer.write(b"a")
            await asyncio.sleep(1)

    def held(self) -> int:
        """How many the server still bears with."""
        return sum(not reader.at_eof() and not writer.is_closing() for reader, writer in self.lines)

    def leave(self) -> None:
        for _, writer in self.lines:
            writer.transport.abort()


async def _latencies(http: httpx.AsyncClient, task: str) -> list[float]:
    """Of a normal client, by turns of a create and a get; each must be answered."""
    took = []
    for number in range(REQUESTS):
        began = time.monotonic()
        if number % 2:
            answer = await http.get(f"{TASKS}/{task}")
        else:
            # Tags that no site has: it is created durably, and is never run.
            tags = {"backend_parameters": {"tags": '{"nowhere": "yes"}'}}
            executors = [{"image": TOOLS, "command": ["true"]}]
            answer = await http.post(TASKS, json={"executors": executors, "resources": tags})
        took.append(time.monotonic() - began)
        assert answer.status_code in (200, 400), answer.text
    return took


@pytest.mark.parametrize("way", ["nginx", "server"])
async def test_slow_clients_do_not_stop_others(front: dict[str, str], way: str) -> None:
    async with httpx.AsyncClient(base_url=front[way], trust_env=False, timeout=PATIENCE_S) as http:
        content = [{"path": "/in", "content": "x" * LARGE}]
        large = {"executors": [{"image": TOOLS, "command": ["true"]}], "inputs": content}
        task = (await http.post(TASKS, json=large)).json()["id"]
        before = await _latencies(http, task)
        crowd = Crowd(httpx.URL(front[way]), task)
        try:
            await crowd.join(SLOW)
            dawdling = asyncio.create_task(crowd.dawdle())
            during = await _latencies(http, task)
            dawdling.cancel()
            await asyncio.gather(dawdling, return_exceptions=True)
            assert crowd.held() == SLOW
        finally:
            crowd.leave()
    p50 = [statistics.median(one) * 1000 for one in (before, during)]
    sys.stdout.write(f"{way}: p50 {p50[0]:.0f} ms alone, {p50[1]:.0f} ms beside {SLOW} slow clients; ")
    sys.stdout.write(f"at most {max(before) * 1000:.0f} and {max(during) * 1000:.0f} ms\n")


async def _status(url: str, beginning: bytes, rest: bytes = b"") -> int | None:
    """What a raw request is answered with; None where the line was cut."""
    where = httpx.URL(url)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(beginning + rest)
            await writer.drain()
        line = await asyncio.wait_for(reader.readline(), Deadline.after(60).remaining)
    except ConnectionError:
        return None
    finally:
        writer.transport.abort()
    return int(line.split()[1]) if line else None


MANY_HEADERS = "".join(f"X-Header-{number}: x\r\n" for number in range(10_000))
FLOODS = {
    "a header of 1 MiB": f"GET {TASKS} HTTP/1.1\r\nHost: here\r\nX-Long: {'x' * (1 << 20)}\r\n\r\n",
    "a header without an end": f"GET {TASKS} HTTP/1.1\r\nHost: here\r\nX-Long: {'x' * (1 << 20)}",
    "10,000 headers": f"GET {TASKS} HTTP/1.1\r\nHost: here\r\n{MANY_HEADERS}\r\n",
    "10,000 parameters": f"GET {TASKS}?{'&'.join(f'a{n}=1' for n in range(10_000))} HTTP/1.1\r\nHost: here\r\n\r\n",
    "10,000 short parameters": f"GET {TASKS}?{'a&' * 10_000} HTTP/1.1\r\nHost: here\r\n\r\n",
    "a path of 1 MiB": f"GET /{'x' * (1 << 20)} HTTP/1.1\r\nHost: here\r\n\r\n",
}


@pytest.mark.parametrize("way", ["nginx", "server"])
@pytest.mark.parametrize("flood", FLOODS)
async def test_floods_before_the_body_are_refused(front: dict[str, str], way: str, flood: str) -> None:
    status = await _status(front[way], FLOODS[flood].encode())
    assert status is None or 400 <= status < 500  # a line may be cut before the answer was read
    assert await _status(front[way], f"GET {TASKS} HTTP/1.1\r\nHost: here\r\n\r\n".encode()) == 200
