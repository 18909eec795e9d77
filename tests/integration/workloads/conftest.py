"""A real server in this process, a small pipeline, and an agent's side that plays the engine."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from penstock.app import create_app
from penstock.clock import Deadline, now_us
from penstock.services import Services
from penstock.settings import Settings
from penstock.tasks.ends import End
from penstock.tasks.handout import Holder, Known
from penstock.tasks.models import AttemptLog, ExecutorLog, Outcome
from penstock.tasks.room import Room

WAIT_S = 30.0
PIPELINE = """
name: lines
title: Counts lines
version: "1.0"
inputs:
  text: {title: Text files, formats: [txt], suffixes: [.txt], min: 1, max: null}
parameters:
  type: object
  properties:
    width: {type: integer, title: Width, description: Columns., default: 80, minimum: 1, maximum: 200}
results: {files: ["results/**"]}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A folder of pipelines with one in it."""
    folder = tmp_path / "catalogue" / "lines"
    folder.mkdir(parents=True)
    (folder / "pipeline.yml").write_text(PIPELINE)
    (folder / "Snakefile").write_text("rule all:\n")
    return folder.parent


class Listening(uvicorn.Server):
    """uvicorn that tells when it takes requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@dataclass
class Site:
    """A server, a client of it with its owner's token, and what is inside."""

    url: str
    inside: Services
    client: httpx.AsyncClient
    token: str
    attempts: dict[str, str] = field(default_factory=dict)
    holder: Holder = field(default_factory=lambda: Holder("local", "only"))

    @property
    def workspace(self) -> Path:
        return self.inside.settings.workspace_path

    async def token_of(self, owner: str) -> str:
        return await self.inside.access.issue(owner, ["workloads"])

    async def create(self, files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
        """Create a workload of pipeline ``lines``; what is to be uploaded is declared, not sent."""
        inputs = [declared(name, content) for name, content in files.items()]
        body = {"pipeline": "lines", "inputs": inputs, **more}
        answer = await self.client.post("/api/v1/workloads", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def send(self, url: str, content: bytes, offset: int = 0) -> httpx.Response:
        """One PATCH."""
        return await self.client.patch(url, content=content, headers=tus(offset))

    async def submit(self, files: Mapping[str, bytes], **more: Any) -> dict[str, Any]:
        """Create a workload and send all its files."""
        created = await self.create(files, **more)
        for upload in created["uploads"]:
            answer = await self.send(upload["url"], files[upload["name"]])
            assert answer.status_code == 204, answer.text
        return created

    async def until(self, workload: str, *states: str) -> dict[str, Any]:
        """The workload as soon as it is in one of these states."""
        after, deadline = 0, Deadline.after(WAIT_S)
        while True:
            asked = {"wait": deadline.remaining, "after": after}
            answer = await self.client.get(f"/api/v1/workloads/{workload}", params=asked)
            body: dict[str, Any] = answer.json()
            if answer.status_code == 410 and "GONE" in states:
                return body
            assert answer.status_code == 200, answer.text
            if body["state"] in states:
                return body
            assert not deadline.passed, body
            after = body["sequence"]

    async def register(self) -> None:
        """Enter the agent that plays the engine."""
        room = Room(cpu_cores=8, ram_gb=16, disk_gb=100, slots=16)
        await self.inside.tasks.queue.register(self.holder, room, {}, [], mounts=True)

    async def begin(self, workload: str) -> None:
        """Lease the workload's head task and say that it has started."""
        while workload not in self.attempts:
            orders = await self.inside.tasks.queue.lease(
                self.holder, Known(set(self.attempts.values()), set(), 32), Deadline.after(WAIT_S)
            )
            assert orders.leased, "no head task came"
            for task, attempt in orders.leased:
                assert task.workload is not None
                self.attempts[task.workload] = attempt.id
        await self.inside.tasks.queue.started(self.holder, self.attempts[workload], now_us())

    async def end(self, workload: str, outcome: Outcome = Outcome.COMPLETE, reason: str = "", stderr: str = "") -> None:
        """Say that the head task has ended."""
        code = 0 if outcome is Outcome.COMPLETE else 1
        log = AttemptLog(executors=[ExecutorLog(start_us=now_us(), exit_code=code, stderr=stderr)])
        await self.inside.tasks.queue.finished(
            self.holder, self.attempts.pop(workload), End(now_us(), outcome, reason, log)
        )

    async def run(self, workload: str, results: Mapping[str, bytes]) -> dict[str, Any]:
        """Play the engine: write ``results`` into the working directory and succeed."""
        await self.begin(workload)
        self.write(workload, results)
        await self.end(workload)
        return await self.until(workload, "SUCCEEDED", "FAILED")

    def write(self, workload: str, files: Mapping[str, bytes]) -> None:
        """Put files into the workload's working directory."""
        for name, content in files.items():
            path = self.workspace / "workloads" / workload / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def traces(self, workload: str) -> list[Path]:
        """Everything in the workspace whose name is the workload's."""
        return [path for path in self.workspace.rglob("*") if path.name == workload]


def declared(name: str, content: bytes) -> dict[str, Any]:
    """An input as it is declared."""
    return {"role": "text", "name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def tus(offset: int) -> dict[str, str]:
    """The headers of a PATCH."""
    kind = "application/offset+octet-stream"
    return {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": kind}


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Site]:
    """A server on a free port of loopback, for as long as the context lasts."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = create_app(settings)
    server = Listening(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
    task = asyncio.create_task(server.serve([listening]))
    await server.ready.wait()
    token = await app.state.services.access.issue("ada", ["workloads"])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=WAIT_S) as client:
        yield Site(url, app.state.services, client, token)
    server.should_exit = True
    await task


@pytest.fixture
def settings(tmp_path: Path, catalogue: Path) -> Settings:
    """Settings of a server with tokens and the small pipeline."""
    return Settings(data=tmp_path / "data", authentication="tokens", catalogue=[catalogue])


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """A running server, with an agent registered that the test plays."""
    async with serving(settings) as running:
        await running.register()
        yield running
