"""The database's clock is set while leases are open: nobody loses an attempt, and nobody waits for hours."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.unit.tasks.conftest import Site

from penstock.database import moment
from penstock.database.engine import Database
from penstock.tasks import leases
from penstock.tasks.models import Outcome, State
from penstock.tasks.retry import LONGEST_BACKOFF_S

TWO_HOURS_US = 2 * 3600 * 1_000_000


def jump(monkeypatch: pytest.MonkeyPatch, by_us: int) -> None:
    """Set the clock, of SQLite's process and of PostgreSQL."""
    monkeypatch.setattr(moment, "_START_US", moment._START_US + by_us)
    monkeypatch.setattr(moment, "_NOW", text(f"{moment._NOW.text} + ({by_us})"))


@pytest.mark.parametrize("by_us", [TWO_HOURS_US, -TWO_HOURS_US])
async def test_a_jump_of_the_databases_clock_ends_no_lease_and_prolongs_none(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch, by_us: int
) -> None:
    await site.queue.recover()
    await site.register()
    task, attempt = await site.leased_task()
    jump(monkeypatch, by_us)
    await site.queue.expire()
    assert (await site.get(task)).state is State.INITIALIZING
    left = await database.read(leases.first_expiry_in)
    assert left is not None
    assert left <= site.queue._lease_us
    assert await site.finish(attempt)


async def test_a_lease_that_runs_out_after_a_jump_runs_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.queue.recover()
    await site.register()
    task, attempt = await site.leased_task()
    jump(monkeypatch, -TWO_HOURS_US)
    await site.queue.expire()
    site.queue._lease_us = -1
    await site.queue.renew(site.holder, {attempt})
    await site.queue.expire()
    assert (await site.get(task)).state is State.QUEUED


async def test_a_clock_that_was_set_back_before_a_start_keeps_no_task_waiting(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.queue._backoff_s = 60.0
    await site.register()
    _, attempt = await site.leased_task()
    await site.finish(attempt, Outcome.LOST, "node gone")
    jump(monkeypatch, -TWO_HOURS_US)
    await site.queue.recover()
    due = await database.read(leases.next_due_in)
    assert due is not None
    assert due <= LONGEST_BACKOFF_S * 1_000_000
