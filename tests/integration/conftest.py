"""A TES client for tests: httpx, and waiting by looking again, as real clients do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer

from penstock.clock import Deadline

TOOLS = "penstock/tools:1"
FINAL = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}


class Tes:
    """What a TES client does, over real HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url}/ga4gh/tes/v1", trust_env=False, timeout=30)

    def create(self, *commands: list[str], **fields: Any) -> str:
        """A task of these commands; its id."""
        executors = fields.pop("executors", None) or [{"image": TOOLS, "command": command} for command in commands]
        answer = self.http.post("/tasks", json={"executors": executors, **fields})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def shell(self, script: str, **fields: Any) -> str:
        """A task of one shell script."""
        return self.create(["sh", "-c", script], **fields)

    def get(self, task: str, view: str = "FULL") -> dict[str, Any]:
        """The task."""
        answer = self.http.get(f"/tasks/{task}", params={"view": view})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, task: str, states: set[str] = FINAL, seconds: float = 60) -> dict[str, Any]:
        """The task once it is in one of these states; TES has no other way than to look again."""
        deadline = Deadline.after(seconds)
        while self.get(task, "MINIMAL")["state"] not in states:
            assert not deadline.passed, self.get(task)
            time.sleep(0.05)
        return self.get(task)

    def run(self, script: str, **fields: Any) -> dict[str, Any]:
        """Run one shell script to its end."""
        return self.wait(self.shell(script, **fields))

    def cancel(self, task: str) -> httpx.Response:
        """Cancel it."""
        return self.http.post(f"/tasks/{task}:cancel")


@pytest.fixture
def tes(shared_server: RunningServer) -> Iterator[Tes]:
    """A client of the shared server."""
    client = Tes(shared_server.url)
    yield client
    client.http.close()
