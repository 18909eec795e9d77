"""Figures: what happened is counted, what is is told."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection
from tests.unit.tasks.conftest import Site

import penstock.health  # noqa: F401 - registers the figures of workloads
from penstock.clock import now_us
from penstock.errors import NotFound
from penstock.names import new_id
from penstock.tasks import ends, metrics
from penstock.tasks.models import Kind, Outcome, Published

DOCS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


async def _told(site: Site) -> dict[str, float]:
    now = await site.queue._database.read(metrics.census)
    lines = metrics.exposition(now, now_us()).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def _counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_live_tasks_are_told_by_owner_and_state(site: Site) -> None:
    await site.register()
    await site.create(cpu_cores=2)
    await site.create(cpu_cores=2)
    await site.lease()
    told = await _told(site)
    assert told['penstock_tasks{owner="ada",state="INITIALIZING"}'] == 1
    assert told['penstock_tasks{owner="ada",state="QUEUED"}'] == 1
    assert told['penstock_leases{site="local"}'] == 1
    assert 0 < told['penstock_lease_left_seconds{site="local"}'] <= 30
    assert told['penstock_site_slots{site="local"}'] == 16
    assert 0 <= told['penstock_site_silent_seconds{site="local"}'] < 30
    assert 0 <= told["penstock_queue_oldest_seconds"] < 30


async def test_what_has_ended_is_not_counted_among_what_is(site: Site) -> None:
    await site.register()
    _, attempt = await site.leased_task()
    await site.finish(attempt)
    told = await _told(site)
    assert not [name for name in told if name.startswith("penstock_tasks{")]
    assert told["penstock_queue_oldest_seconds"] == 0


async def test_attempts_are_counted_by_outcome_with_their_times_and_bytes(site: Site) -> None:
    await site.register()
    before = _counted("penstock_attempts_total", site="local", outcome="COMPLETE")
    waits, runs = _counted("penstock_task_wait_seconds_count"), _counted("penstock_attempt_run_seconds_count")
    size = _counted("penstock_published_bytes_total")
    task, attempt = await site.leased_task()
    await site.start(attempt)
    folder = site.workspace / "tasks" / task / "1" / "out"
    folder.mkdir(parents=True)
    (folder / "x").write_text("seven b")
    output = Published(source="out/x", url="file:///workspace/owners/ada/x", path="/x", size_bytes=7)
    await site.finish(attempt, outputs=[output])
    assert _counted("penstock_attempts_total", site="local", outcome="COMPLETE") == before + 1
    assert _counted("penstock_task_wait_seconds_count") == waits + 1
    assert _counted("penstock_attempt_run_seconds_count") == runs + 1
    assert _counted("penstock_published_bytes_total") == size + 7


def _fail(_: Connection) -> None:
    raise NotFound("nothing")


async def test_an_end_is_counted_once_when_a_neighbour_fails_and_their_changes_run_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.register()
    before = _counted("penstock_attempts_total", site="local", outcome="COMPLETE")
    _, attempt = await site.leased_task()
    database, free, settle = site.queue._database, threading.Event(), Mock(wraps=ends.settle)
    monkeypatch.setattr(ends, "settle", settle)
    # SQLite's writer is a thread; PostgreSQL's begins when this one waits.
    busy = [asyncio.create_task(database.write(lambda _: free.wait(30)))] if database.alone else []
    jobs = [asyncio.create_task(one) for one in (site.finish(attempt), database.write(_fail))]
    await asyncio.sleep(0)
    free.set()
    answers = await asyncio.gather(*busy, *jobs, return_exceptions=True)
    assert isinstance(answers[-1], NotFound)
    assert settle.call_count == 2
    assert _counted("penstock_attempts_total", site="local", outcome="COMPLETE") == before + 1


async def test_a_lost_attempt_and_its_retry_are_two(site: Site) -> None:
    await site.register()
    lost = _counted("penstock_attempts_total", site="local", outcome="LOST")
    _, attempt = await site.leased_task()
    await site.finish(attempt, Outcome.LOST, "gone")
    await site.lease()
    assert _counted("penstock_attempts_total", site="local", outcome="LOST") == lost + 1


async def test_creates_are_counted_by_kind(site: Site) -> None:
    heads = _counted("penstock_tasks_created_total", kind="head")
    workload = new_id()
    await site.create(workload=workload, key="h", kind=Kind.HEAD)
    await site.create(workload=workload, key="h", kind=Kind.HEAD)  # answered by its key: none is made
    assert _counted("penstock_tasks_created_total", kind="head") == heads + 1


async def test_every_figure_is_documented(site: Site) -> None:
    await site.register()
    await site.leased_task()
    ours = {one.name for one in REGISTRY.collect() if one.name.startswith("penstock_")}
    counters = {name if not _is_counter(name) else f"{name}_total" for name in ours}
    told = counters | {name.partition("{")[0] for name in await _told(site)}
    documented = set(re.findall(r"^\| `(penstock_\w+)`", DOCS.read_text(), re.MULTILINE))
    assert told <= documented
    assert documented - told <= {"penstock_leases", "penstock_tasks"}


def _is_counter(name: str) -> bool:
    return any(one.name == name and one.type == "counter" for one in REGISTRY.collect())
