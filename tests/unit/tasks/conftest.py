"""A queue over a real database, with agents that are only names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.allowances import Allowance
from penstock.clock import Deadline, now_us
from penstock.database.engine import Database
from penstock.signals import Signals
from penstock.tasks.ends import End
from penstock.tasks.handout import Holder, Known, Orders
from penstock.tasks.models import (
    AttemptLog,
    Created,
    Executor,
    ExecutorLog,
    Kind,
    NewTask,
    Outcome,
    Published,
    Task,
    TaskSpec,
    Terms,
)
from penstock.tasks.publish import Publisher
from penstock.tasks.queue import Queue
from penstock.tasks.room import Room
from penstock.tasks.service import TaskService

ROOM = Room(cpu_cores=2, ram_gb=8, disk_gb=100, slots=16)
SPEC = TaskSpec(name="align[a]", executors=[Executor(image="penstock/tools:1", command=["true"])])


@dataclass
class Site:
    """A queue with one site, as tests speak to it."""

    service: TaskService
    signals: Signals
    workspace: Path
    holder: Holder = field(default_factory=lambda: Holder("local", "first"))

    @property
    def queue(self) -> Queue:
        return self.service.queue

    async def register(self, holder: Holder | None = None, running: tuple[str, ...] = (), room: Room = ROOM) -> Orders:
        self.holder = holder or self.holder
        return await self.queue.register(self.holder, room, {}, running, mounts=True)

    async def create(
        self, *, workload: str | None = None, key: str | None = None, kind: Kind = Kind.PROCESS, **terms: object
    ) -> Created:
        new = NewTask(owner="ada", spec=SPEC, workload=workload, key=key, kind=kind, terms=Terms.model_validate(terms))
        return (await self.service.create([new]))[0]

    async def lease(self, holding: set[str] | None = None, ending: set[str] | None = None, wait_s: float = 0) -> Orders:
        return await self.queue.lease(self.holder, Known(holding or set(), ending or set(), 32), Deadline.after(wait_s))

    async def leased_task(self, **terms: object) -> tuple[str, str]:
        """A task that is leased: its id and its attempt's."""
        task = (await self.create(**terms)).id  # type: ignore[arg-type]
        leased = (await self.lease()).leased
        assert [one.id for one, _ in leased] == [task]
        return task, leased[0][1].id

    async def finish(
        self,
        attempt: str,
        outcome: Outcome = Outcome.COMPLETE,
        reason: str = "",
        outputs: list[Published] | None = None,
        exit_code: int = 0,
        holder: Holder | None = None,
    ) -> bool:
        entry = AttemptLog(executors=[ExecutorLog(start_us=now_us(), exit_code=exit_code)], outputs=outputs or [])
        return await self.queue.finished(holder or self.holder, attempt, End(now_us(), outcome, reason, entry))

    async def start(self, attempt: str) -> bool:
        return await self.queue.started(self.holder, attempt, now_us())

    async def get(self, task: str) -> Task:
        return await self.service.get(task)


def site_of(database: Database, folder: Path, owners: Mapping[str, Allowance] | None = None) -> Site:
    """A queue whose leases last 30 s and whose second attempts need not wait."""
    signals, publisher = Signals(), Publisher(folder / "workspace")
    publisher.workspace.mkdir()
    queue = Queue(database, signals, publisher, 30.0, 0.0, owners)
    return Site(TaskService(database, signals, publisher, queue, owners), signals, publisher.workspace)


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    """A queue with one site and no limits."""
    return site_of(database, tmp_path)
