"""An agent's loop between a backend and a server that tests play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from penstock.agents.loop import Agent
from penstock.agents.protocol import (
    Hello,
    LeaseAnswer,
    LeaseRequest,
    Orders,
    Renewal,
    Report,
    Reports,
    ReportsAnswer,
    Welcome,
    Work,
)
from penstock.names import new_id
from penstock.settings import Settings
from penstock.tasks.models import Executor, Kind, Outcome, TaskSpec, Terms
from penstock.tasks.room import Room

ROOM = Room(cpu_cores=2, ram_gb=4, disk_gb=10, slots=4)
SPEC = TaskSpec(executors=[Executor(image="i", command=["true"])])


def make_work() -> Work:
    return Work(attempt=f"{new_id()}-1", kind=Kind.PROCESS, owner="ada", spec=SPEC, terms=Terms(), token="t")


@dataclass
class Machine:
    """A backend that only notes what it is told; ``say`` makes it report."""

    runners: list[str] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    told: asyncio.Queue[Report] = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def total(self) -> Room:
        return ROOM

    async def found(self) -> list[str]:
        return list(self.runners)

    async def start(self, work: Work) -> None:
        self.runners.append(work.attempt)
        self._note("start", work.attempt)

    async def adopt(self, work: Work) -> None:
        self._note("adopt", work.attempt)

    async def end(self, attempt: str) -> None:
        self._note("end", attempt)
        if attempt in self.runners:
            self.say(attempt, Outcome.LOST)

    async def forget(self, attempt: str) -> None:
        if attempt in self.runners:
            self.runners.remove(attempt)
        self._note("forget", attempt)

    async def events(self) -> AsyncIterator[Report]:
        while True:
            yield await self.told.get()

    async def close(self) -> None:
        self._note("close", "")

    def say(self, attempt: str, outcome: Outcome = Outcome.COMPLETE) -> None:
        self.told.put_nowait(Report(attempt=attempt, event="finished", at_us=1, outcome=outcome))

    def _note(self, what: str, attempt: str) -> None:
        self.done.append((what, attempt))
        self.changed.set()

    async def until(self, *wanted: tuple[str, str]) -> None:
        while not set(wanted) <= set(self.done):
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)


@dataclass
class Wire:
    """A connection that answers what a test puts into it; a lease without an answer waits."""

    hellos: list[Hello] = field(default_factory=list)
    leases: list[LeaseRequest] = field(default_factory=list)
    reported: list[Report] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    answers: asyncio.Queue[LeaseAnswer | Exception] = field(default_factory=asyncio.Queue)
    welcome: Welcome = field(default_factory=lambda: Welcome(lease_s=30, longest_wait_s=5))
    refused: list[str] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    on_report: Callable[[], Awaitable[None]] | None = None

    async def hello(self, hello: Hello) -> Welcome:
        self.hellos.append(hello)
        if self.failing:
            raise self.failing.pop(0)
        return self.welcome

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        self.leases.append(request)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def renew(self, _renewal: Renewal) -> Orders:
        return Orders()

    async def report(self, reports: Reports) -> ReportsAnswer:
        if self.failing:
            raise self.failing.pop(0)
        self.reported += reports.reports
        self.batches.append([report.event for report in reports.reports])
        return ReportsAnswer(refused=self.refused)


@dataclass
class Stage:
    """An agent that runs between a wire and a machine."""

    wire: Wire
    machine: Machine
    running: asyncio.Task[None]

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


def play(wire: Wire, machine: Machine, **settings: object) -> Stage:
    agent = Agent(Settings.model_validate(settings), machine, wire)  # type: ignore[arg-type]  # the wire is a fake
    return Stage(wire, machine, asyncio.create_task(agent.run()))
