"""The agent against a server and a backend that fail in ways real ones cannot be made to."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.agents.stage import Machine, Wire, make_work, play

from penstock.agents import loop
from penstock.agents.loop import Agent
from penstock.agents.protocol import (
    LeaseAnswer,
    Report,
    Welcome,
)
from penstock.errors import Draining, Fenced, Forbidden, NotFound, PenstockError, SetupError, StoreAway, Unreachable
from penstock.settings import Settings
from penstock.tasks.models import Outcome


async def test_leased_work_is_started_and_its_end_is_reported_and_forgotten() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert [one.outcome for one in stage.wire.reported] == [Outcome.COMPLETE]
    await stage.stop()


async def test_a_start_is_reported_together_with_the_end_of_a_short_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "STARTS_WAIT_S", 20.0)
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.told.put_nowait(Report(attempt=work.attempt, event="started", at_us=1))
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert stage.wire.batches == [["started", "finished"]]
    await stage.stop()


async def test_a_start_is_reported_without_the_end_of_a_long_task() -> None:
    stage, work = play(Wire(), Machine()), make_work()
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

    first, second = make_work(), make_work()
    stage = play(Wire(), Slow())
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
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.failing += [Unreachable("down"), Unreachable("still down")]
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert len(stage.wire.reported) == 1
    await stage.stop()


async def test_work_that_is_told_twice_is_started_once() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work], cancel=["other-1"]))
    await stage.machine.until(("start", work.attempt), ("forget", "other-1"))
    assert stage.machine.done.count(("start", work.attempt)) == 1
    await stage.stop()


async def test_a_cancel_ends_the_runner_first_and_reports_then() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=[work.attempt]))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    assert [one.outcome for one in stage.wire.reported] == [Outcome.CANCELED]
    await stage.stop()


async def test_an_end_that_came_just_before_the_cancel_counts_as_canceled() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt, Outcome.COMPLETE)
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=[work.attempt]))
    await stage.machine.until(("forget", work.attempt))
    assert len(stage.wire.reported) == 1
    await stage.stop()


async def test_a_cancel_of_what_never_came_here_is_confirmed() -> None:
    stage = play(Wire(), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["strange-1"]))
    await stage.machine.until(("forget", "strange-1"))
    assert [(one.attempt, one.outcome) for one in stage.wire.reported] == [("strange-1", Outcome.CANCELED)]
    await stage.stop()


async def test_a_fenced_attempt_is_ended_without_a_word() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(LeaseAnswer(end=[work.attempt]))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    assert stage.wire.reported == []
    await stage.stop()


async def test_a_refused_report_ends_its_runner() -> None:
    work = make_work()
    stage = play(Wire(refused=[work.attempt]), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.machine.say(work.attempt)
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    await stage.stop()


async def test_runners_of_an_earlier_agent_are_adopted_or_ended_as_the_server_says() -> None:
    mine, strange = make_work(), make_work()
    welcome = Welcome(lease_s=30, longest_wait_s=5, keep=[mine], end=[strange.attempt])
    machine = Machine(runners=[mine.attempt, strange.attempt])
    stage = play(Wire(welcome=welcome), machine)
    await machine.until(("adopt", mine.attempt), ("end", strange.attempt), ("forget", strange.attempt))
    assert stage.wire.hellos[0].running == [mine.attempt, strange.attempt]
    assert ("start", mine.attempt) not in machine.done
    await stage.stop()


async def test_the_agent_waits_for_a_server_that_is_not_there_yet() -> None:
    stage = play(Wire(failing=[Unreachable("not yet"), Unreachable("not yet")]), Machine())
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert len(stage.wire.hellos) == 3
    await stage.stop()


@pytest.mark.parametrize("fault", [StoreAway("no database"), Draining("stopping"), PenstockError("a defect")])
async def test_a_server_that_cannot_answer_is_asked_again(fault: PenstockError) -> None:
    stage, work = play(Wire(failing=[fault]), Machine()), make_work()
    stage.wire.answers.put_nowait(fault)
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.failing.append(fault)
    stage.machine.say(work.attempt)
    await stage.machine.until(("forget", work.attempt))
    assert [one.outcome for one in stage.wire.reported] == [Outcome.COMPLETE]
    await stage.stop()


async def test_an_agent_that_is_stopped_while_a_report_comes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "STARTS_WAIT_S", 60.0)
    agent = Agent(Settings(), Machine(), Wire())  # type: ignore[arg-type]  # both are fakes
    report = Report(attempt="a-1", event="started", at_us=1)
    collecting = asyncio.create_task(agent._batch())
    agent._reports.put_nowait(report)
    for _ in range(5):
        await asyncio.sleep(0)  # until it waits for what comes with the start
    agent._reports.put_nowait(report)
    collecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await collecting


@pytest.mark.parametrize("fault", [Forbidden("not this site"), SetupError("not trusted")])
async def test_what_no_patience_helps_against_ends_the_agent_with_its_reason(fault: PenstockError) -> None:
    stage = play(Wire(), Machine())
    stage.wire.answers.put_nowait(fault)
    with pytest.raises(type(fault), match=fault.message):
        await stage.running
    assert stage.machine.done == [("close", "")]


async def test_the_agent_says_hello_again_to_a_server_that_has_forgotten_it() -> None:
    stage = play(Wire(), Machine())
    stage.wire.answers.put_nowait(NotFound("Site 'local' is not registered."))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert len(stage.wire.hellos) == 2
    await stage.stop()


async def test_an_agent_that_is_fenced_ends_its_runners_and_itself() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(Fenced("Another agent has taken over."))
    with pytest.raises(Fenced):
        await stage.running
    assert ("end", work.attempt) in stage.machine.done


async def test_a_short_outage_lets_the_work_go_on() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    stage.wire.answers.put_nowait(Unreachable("down"))
    stage.wire.answers.put_nowait(LeaseAnswer(cancel=["gone-1"]))
    await stage.machine.until(("forget", "gone-1"))
    assert ("end", work.attempt) not in stage.machine.done
    await stage.stop()


async def test_an_outage_beyond_its_limit_ends_the_runners() -> None:
    stage, work = play(Wire(), Machine(), give_up_s=0.001), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    for _ in range(3):
        stage.wire.answers.put_nowait(Unreachable("down"))
    await stage.machine.until(("end", work.attempt), ("forget", work.attempt))
    await stage.stop()


async def test_stopping_the_agent_ends_no_runner() -> None:
    stage, work = play(Wire(), Machine()), make_work()
    stage.wire.answers.put_nowait(LeaseAnswer(work=[work]))
    await stage.machine.until(("start", work.attempt))
    await stage.stop()
    assert ("end", work.attempt) not in stage.machine.done
    assert stage.machine.done[-1] == ("close", "")
