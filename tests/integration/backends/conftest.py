"""A real LocalBackend with a workspace of its own: real runners, real bubblewrap."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from penstock.agents.protocol import Report, Work
from penstock.backends.local.backend import LocalBackend
from penstock.clock import Deadline
from penstock.names import TOOLS_IMAGE, attempt_id, new_id, split_attempt
from penstock.settings import Settings
from penstock.tasks.models import Executor, FileType, Kind, Published, TaskSpec, Terms

PATIENCE_S = 60.0


class Bench:
    """One backend, the work to give it, and what it told. ``tests/cluster`` has one for pods."""

    backend: Any  # some tests look into their own backend's insides

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.workspace = settings.workspace_path
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.told: list[Report] = []
        self.works: dict[str, Work] = {}
        self.open()

    def open(self) -> None:
        """A new agent's backend over the same state."""
        self.backend = LocalBackend(self.settings)
        self.events = self.backend.events()

    def work(
        self,
        *commands: str | list[str],
        terms: dict[str, Any] | None = None,
        kind: Kind = Kind.PROCESS,
        executor: dict[str, Any] | None = None,
        **spec: Any,
    ) -> Work:
        """Work of shell scripts (text) and plain commands (lists); ``spec`` are further fields of the task."""
        executors = [
            Executor(
                **{"image": TOOLS_IMAGE, "command": ["sh", "-c", c] if isinstance(c, str) else c} | (executor or {})
            )
            for c in commands
        ]
        work = Work(
            attempt=attempt_id(new_id(), 1),
            kind=kind,
            owner="someone",
            workload="w1",
            spec=TaskSpec.model_validate({"executors": executors, **spec}),
            terms=Terms.model_validate(terms or {}),
            token="secret-token",
        )
        self.works[work.attempt] = work
        return work

    def folder(self, work: Work) -> Path:
        """The attempt's directory."""
        task, number = split_attempt(work.attempt)
        return self.workspace / "tasks" / task / str(number)

    async def until(self, event: str, work: Work) -> Report:
        """The next report of that kind about that work."""
        deadline = Deadline.after(PATIENCE_S)
        for report in self.told:
            if (report.attempt, report.event) == (work.attempt, event):
                self.told.remove(report)
                return report
        while True:
            report = await asyncio.wait_for(anext(self.events), deadline.remaining)
            if (report.attempt, report.event) == (work.attempt, event):
                return report
            self.told.append(report)

    async def run(self, *commands: str | list[str], **more: Any) -> Report:
        """Start work and wait for its end."""
        work = self.work(*commands, **more)
        await self.backend.start(work)
        return await self.until("finished", work)

    def published(self, report: Report) -> dict[str, str]:
        """What the server would publish: text by URL."""
        folder = self.folder(self.works[report.attempt])
        sources = {output.url: folder / output.source for output in report.log.outputs if output.source}
        assert all(not source.is_symlink() and source.resolve() == source for source in sources.values())
        return {url: source.read_text() for url, source in sources.items()}

    def files(self, report: Report) -> list[Published]:
        """The outputs that are files."""
        return [output for output in report.log.outputs if output.type is FileType.FILE]

    def put(self, path: str, text: str) -> str:
        """A file of the workspace; returns its URL."""
        file = self.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return f"file:///workspace/{path}"


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A backend of its own; whatever still runs at the end of the test is ended."""
    settings = Settings(data=tmp_path / "data", token_file=tmp_path / "token", allow_path=[tmp_path / "allowed"])
    one = Bench(settings)
    yield one
    for attempt in await one.backend.found():
        await one.backend.forget(attempt)
    await one.backend.close()
    assert not any(Path(settings.workspace_path).glob("tasks/*"))


@pytest.fixture
def root_only() -> None:
    """Skips a test that needs to become another user."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
