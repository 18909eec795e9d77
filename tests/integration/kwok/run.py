"""A server and an agent beside a control plane of fake nodes, tasks sent to them, and what is seen meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import RunningServer
from tests.integration.kwok.plane import ControlPlane, cpu_s, memory_bytes

from penstock.clock import Deadline
from penstock.names import TOOLS_IMAGE

BATCH, PATIENCE_S = 500, 60.0
TASK = {"executors": [{"image": TOOLS_IMAGE, "command": ["true"]}], "resources": {"cpu_cores": 1, "ram_gb": 1}}
_ENDED = re.compile(r'^penstock_attempts_total\{outcome="(\w+)",site="\w+"\} ([0-9.e+]+)', re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """How things stand at one moment of the run."""

    at_s: float
    done: int
    list_ms: float
    server_bytes: int
    agent_bytes: int


@dataclass
class Run:
    """Tasks sent to a server, and what was seen meanwhile."""

    url: str
    processes: dict[str, int]  # what is measured: name and process id
    task: dict[str, Any] = field(default_factory=lambda: TASK)
    token: str | None = None
    samples: list[Sample] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    took_s: float = 0.0

    def go(self, count: int, every_s: float, most_s: float = float("inf")) -> None:
        """Send ``count`` tasks, and look each ``every_s`` until the last one has ended, or for ``most_s``."""
        with self._client() as http:
            target = _completed(http) + count
            before = {name: cpu_s(process) for name, process in self.processes.items()}
            sending, began = threading.Thread(target=self._send, args=(count,)), time.monotonic()
            sending.start()
            still = began
            while (done := _completed(http)) < target and time.monotonic() - began < most_s:
                self._look(http, began, done - target + count)
                if len(self.samples) < 2 or self.samples[-1].done > self.samples[-2].done:
                    still = time.monotonic()
                assert time.monotonic() - still < PATIENCE_S, f"nothing ends any more: {self.samples[-1]}"
                time.sleep(every_s)
            self.took_s = time.monotonic() - began
            sending.join()
            self._look(http, began, done - target + count)
            self.spent = {name: cpu_s(process) - before[name] for name, process in self.processes.items()}

    def rates(self, parts: int) -> list[float]:
        """How many ended a second in each of the parts that the run's time is cut into."""
        ends = [self.took_s * (number + 1) / parts for number in range(parts)]
        done = [0, *(max(one.done for one in self.samples if one.at_s <= end) for end in ends)]
        return [(after - before) * parts / self.took_s for before, after in itertools.pairwise(done)]

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def _send(self, count: int) -> None:
        with self._client() as http:
            for first in range(0, count, BATCH):
                body = {"tasks": [{"task": self.task}] * min(BATCH, count - first)}
                http.post("/api/v1/tasks:batch", json=body).raise_for_status()

    def _look(self, http: httpx.Client, began: float, done: int) -> None:
        before = time.monotonic()
        http.get("/ga4gh/tes/v1/tasks", params={"page_size": 100}).raise_for_status()
        taken = 1000 * (time.monotonic() - before)
        memory = [memory_bytes(self.processes[name]) for name in ("server", "agent")]
        self.samples.append(Sample(time.monotonic() - began, done, taken, memory[0], memory[1]))


def _completed(http: httpx.Client) -> int:
    counts = {outcome: int(float(count)) for outcome, count in _ENDED.findall(http.get("/metrics").text)}
    assert set(counts) <= {"COMPLETE"}, counts
    return counts.get("COMPLETE", 0)


@contextlib.contextmanager
def platform(folder: Path, plane: ControlPlane, slots: int, database: str | None = None) -> Iterator[Run]:
    """A server with its agent beside the control plane; all of their processes are measured."""
    environment = {**plane.agents_settings(), "PENSTOCK_SLOTS": str(slots), "PENSTOCK_LOG_LEVEL": "warning"}
    if database is not None:
        environment["PENSTOCK_DATABASE_URL"] = database
    server = RunningServer(folder / "server", environment)
    server.start()
    assert server.process is not None
    try:
        [agent] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        ours = {"server": server.process.pid, "agent": int(agent)}
        yield Run(server.url, {**{name: one.pid for name, one in plane.processes.items()}, **ours})
    finally:
        server.stop()


def left_behind(plane: ControlPlane) -> int:
    """How many pods and attempts' folders are left; the agent has some time to remove both."""
    deadline = Deadline.after(PATIENCE_S)
    while (left := len(plane.pods()) + len(plane.folders())) and not deadline.passed:
        time.sleep(0.5)
    return left
