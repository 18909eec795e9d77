"""Figures of the queue for Prometheus (docs/metrics.md): what happened is counted here, what is, is read when asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import Connection, func, select, text

from penstock.clock import MICROSECONDS, now_us
from penstock.tasks import sites
from penstock.tasks.models import Attempt, Outcome, Task
from penstock.tasks.tables import LIVE, LIVE_TASK, attempts, tasks

SHORT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LONG = (0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 4 * 3600, 24 * 3600)

CREATED = Counter("penstock_tasks_created", "Tasks created.", ["kind"])
ATTEMPTS = Counter("penstock_attempts", "Attempts that have ended.", ["site", "outcome"])
WAITED = Histogram("penstock_task_wait_seconds", "From create to the first executor's start.", buckets=SHORT)
RAN = Histogram("penstock_attempt_run_seconds", "From the first executor's start to the end.", buckets=LONG)
TOOK = Histogram("penstock_attempt_seconds", "From the lease of an attempt to its end.", buckets=LONG)
PUBLISHED = Counter("penstock_published_bytes", "Bytes of declared outputs that were published.")
EXPIRED = Counter("penstock_leases_expired", "Leases that ran out, their agents not heard of in time.", ["site"])


def started(task: Task, at_us: int) -> None:
    """The first executor of a task has started."""
    if task.started_us is None:
        WAITED.observe(_seconds(task.created_us, at_us))


def ended(attempt: Attempt, outcome: Outcome) -> None:
    """An attempt has ended and its task has moved on."""
    ATTEMPTS.labels(attempt.site, outcome.value).inc()
    at_us = attempt.ended_us or now_us()
    TOOK.observe(_seconds(attempt.created_us, at_us))
    if attempt.started_us is not None:
        RAN.observe(_seconds(attempt.started_us, at_us))
    PUBLISHED.inc(sum(output.size_bytes for output in attempt.log.outputs))


def _seconds(start_us: int, end_us: int) -> float:
    return max(0.0, (end_us - start_us) / MICROSECONDS)


@dataclass(frozen=True)
class Census:
    """What is, at one moment."""

    tasks: list[tuple[str, str, int]]  # owner, state, how many
    oldest_us: int | None  # when the task that waits longest was created
    leases: list[tuple[str, int, int]]  # site, live attempts, when the first of their leases runs out
    sites: list[sites.Site]


def census(connection: Connection) -> Census:
    """Counted from what is live: nothing here grows with what has ended."""
    live = text(LIVE_TASK)
    by_owner = select(tasks.c.owner, tasks.c.state, func.count()).where(live).group_by(tasks.c.state, tasks.c.owner)
    oldest = select(func.min(tasks.c.created_us)).where(live, tasks.c.state == "QUEUED")
    held = select(attempts.c.site, func.count(), func.min(attempts.c.lease_until_us)).where(LIVE)
    return Census(
        tasks=[(row[0], row[1], row[2]) for row in connection.execute(by_owner)],
        oldest_us=connection.execute(oldest).scalar_one_or_none(),
        leases=[(row[0], row[1], row[2]) for row in connection.execute(held.group_by(attempts.c.site))],
        sites=sites.everyone(connection),
    )


def exposition(now: Census, at_us: int) -> bytes:
    """The census in Prometheus's words."""
    registry = CollectorRegistry()
    _set(registry, "penstock_tasks", "Tasks that have not ended.", ["owner", "state"], now.tasks)
    waits = 0.0 if now.oldest_us is None else _seconds(now.oldest_us, at_us)
    _set(registry, "penstock_queue_oldest_seconds", "Age of the task that waits longest.", [], [(waits,)])
    _set(registry, "penstock_leases", "Attempts that are leased or run.", ["site"], [one[:2] for one in now.leases])
    left = [(site, (until - at_us) / MICROSECONDS) for site, _, until in now.leases]
    _set(registry, "penstock_lease_left_seconds", "Until the site's first lease runs out.", ["site"], left)
    ages = [(site.name, _seconds(site.seen_us, at_us)) for site in now.sites]
    _set(registry, "penstock_site_silent_seconds", "Since the site's agent was last heard of.", ["site"], ages)
    slots = [(site.name, site.room.slots) for site in now.sites]
    _set(registry, "penstock_site_slots", "Attempts that the site runs at once, at most.", ["site"], slots)
    return generate_latest(registry)


def _set(
    registry: CollectorRegistry, name: str, meaning: str, labels: list[str], rows: Iterable[tuple[object, ...]]
) -> None:
    gauge = Gauge(name, meaning, labels, registry=registry)
    for *values, figure in rows:
        (gauge.labels(*values) if labels else gauge).set(float(str(figure)))
