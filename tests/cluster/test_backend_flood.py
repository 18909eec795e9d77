"""Many more tasks than the cluster has room for: 40, and 2,000 with PENSTOCK_SOAK."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.conftest import Place
from tests.cluster.servers import ClusterServer
from tests.integration.kwok.run import Run
from tests.started import started

from penstock.names import TOOLS_IMAGE

SOAK = "PENSTOCK_SOAK" in os.environ
TASKS = 2_000 if SOAK else 40
TASK = {"executors": [{"image": TOOLS_IMAGE, "command": ["true"]}], "resources": {"cpu_cores": 0.1, "ram_gb": 0.1}}


@pytest.fixture
def server(place: Place, tmp_path: Path) -> Iterator[ClusterServer]:
    """One whose slots are more than the cluster has room for."""
    with started(ClusterServer(tmp_path / "flood", {"PENSTOCK_SLOTS": "200"}, place=place)) as one:
        yield one


def without_room(place: Place) -> set[str]:
    """The events that tell of pods for which the scheduler found no room."""
    return set(place.kubectl("get", "events", "--field-selector=reason=FailedScheduling", "-o", "name").split())


def test_a_flood_keeps_its_rate_and_makes_no_pod_that_has_no_room(server: ClusterServer, place: Place) -> None:
    assert server.process is not None
    assert server.agent is not None
    before = without_room(place)
    run = Run(server.url, {"server": server.process.pid, "agent": server.agent.pid}, TASK, server.token())
    run.go(TASKS, 0.5)  # it takes no end but COMPLETE, and no minute in which nothing ends
    server.until_idle()
    assert without_room(place) == before
    rates = run.rates(4)
    told = ", ".join(f"{rate:.2f}" for rate in rates)
    sys.stdout.write(f"{TASKS} tasks in {run.took_s:.0f} s; a second in its quarters: {told}\n")
    if SOAK:
        assert min(rates[1:]) > rates[0] / 2
