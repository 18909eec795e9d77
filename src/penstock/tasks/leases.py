"""Attempts and sites in the database: the statements under the queue. Every change is fenced by its WHERE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from penstock.clock import MICROSECONDS, now_us
from penstock.database.moment import moment
from penstock.names import attempt_id
from penstock.tasks import store
from penstock.tasks.admission import HeadRoom, take, take_head
from penstock.tasks.lines import QUEUED, wanted
from penstock.tasks.models import Attempt, AttemptLog, Kind, Outcome, State, Task
from penstock.tasks.retry import LONGEST_BACKOFF_S
from penstock.tasks.room import Room
from penstock.tasks.sites import Site
from penstock.tasks.tables import LIVE, attempts, tasks
from penstock.tasks.turns import Candidate

# Put together once: that takes longer than running them.
_HELD = (
    select(attempts.c.id, tasks.c.state, tasks.c.kind, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb)
    .select_from(attempts.join(tasks, tasks.c.id == attempts.c.task))
    .where(attempts.c.site == bindparam("site"), LIVE)  # no order: SQLite would go through all attempts for it
)
_NUMBER = select(tasks.c.attempt).where(tasks.c.id == bindparam("wanted"))
_RENUMBER = update(tasks).where(tasks.c.id == bindparam("leased"))
_SET = update(attempts).where(
    attempts.c.id == bindparam("changed"), attempts.c.state.in_(bindparam("states", expanding=True))
)


@dataclass(frozen=True)
class Held:
    """A live attempt, as far as handing out looks at it."""

    attempt: str
    canceling: bool
    candidate: Candidate


def held(connection: Connection, site: str) -> list[Held]:
    """The site's live attempts."""
    rows = connection.execute(_HELD, {"site": site})
    return [
        Held(
            row.id, row.state == State.CANCELING, Candidate("", Kind(row.kind), row.cpu_cores, row.ram_gb, row.disk_gb)
        )
        for row in rows
    ]


def room(place: Site, held: Iterable[Held]) -> tuple[Room, HeadRoom]:
    """What is free at the site, and how much of that head tasks may take: its size less its live attempts."""
    free = place.room
    heads = HeadRoom.of(free, 0.0, 0) if place.mounts_workspace else HeadRoom(0.0, 0)
    for one in held:
        free, heads = take(free, one.candidate), take_head(heads, one.candidate)
    return free, heads


def all_queued(connection: Connection) -> list[Candidate]:
    """Every queued task, for the check whether any site can ever run it."""
    columns = (tasks.c.id, tasks.c.kind, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb, tasks.c.line)
    rows = connection.execute(select(*columns).where(QUEUED))
    return [Candidate(r.id, Kind(r.kind), r.cpu_cores, r.ram_gb, r.disk_gb, tags=wanted(r.line)) for r in rows]


def next_due_in(connection: Connection) -> int | None:
    """In how many microseconds the next task that waits for its back-off may start."""
    now = moment(connection)
    waiting = QUEUED & text("tasks.not_before_us > 0") & (tasks.c.not_before_us > now)
    due = connection.execute(select(func.min(tasks.c.not_before_us)).where(waiting)).scalar_one_or_none()
    return None if due is None else int(due) - now


def lease(connection: Connection, task: str, site: str, incarnation: str, until_us: int) -> tuple[Task, Attempt] | None:
    """Make the task's next attempt and lease it; None if the task is not queued any more."""
    number = connection.execute(_NUMBER, {"wanted": task}).scalar_one() + 1
    if not store.move(
        connection, task, [State.QUEUED], State.INITIALIZING, f"Leased to site {site}.", attempt=number - 1
    ):
        return None
    connection.execute(_RENUMBER, {"leased": task, "attempt": number})
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
    connection.execute(insert(attempts), values)
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
    return [one.attempt for one in held(connection, site) if one.canceling]


def renew(connection: Connection, site: str, ids: Iterable[str], until_us: int) -> set[str]:
    """Give these live attempts a fresh period; those that are still the site's."""
    mine = (attempts.c.site == site) & attempts.c.id.in_([*ids]) & LIVE
    statement = update(attempts).where(mine).values(lease_until_us=until_us).returning(attempts.c.id)
    return set(connection.execute(statement).scalars())


def start_anew(connection: Connection, now: int, lease_us: int) -> None:
    """A fresh period for every live lease, and no back-off that is longer than any can be.

    An outage of the server costs nobody an attempt, and a clock that was set costs no task more than a back-off.
    """
    connection.execute(update(attempts).where(LIVE).values(lease_until_us=now + lease_us))
    latest = now + int(LONGEST_BACKOFF_S * MICROSECONDS)
    late = QUEUED & text("tasks.not_before_us > 0") & (tasks.c.not_before_us > latest)
    connection.execute(update(tasks).where(late).values(not_before_us=latest))


def expired(connection: Connection, now: int) -> list[Attempt]:
    """Live attempts whose lease has run out."""
    return [
        store.as_attempt(row)
        for row in connection.execute(select(attempts).where(LIVE, attempts.c.lease_until_us <= now))
    ]


def first_expiry_in(connection: Connection) -> int | None:
    """In how many microseconds the first live lease runs out."""
    first = connection.execute(select(func.min(attempts.c.lease_until_us)).where(LIVE)).scalar_one_or_none()
    return None if first is None else int(first) - moment(connection)


def current(connection: Connection, attempt: str) -> tuple[Task, Attempt] | None:
    """The attempt with its task, if it is the task's latest."""
    task = store.get(connection, attempt.rpartition("-")[0])
    if task is None or not task.attempts or task.attempts[-1].id != attempt:
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
    return connection.execute(_SET, {"changed": attempt, "states": list(states), **values}).rowcount == 1
