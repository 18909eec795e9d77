"""What an agent had leased and not begun when it was killed does not count against the task's attempts."""

from __future__ import annotations

from tests.unit.tasks.conftest import Site

from penstock.tasks.handout import Holder
from penstock.tasks.models import Outcome, State
from penstock.tasks.retry import GIVEN_BACK, MOST_GIVEN_BACK


async def test_an_attempt_that_was_not_begun_when_the_agent_was_killed_does_not_count(site: Site) -> None:
    await site.register()
    task, first = await site.leased_task(attempts=1)
    await site.register(Holder("local", "second"))
    found = await site.get(task)
    assert (found.state, found.attempts[-1].outcome, found.attempts[-1].reason) == (
        State.QUEUED,
        Outcome.LOST,
        GIVEN_BACK,
    )
    [(_, second)] = (await site.lease()).leased
    assert second.id != first
    assert await site.finish(second.id)
    assert (await site.get(task)).state is State.COMPLETE


async def test_one_that_had_begun_counts(site: Site) -> None:
    await site.register()
    task, attempt = await site.leased_task(attempts=1)
    await site.start(attempt)
    await site.register(Holder("local", "second"))
    assert (await site.get(task)).state is State.SYSTEM_ERROR


async def test_a_task_that_kills_every_agent_ends_all_the_same(site: Site) -> None:
    await site.register()
    task = (await site.create(attempts=2)).id
    for number in range(MOST_GIVEN_BACK + 2):
        assert (await site.get(task)).state is State.QUEUED
        assert (await site.lease()).leased
        await site.register(Holder("local", f"agent-{number}"))
    assert (await site.get(task)).state is State.SYSTEM_ERROR
