"""Servers and agents as processes of their own, so that each can be stopped, cut off and brought back alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.conftest import Tes

from penstock.clock import Deadline

SOAK = int(os.environ.get("PENSTOCK_SOAK", "0"))
FIELD = {"where": "field"}  # a tag of the agents here
LEASE_S = 30.0 if SOAK else 6.0


@dataclass
class Agent:
    """An agent of a site on the server's machine."""

    server: RunningServer
    site: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.server.data.parent / f"agent-{self.site}.log"

    def start(self) -> None:
        """Start it; it says hello as soon as the server answers."""
        told = {
            **self.server.variables(),
            "PENSTOCK_DATA": str(self.server.data),
            "PENSTOCK_URL": "http://penstock",
            "PENSTOCK_SOCKET": str(self.server.data / "run" / "api.sock"),
            "PENSTOCK_SITE": self.site,
            "PENSTOCK_SITE_TAGS": json.dumps(FIELD),
            "PENSTOCK_AGENT_STATE": str(self.server.data.parent / self.site),
        }
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "penstock.cli.main", "agent"]
            self.process = subprocess.Popen(command, env=told, stdout=log, stderr=log)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the agent alone; its runners have sessions of their own."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


@dataclass
class Field:
    """A server, its agents, a client, and a look at what runs on this machine."""

    server: RunningServer
    tes: Tes
    agents: dict[str, Agent] = field(default_factory=dict)

    def reconnect(self) -> None:
        """A new client, for a server that has come back."""
        self.tes.http.close()
        self.tes = Tes(self.server.url)

    def shell(self, script: str, **fields: Any) -> str:
        """A small task of one shell script for one of the agents here, not for the server's own."""
        wanted = {"cpu_cores": 0.1, "ram_gb": 0.1, "backend_parameters": {"tags": json.dumps(FIELD)}}
        return self.tes.shell(script, resources=wanted, **fields)

    @property
    def data(self) -> Path:
        return self.server.data / "workspace" / "owners" / "local" / "data"

    def agent(self, site: str) -> Agent:
        """A new agent of this site, known to the server: tasks may ask for its tags."""
        one = self.agents[site] = Agent(self.server, site)
        one.start()
        self.until(lambda: '"event": "registered"' in one.log.read_text(), told=one.log)
        return one

    def running(self, mark: str) -> int:
        """How many processes have ``mark`` on their command line as a word of its own."""
        count = 0
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    count += mark.encode() in (folder / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
        return count

    def until(self, reached: Callable[[], bool], seconds: float = 60, told: object = "") -> None:
        """Look until it holds: what another process does can only be looked at."""
        deadline = Deadline.after(seconds)
        while not reached():
            assert not deadline.passed, told
            time.sleep(0.05)


@contextlib.contextmanager
def field_at(server: RunningServer) -> Iterator[Field]:
    """The server, started; no agent of the field is there yet."""
    server.start()
    one = Field(server, Tes(server.url))
    yield one
    one.tes.http.close()
    for agent in one.agents.values():
        agent.stop()
    server.stop()
    end_runners(server.data)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Field]:
    """A server whose leases are short; no agent of the field is there yet."""
    told = {"PENSTOCK_LEASE_S": str(LEASE_S), "PENSTOCK_RETRY_BACKOFF_S": "0.1"}
    with field_at(RunningServer(tmp_path / "server", told)) as one:
        yield one
