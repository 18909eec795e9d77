"""The agent against a server and a backend that fail in ways real ones cannot be made to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from penstock.agents import loop
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
from penstock.errors import Fenced, NotFound, Unreachable
from penstock.names import new_id
from penstock.settings import Settings
from penstock.tasks.models import Executor, Kind, Outcome, Room, TaskSpec, Terms

ROOM = Room(cpu_cores=2, ram_gb=4, disk_gb=10, slots=4)
SPEC = TaskSpec(executors=[Executor(image="i", command=["true"])])


def _work() -> Work:
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


def _play(wire: Wire, machine: Machine, **settings: object) -> Stage:
    agent = Agent(Settings.model_validate(settings), machine, wire)  # type: ignore[arg-type]  # the wire is a fake
    return Stage(wire, machine, asyncio.create_task(agent.run()))


async def test_leased_work_is_started_and_its_end_is_reported_and_forgotten() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert [one.outcome for one in stage.wire.reported] == [Outcome.COMPLETE]
    await stage.stop()


async def test_a_start_is_reported_together_with_the_end_of_a_short_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "STARTS_WAIT_S", 20.0)
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.told.put_nowait(Report(attempt=work.attempt, event="started", at_us=1))
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert stage.wire.batches == [["started", "finished"]]
    await stage.stop()


async def test_a_start_is_reported_without_the_end_of_a_long_task() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.told.put_nowait(Report(attempt=work.attempt, event="started", at_us=1))
    while not stage.wire.batches:  # noqa: ASYNC110 - the fake wire has no other way to tell
        await asyncio.sleep(0.01)
    assert stage.wire.batches == [["started"]]
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    await stage.stop()


async def test_an_end_is_reported_while_another_attempt_is_still_being_removed() -> None:
    class Slow(Machine):
        async def forget(self, attempt: str) -> None:
            if attempt == first.attempt:
                await asyncio.Event().wait()
            await super().forget(attempt)

    first, second = _work(), _work()
    stage = _play(Wire(), Slow())
    stage.wire.answers.put_nowait(LeaseAnswer(work=[first, second]))
    await stage.machine.until(("start", first.attempt), ("start", second.attempt))
    stage.machine.say(first.attempt)
    while not stage.wire.batches:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stage.machine.say(second.attempt)
    await stage.machine.until(("forget", second.attempt))
    assert first.attempt in stage.machine.runners
    await stage.stop()


async def test_a_report_is_sent_until_the_server_takes_it() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.failing += [Unreachable("down"), Unreachable("still down")]
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert len(stage.wire.reported) == 1
    await stage.stop()


async def test_work_that_is_told_twice_is_started_once() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work], cancel=["other-1"]))
    await stage.machine.until(("start", work.attempt), ("forget", "other-1"))
    assert stage.machine.done.count(("start", work.attempt)) == 1
    await stage.stop()


async def test_a_cancel_ends_the_runner_first_and_reports_then() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=[work.attempt]))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    assert [one.outcome for one in stage.wire.reported] == [Outcome.CANCELED]
    await stage.stop()


async def test_an_end_that_came_just_before_the_cancel_counts_as_canceled() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt, Outcome.COMPLETE)
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=[work.attempt]))
    await stage.machine.until(("forget", work.attempt))
    assert len(stage.wire.reported) == 1
    await stage.stop()


async def test_a_cancel_of_what_never_came_here_is_confirmed() -> None:
    stage = _play(Wire(), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["strange-1"]))
    await stage.machine.until(("forget", "strange-1"))
    assert [(one.attempt, one.outcome) for one in stage.wire.reported] == [("strange-1", Outcome.CANCELED)]
    await stage.stop()


async def test_a_fenced_attempt_is_ended_without_a_word() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(LeaseAnswer(end=[work.attempt]))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    assert stage.wire.reported == []
    await stage.stop()


async def test_a_refused_report_ends_its_runner() -> None:
    work = _work()
    stage = _play(Wire(refused=[work.attempt]), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt)
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    await stage.stop()


async def test_runners_of_an_earlier_agent_are_adopted_or_ended_as_the_server_says() -> None:
    mine, strange = _work(), _work()
    welcome = Welcome(lease_s=30, longest_wait_s=5, keep=[mine], end=[strange.attempt])
    machine = Machine(runners=[mine.attempt, strange.attempt])
    stage = _play(Wire(welcome=welcome), machine)
    await machine.until(("adopt", mine.attempt), ("end", strange.attempt), ("forget", strange.attempt))
    assert stage.wire.hellos[0].running == [mine.attempt, strange.attempt]
    assert ("start", mine.attempt) not in machine.done
    await stage.stop()


async def test_the_agent_waits_for_a_server_that_is_not_there_yet() -> None:
    stage = _play(Wire(failing=[Unreachable("not yet"), Unreachable("not yet")]), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert len(stage.wire.hellos) == 3
    await stage.stop()


async def test_the_agent_says_hello_again_to_a_server_that_has_forgotten_it() -> None:
    stage = _play(Wire(), Machine())
    stage.wire.answers.put_nowait(NotFound("Site 'local' is not registered."))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert len(stage.wire.hellos) == 2
    await stage.stop()


async def test_an_agent_that_is_fenced_ends_its_runners_and_itself() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(Fenced("Another agent has taken over."))
    with pytest.raises(Fenced):
        await stage.running
    assert ("end", work.attempt) in stage.machine.done


async def test_a_short_outage_lets_the_work_go_on() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(Unreachable("down"))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert ("end", work.attempt) not in stage.machine.done
    await stage.stop()


async def test_an_outage_beyond_its_limit_ends_the_runners() -> None:
    stage, work = _play(Wire(), Machine(), give_up_s=0.001), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    for _ in range(3):
        stage.wire.answers.put_nowait(Unreachable("down"))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    await stage.stop()


async def test_stopping_the_agent_ends_no_runner() -> None:
    stage, work = _play(Wire(), Machine()), _work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    await stage.stop()
    assert ("end", work.attempt) not in stage.machine.done
    assert stage.machine.done[-1] == ("close", "")
