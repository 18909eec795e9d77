"""A workload, what it is watched through, and what is killed: for tests of ``kill -9``.

The state of a workload is read from the store itself, so that a look costs no request and works while the server is
dead: that is how a test shows which phase a kill has hit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer
from tests.integration.nginx import Nginx

from penstock.clock import Deadline
from penstock.uploads import writers

PIPELINES = Path(__file__).resolve().parents[2] / "data" / "pipelines"
PHASE_S = 60.0
FROM_ATTEMPTS = "FROM tasks JOIN attempts ON attempts.task = tasks.id"


class Missed(Exception):
    """The phase had passed when the kill came: nothing was shown, and the scene is played again."""


@dataclass
class Scene:
    """One ``penstock run`` of the endurance pipeline, through NGINX, against a server of its own."""

    folder: Path
    seed: int
    megabytes: int = 96
    parameters: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.random = random.Random(self.seed)  # noqa: S311 - moments of a test, no secrets
        self.server = RunningServer(
            self.folder / "server",
            environment={"PENSTOCK_CATALOGUE": str(PIPELINES), "PENSTOCK_SENDFILE": "nginx", **self.environment},
        )
        self.server.start()
        self.nginx = Nginx(self.folder / "nginx", self.server.data)
        self.nginx.start()
        self.input = self.folder / "data.bin"
        self.input.write_bytes(self.random.randbytes(self.megabytes << 20))
        self.output = self.folder / "out"

    def run(self) -> subprocess.Popen[str]:
        """The command that a scientist types."""
        told = {"seconds": "1", "files": "300", **self.parameters}
        options = [word for name, value in told.items() for word in ("--param", f"{name}={value}")]
        command = [sys.executable, "-m", "penstock.cli.main", "run", "endurance", "--data", str(self.input)]
        variables = {**self.server.variables(), "PENSTOCK_URL": self.nginx.url}
        return subprocess.Popen(
            [*command, *options, "--output", str(self.output), "--json"],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def state(self) -> str | None:
        """The state of the only workload, as the store has it; None before it is made, GONE after its removal."""
        found = self.rows("SELECT state FROM workloads UNION ALL SELECT 'GONE' FROM tombstones")
        return str(found[0][0]) if found else None

    def attempts(self) -> dict[str, list[tuple[str, int]]]:
        """By task: its attempts, each with the number of its executors' logs."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name, attempt, log in self.rows(f"SELECT tasks.name, attempts.id, log {FROM_ATTEMPTS}"):
            found.setdefault(name, []).append((attempt, len(json.loads(log)["executors"])))
        return found

    def spans(self) -> dict[str, tuple[int, int]]:
        """By task: when its executor started and ended, in microseconds, for those that have ended."""
        rows = self.rows(f"SELECT tasks.name, log {FROM_ATTEMPTS}")
        logs = {name: json.loads(log)["executors"] for name, log in rows}
        return {name: (log[0]["start_us"], log[0]["end_us"]) for name, log in logs.items() if log}

    def running_processes(self) -> int:
        """Processes whose executor runs now."""
        return len(self.rows("SELECT id FROM tasks WHERE kind = 'process' AND state = 'RUNNING'"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the store answers, whether its server lives or not."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data / 'penstock.db'}?mode=ro", uri=True)) as store:
            return store.execute(query).fetchall()

    def received(self) -> int:
        """Bytes of uploads that are on disk."""
        folder = self.server.data / "workspace" / "incoming"
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def downloaded(self) -> int:
        """Bytes of results that have arrived."""
        return sum(_size(path) for path in self.output.rglob("*")) if self.output.exists() else 0

    def until(self, what: Callable[[], bool], client: subprocess.Popen[str]) -> None:
        """Look until ``what`` holds."""
        deadline = Deadline.after(PHASE_S)
        while not what():
            if client.poll() is not None:
                raise Missed(f"the run had ended: {client.communicate()}")
            assert not deadline.passed, f"{self.state()}\n{self.server.log()}"
            time.sleep(0.001)

    def kill_agent(self) -> None:
        """kill -9 of the agent; the server starts another."""
        os.kill(int((self.server.data / "agent" / "agent.lock").read_text()), signal.SIGKILL)

    def check(self, client: subprocess.Popen[str]) -> dict[str, Any]:
        """The run succeeded, its results are right, and nothing of it is left."""
        out, err = client.communicate(timeout=120)
        assert client.returncode == 0, f"{out}\n{err}\n{self.server.log()}"
        told: dict[str, Any] = json.loads(out)
        assert told["state"] == "SUCCEEDED"
        assert _digest(self.output / "results" / "data.bin") == _digest(self.input)
        assert len(list((self.output / "results" / "small").iterdir())) == 300
        assert not list(self.output.rglob("*.part"))
        self.check_nothing_left()
        return told

    def check_nothing_left(self) -> None:
        """After the acknowledgement: a tombstone, and nothing else."""
        deadline = Deadline.after(30)
        while self.state() != "GONE" or self.left():
            assert not deadline.passed, f"{self.state()}, left: {self.left()}\n{self.server.log()}"
            time.sleep(0.02)

    def until_state(self, workload: str, states: set[str]) -> None:
        """Look until the workload is in one of these states, or gone."""
        deadline = Deadline.after(PHASE_S)
        while dict(self.rows("SELECT id, state FROM workloads")).get(workload, "GONE") not in {"GONE", *states}:
            assert not deadline.passed, self.server.log()
            time.sleep(0.05)

    def check_all_gone(self) -> None:
        """Of all workloads tombstones, and nothing else, in the store and on disk."""
        deadline = Deadline.after(PHASE_S)
        while (
            rows := self.rows("SELECT id, state FROM workloads UNION ALL SELECT id, state FROM tasks")
        ) or self.left():
            assert not deadline.passed, f"{rows}, left: {self.left()}\n{self.server.log()}"
            time.sleep(0.05)

    def left(self) -> list[str]:
        """What of any workload lies in the workspace: all but the lock that its servers share."""
        workspace = self.server.data / "workspace"
        found = [path for path in workspace.rglob("*") if path.is_file() and path != workspace / writers.NAME]
        return [str(path.relative_to(workspace)) for path in found]

    def close(self) -> None:
        """End everything."""
        self.nginx.stop()
        self.server.stop()


def play(folder: Path, seed: int, scene: Callable[[Scene], None]) -> None:
    """Play ``scene`` until its kill hits: three tries, each with other moments."""
    missed = []
    for number in range(3):
        one = Scene(folder / f"try-{number}", seed + 1000 * number)
        try:
            scene(one)
        except Missed as error:
            missed.append(str(error))
        else:
            return
        finally:
            one.close()
    pytest.fail(f"the kill missed its phase three times: {missed}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
