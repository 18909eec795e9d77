"""Attempts and sites in the database: the statements under the queue. Every change is fenced by its WHERE."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from penstock.clock import now_us
from penstock.names import attempt_id
from penstock.tasks import store
from penstock.tasks.admission import Candidate, HeadRoom, take, take_head
from penstock.tasks.models import Attempt, AttemptLog, Kind, Outcome, Room, State, Task
from penstock.tasks.tables import attempts, sites, tasks

LIVE = attempts.c.state.in_(["leased", "started"])
LOOK_AHEAD = 256


def register(
    connection: Connection, name: str, incarnation: str, total: Room, tags: dict[str, str], *, mounts: bool
) -> None:
    """Enter a site, or let a new incarnation take it over."""
    values = {
        "incarnation": incarnation,
        "tags": json.dumps(tags),
        "cpu_cores": total.cpu_cores,
        "ram_gb": total.ram_gb,
        "disk_gb": total.disk_gb,
        "slots": total.slots,
        "mounts_workspace": int(mounts),
        "seen_us": now_us(),
    }
    statement = upsert(sites).values(name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    connection.execute(update(attempts).where(attempts.c.site == name, LIVE).values(incarnation=incarnation))


def incarnation_of(connection: Connection, site: str) -> str | None:
    """The incarnation that holds the site; None if it never registered."""
    return connection.execute(select(sites.c.incarnation).where(sites.c.name == site)).scalar_one_or_none()


def totals(connection: Connection) -> list[tuple[str, Room]]:
    """Every site's name and size."""
    return [(row.name, _room(row)) for row in connection.execute(select(sites).order_by(sites.c.name))]


def _room(row: Row[Any]) -> Room:
    return Room(cpu_cores=row.cpu_cores, ram_gb=row.ram_gb, disk_gb=row.disk_gb, slots=row.slots)


def room(connection: Connection, site: str) -> tuple[Room, HeadRoom]:
    """What is free at the site, and how much of that head tasks may take: its size less its live attempts."""
    row = connection.execute(select(sites).where(sites.c.name == site)).one()
    total = _room(row)
    joined = attempts.join(tasks, tasks.c.id == attempts.c.task)
    columns = (tasks.c.kind, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb)
    free, heads = total, HeadRoom.of(total, 0.0, 0)
    for used in connection.execute(select(*columns).select_from(joined).where(attempts.c.site == site, LIVE)):
        held = Candidate("", Kind(used.kind), used.cpu_cores, used.ram_gb, used.disk_gb)
        free, heads = take(free, held), take_head(heads, held)
    return free, heads


def queued(connection: Connection, now: int) -> list[Candidate]:
    """The first tasks of the queue that may start now, processes before heads."""
    found: list[Candidate] = []
    for kind in (Kind.PROCESS, Kind.HEAD):
        condition = (
            (tasks.c.state == State.QUEUED.value) & (tasks.c.kind == kind.value) & (tasks.c.not_before_us <= now)
        )
        query = select(tasks.c.id, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb, tasks.c.created_us)
        order = query.where(condition).order_by(tasks.c.priority.desc(), tasks.c.id).limit(LOOK_AHEAD)
        rows = connection.execute(order)
        found += [Candidate(r.id, kind, r.cpu_cores, r.ram_gb, r.disk_gb, now - r.created_us) for r in rows]
    return found


def all_queued(connection: Connection) -> list[Candidate]:
    """Every queued task, for the check whether any site can ever run it."""
    columns = select(tasks.c.id, tasks.c.kind, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb)
    rows = connection.execute(columns.where(tasks.c.state == State.QUEUED.value))
    return [Candidate(row.id, Kind(row.kind), row.cpu_cores, row.ram_gb, row.disk_gb) for row in rows]


def next_due(connection: Connection, now: int) -> int | None:
    """When the next task that waits for its back-off may start."""
    waiting = (tasks.c.state == State.QUEUED.value) & (tasks.c.not_before_us > now)
    return connection.execute(select(func.min(tasks.c.not_before_us)).where(waiting)).scalar_one_or_none()


def lease(connection: Connection, task: str, site: str, incarnation: str, until_us: int) -> tuple[Task, Attempt] | None:
    """Make the task's next attempt and lease it; None if the task is not queued any more."""
    number = connection.execute(select(tasks.c.attempt).where(tasks.c.id == task)).scalar_one() + 1
    if not store.move(
        connection, task, [State.QUEUED], State.INITIALIZING, f"Leased to site {site}.", attempt=number - 1
    ):
        return None
    connection.execute(update(tasks).where(tasks.c.id == task).values(attempt=number))
    values = {
        "id": attempt_id(task, number),
        "task": task,
        "number": number,
        "site": site,
        "incarnation": incarnation,
        "state": "leased",
        "reason": "",
        "lease_until_us": until_us,
        "created_us": now_us(),
        "log": AttemptLog().model_dump_json(),
    }
    connection.execute(insert(attempts).values(values))
    found = store.get(connection, task)
    assert found is not None  # noqa: S101 - it was moved two statements above
    return found, found.attempts[-1]


def live(connection: Connection, site: str | None = None) -> list[Attempt]:
    """Attempts that are leased or started, at one site or everywhere."""
    query = select(attempts).where(LIVE).order_by(attempts.c.id)
    rows = connection.execute(query if site is None else query.where(attempts.c.site == site))
    return [store.as_attempt(row) for row in rows]


def canceling(connection: Connection, site: str) -> list[str]:
    """Live attempts of the site whose tasks are to be canceled."""
    joined = attempts.join(tasks, tasks.c.id == attempts.c.task)
    condition = (attempts.c.site == site) & LIVE & (tasks.c.state == State.CANCELING.value)
    return list(connection.execute(select(attempts.c.id).select_from(joined).where(condition)).scalars())


def renew(connection: Connection, site: str, ids: Iterable[str], until_us: int) -> set[str]:
    """Give these live attempts a fresh period; those that are still the site's."""
    mine = (attempts.c.site == site) & attempts.c.id.in_([*ids]) & LIVE
    statement = update(attempts).where(mine).values(lease_until_us=until_us).returning(attempts.c.id)
    return set(connection.execute(statement).scalars())


def renew_all(connection: Connection, until_us: int) -> None:
    """A fresh period for every live lease: an outage of the server costs nobody an attempt."""
    connection.execute(update(attempts).where(LIVE).values(lease_until_us=until_us))


def expired(connection: Connection, now: int) -> list[Attempt]:
    """Live attempts whose lease has run out."""
    return [
        store.as_attempt(row)
        for row in connection.execute(select(attempts).where(LIVE, attempts.c.lease_until_us <= now))
    ]


def first_expiry(connection: Connection) -> int | None:
    """When the first live lease runs out."""
    return connection.execute(select(func.min(attempts.c.lease_until_us)).where(LIVE)).scalar_one_or_none()


def current(connection: Connection, attempt: str) -> tuple[Task, Attempt] | None:
    """The attempt with its task, if it is the task's latest."""
    row = connection.execute(select(attempts).where(attempts.c.id == attempt)).one_or_none()
    if row is None:
        return None
    task = store.get(connection, row.task)
    if task is None or task.attempts[-1].id != attempt:
        return None
    return task, task.attempts[-1]


def publishing(connection: Connection) -> list[str]:
    """Attempts whose finish is durable and whose outputs may not all be published yet."""
    waiting = (attempts.c.state == "finished") & attempts.c.outcome.is_(None)
    return list(connection.execute(select(attempts.c.id).where(waiting)).scalars())


def set_attempt(connection: Connection, attempt: str, states: Sequence[str], **values: object) -> bool:
    """Change an attempt that is in one of these states; False if it is not."""
    outcome, log = values.get("outcome"), values.get("log")
    if isinstance(outcome, Outcome):
        values["outcome"] = outcome.value
    if isinstance(log, AttemptLog):
        values["log"] = log.model_dump_json()
    condition = (attempts.c.id == attempt) & attempts.c.state.in_(states)
    return connection.execute(update(attempts).where(condition).values(values)).rowcount == 1
