"""The machine's clock is set by hours while tasks run and leases are open: nothing is lost, forgotten or run again.

Server and agent run under libfaketime, which reads how far their clock is off from a file, at every look; the monotonic
clocks are left alone, as they are when a real clock is set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer
from tests.integration.faults.conftest import LEASE_S, Field, field_at

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
AN_HOUR = timedelta(hours=1)
WAIT_S = 3.0


class Clock:
    """The clock of what is started with ``variables``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        self.variables = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, hours: int) -> None:
        """So many hours from the right time."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{hours * 3600:+d}\n")
        beside.rename(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed: `make packages`")
    return Clock(tmp_path / "clock")


@pytest.fixture
def ground(tmp_path: Path, clock: Clock) -> Iterator[Field]:
    """A server that keeps ended tasks for an hour, and whose clock can be set."""
    told = {"PENSTOCK_LEASE_S": str(LEASE_S), "PENSTOCK_TASK_RETENTION_S": "3600", "PENSTOCK_RETRY_BACKOFF_S": "0.1"}
    with field_at(RunningServer(tmp_path / "server", {**told, **clock.variables})) as one:
        yield one


def _off(ground: Field) -> timedelta:
    """How far the server's clock is off, as its answers tell."""
    told = parsedate_to_datetime(ground.tes.http.get("/service-info").headers["date"])
    return told - datetime.now(UTC)


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_is_set_changes_nothing(ground: Field, clock: Clock, hours: int) -> None:
    agent, tes = ground.agent("first"), ground.tes
    ended = tes.wait(ground.shell("true"))
    running = [ground.shell(f"sleep {2 * LEASE_S}; echo x > /out", volumes=["/v"]) for _ in range(3)]
    for one in running:
        tes.wait(one, {"RUNNING"})
    waits: list[float] = []
    polling = threading.Thread(target=_poll, args=(ground.server.url, waits))
    polling.start()

    clock.set(hours)
    ground.until(lambda: abs(_off(ground) - hours * AN_HOUR) < AN_HOUR)

    for one in running:
        done = tes.wait(one, seconds=60 + 4 * LEASE_S)
        assert (done["state"], len(done["logs"])) == ("COMPLETE", 1), done
        log = done["logs"][0]
        assert log["start_time"] < log["end_time"] < _later(log["start_time"])
    polling.join(60)
    assert len(waits) == 3
    assert min(waits) >= WAIT_S
    assert tes.get(ended["id"])["state"] == "COMPLETE"  # it is not forgotten an hour and more before its time

    new = tes.wait(ground.shell("true"))
    assert ended["creation_time"] < new["creation_time"] < _later(ended["creation_time"])
    newest = tes.http.get("/tasks", params={"page_size": 1}).json()["tasks"]
    assert [one["id"] for one in newest] == [new["id"]]

    _gives_back(ground, agent.site)


def _later(moment: str) -> str:
    """An hour after it, as TES writes it."""
    return (datetime.fromisoformat(moment) + AN_HOUR).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _gives_back(ground: Field, site: str) -> None:
    """Leases still run out: a site that is gone gives its task back."""
    task = ground.shell("sleep 3")
    ground.tes.wait(task, {"RUNNING"})
    ground.agents[site].stop()
    ground.agent("second")
    done = ground.tes.wait(task, seconds=60 + 4 * LEASE_S)
    assert (done["state"], done["logs"][-1]["metadata"]["site"]) == ("COMPLETE", "second")


def _poll(url: str, waits: list[float]) -> None:
    """Long-polls of an agent that has room for nothing: only their own time ends them."""
    who = {"site": "idle", "incarnation": "one", "protocol": 1}
    room = {"cpu_cores": 0.001, "ram_gb": 0.001, "disk_gb": 0.001, "slots": 1}
    with httpx.Client(base_url=f"{url}/agent/v1", trust_env=False, timeout=60) as http:
        http.post("/hello", json={**who, "total": room}).raise_for_status()
        for _ in range(3):
            began = time.monotonic()
            http.post("/lease", json={**who, "wait": WAIT_S}).raise_for_status()
            waits.append(time.monotonic() - began)
