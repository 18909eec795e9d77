"""A load of tasks for tests of ``kill -9``: its clients, what becomes of each task, and two witnesses from outside.

Every executor says to a witness, a socket of the test, that it began, and the witness appends that to a file: an
attempt whose output nobody ever sees cannot hide a second run. What is moved into the folder of outputs is counted by
inotify.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

TOOLS = "penstock/tools:1"
OUTPUTS = 3
_IN_MOVED_TO, _HEADER = 0x80, struct.Struct("iIII")
# What the tasks are, by turns, and the states that each may end in.
KINDS = {
    "plain": {"COMPLETE"},
    "fails": {"EXECUTOR_ERROR"},
    "lacks": {"SYSTEM_ERROR"},
    "long": {"COMPLETE"},
    "cancel": {"CANCELED", "COMPLETE"},  # a cancel may come when all is done
}


class Witness:
    """Appends every line that it is sent to a file; it outlives whatever is killed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lock, sink = threading.Lock(), file.open("ab", buffering=0)

        class Taker(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                with lock:
                    sink.write(line)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Taker)
        self._server.daemon_threads = True
        self._sink = sink
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def runs(self) -> Counter[str]:
        """How often each executor, ``<task's name> <its place>``, began."""
        return Counter(self.file.read_text().splitlines())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._sink.close()


class Moves:
    """Counts what is moved into a folder, by name; a publication is one move."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o2750)
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        self.counts: Counter[str] = Counter()

    def read(self) -> Counter[str]:
        """All moves until now; the kernel keeps 16,384 of them, so look often."""
        while True:
            try:
                told = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return self.counts
            while told:
                *_, length = _HEADER.unpack_from(told)
                name = told[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode()
                assert name, "the kernel has dropped moves: they were not read often enough"
                self.counts[name] += 1
                told = told[_HEADER.size + length :]

    def close(self) -> None:
        os.close(self._descriptor)


def task(name: str, kind: str, seconds: float, port: int) -> dict[str, Any]:
    """A task of two executors, each of which tells the witness that it began, and of some outputs."""
    say = f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo '{name} %d' >&3; exec 3>&-"
    write = f"for n in {' '.join(map(str, range(OUTPUTS)))}; do echo {name} >> /out/{name}.$n; done"
    end = "exit 3" if kind == "fails" else f"rm /out/{name}.0" if kind == "lacks" else "true"
    scripts = [f"{say % 0}; sleep {seconds:.2f}", f"{say % 1}; {write}; {end}"]
    outputs = [
        {"path": f"/out/{name}.{n}", "url": f"file:///workspace/owners/local/data/{name}.{n}"} for n in range(OUTPUTS)
    ]
    return {
        "name": name,
        "executors": [{"image": TOOLS, "command": ["bash", "-c", script]} for script in scripts],
        "outputs": outputs,
        "volumes": ["/out"],
        "resources": {"cpu_cores": 0.5, "ram_gb": 0.1, "backend_parameters": {"network": "egress"}},
    }


@dataclass
class Client:
    """Sends tasks and cancels them; ``acknowledged`` is what it was promised: name by id."""

    url: str
    seed: int
    port: int
    acknowledged: dict[str, str] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    unanswered: int = 0
    sending: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a test's load, no secret
        self._http = httpx.Client(base_url=f"{self.url}/ga4gh/tes/v1", trust_env=False, timeout=30)
        self._number = 0

    def create(self) -> bool:
        """One more task, and whether it was acknowledged. What is not may exist or not, and is not asked for again."""
        kind = list(KINDS)[self._number % len(KINDS)]
        name, self._number = f"{kind}-{self._number}", self._number + 1
        seconds = self.random.uniform(2, 4) if kind in ("long", "cancel") else self.random.uniform(0, 0.6)
        self.sending = True
        answer = self._call("/tasks", task(name, kind, seconds, self.port))
        self.sending = False
        if answer is None:
            self.unanswered += 1
        else:
            self.acknowledged[str(json.loads(answer)["id"])] = name
        return answer is not None

    def cancel(self, task: str) -> None:
        """Cancel it; whether that was acknowledged is kept."""
        if self._call(f"/tasks/{task}:cancel", {}) is not None:
            self.canceled.add(task)

    def _call(self, path: str, body: dict[str, Any]) -> bytes | None:
        """The answer; None where there was none, or where the store was away."""
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.post(path, json=body)
            if answer.status_code != 503:
                assert answer.status_code == 200, answer.text
                return answer.content
        return None

    def close(self) -> None:
        self._http.close()


class Load:
    """Clients in a thread of their own, that keep ``size`` tasks alive until they are told to stop."""

    def __init__(self, client: Client, size: int) -> None:
        self.client = client
        self._size = size
        self._enough = threading.Event()
        self.trouble: BaseException | None = None
        self._live: Callable[[], tuple[int, list[str]]] = lambda: (0, [])
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, live: Callable[[], tuple[int, list[str]]]) -> None:
        """Begin; ``live`` answers how many tasks are alive, and the ids of those to be canceled that run."""
        self._live = live
        self._thread.start()

    def stop(self) -> None:
        """Send no more; raise what went wrong."""
        self._enough.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the client hangs"
        if self.trouble is not None:
            raise self.trouble

    def _run(self) -> None:
        try:
            while not self._enough.is_set():
                count, running = self._live()
                for one in running:
                    if one not in self.client.canceled and self.client.random.random() < 0.3:
                        self.client.cancel(one)
                for _ in range(min(16, self._size - count)):
                    if not self.client.create() or self._enough.is_set():
                        break
                self._enough.wait(0.05)
        except BaseException as error:  # noqa: BLE001 - told by stop
            self.trouble = error
