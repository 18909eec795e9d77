"""Any order of creates, leases, reports, cancels and losses, against a simple model of the state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from tests.unit.tasks.conftest import ROOM, Site, site_of

from penstock.database.migrate import migrate
from penstock.database.sqlite import SqliteDatabase
from penstock.tasks.models import FINAL, Outcome, State
from penstock.tasks.tables import tasks

ATTEMPTS = 2
OUTCOMES = st.sampled_from([Outcome.COMPLETE, Outcome.EXECUTOR_ERROR, Outcome.SYSTEM_ERROR, Outcome.LOST])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["create", "lease", "return"])),
    st.tuples(st.sampled_from(["start", "cancel"]), st.integers(0, 5)),
    st.tuples(st.just("finish"), st.integers(0, 5), OUTCOMES),
)
LIVE = (State.INITIALIZING, State.RUNNING, State.CANCELING)


@dataclass
class Model:
    """What a task is, said in a few lines: its state, and the number of its latest attempt."""

    state: State = State.QUEUED
    number: int = 0
    ended: set[int] = field(default_factory=set)

    def lease(self) -> None:
        self.state, self.number = State.INITIALIZING, self.number + 1

    def start(self) -> None:
        self.state = State.RUNNING if self.state is State.INITIALIZING else self.state

    def cancel(self) -> None:
        if self.state is State.QUEUED:
            self.state = State.CANCELED
        elif self.state in LIVE:
            self.state = State.CANCELING

    def finish(self, outcome: Outcome) -> None:
        self.ended.add(self.number)
        if self.state is State.CANCELING:
            self.state = State.CANCELED
        elif outcome is Outcome.LOST:
            self.state = State.QUEUED if self.number < ATTEMPTS else State.SYSTEM_ERROR
        else:
            self.state = State(outcome.value)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteDatabase, Site]]:
    """One database for all examples: each clears it first."""
    folder: Path = tmp_path_factory.mktemp("machine")
    url = f"sqlite:///{folder / 'penstock.db'}"
    migrate(url)
    database = SqliteDatabase(url)
    yield database, site_of(database, folder)
    asyncio.run(database.close())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_every_order_of_events_ends_as_the_model_says(
    machine: tuple[SqliteDatabase, Site], steps: list[tuple[Any, ...]]
) -> None:
    asyncio.run(_play(*machine, steps))


async def _play(database: SqliteDatabase, site: Site, steps: list[tuple[Any, ...]]) -> None:
    await database.write(lambda connection: connection.execute(delete(tasks)).rowcount)
    await site.register(room=ROOM.model_copy(update={"cpu_cores": 64, "ram_gb": 64, "slots": 64}))
    known: dict[str, Model] = {}
    for step in steps:
        await _step(site, known, *step)
        for task, model in known.items():
            assert (await site.get(task)).state is model.state, step
    for task, model in known.items():
        assert len((await site.get(task)).attempts) == model.number


async def _step(
    site: Site, known: dict[str, Model], what: object, index: int = 0, outcome: Outcome = Outcome.COMPLETE
) -> None:
    names = list(known)
    if what == "create":
        known[(await site.create(attempts=ATTEMPTS)).id] = Model()
    elif what == "lease":
        held = {f"{name}-{one.number}" for name, one in known.items() if one.state in LIVE}
        leased = {task.id for task, _ in (await site.lease(holding=held)).leased}
        assert leased == {name for name, one in known.items() if one.state is State.QUEUED}
        for name in leased:
            known[name].lease()
    elif what == "return":  # the agent comes back and has lost everything
        await site.register(room=ROOM.model_copy(update={"cpu_cores": 64, "ram_gb": 64, "slots": 64}))
        for one in known.values():
            if one.state in LIVE:
                one.finish(Outcome.LOST)
    elif names:
        await _report(site, names[index % len(names)], known[names[index % len(names)]], str(what), outcome)


async def _report(site: Site, task: str, model: Model, what: str, outcome: Outcome) -> None:
    attempt, live = f"{task}-{model.number}", model.state in LIVE
    if what == "cancel":
        await site.service.cancel(task)
        model.cancel()
    elif what == "start":
        assert await site.start(attempt) is live
        model.start()
    elif model.number:
        assert await site.finish(attempt, outcome) or not live
        if live:
            model.finish(outcome)
        if model.number > 1:  # the earlier attempt is fenced off for ever
            assert not await site.finish(f"{task}-1", Outcome.COMPLETE)
    assert model.state not in FINAL or not await site.start(f"{task}-{model.number + 1}")
