"""Agent and server killed under running pods: nothing is lost, nothing runs twice, nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import Place
from tests.cluster.servers import OWNER, ClusterServer
from tests.integration.conftest import Tes

from penstock.clock import Deadline

DATA = f"file:///workspace/owners/{OWNER}/data"
SMALL = {"cpu_cores": 0.01, "ram_gb": 0.05}
COUNT = 12


@pytest.fixture
def served(place: Place, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server of its own, with an agent."""
    one = ClusterServer(tmp_path / f"f{tmp_path.name[-8:].strip('_-')}".lower().replace("_", "-"), place=place)
    one.start()
    yield one
    one.until_idle()
    one.stop()


@pytest.fixture
def tes(served: ClusterServer) -> Iterator[Tes]:
    """A client of that server."""
    client = served.tes()
    yield client
    client.http.close()


def begin(served: ClusterServer, tes: Tes) -> list[str]:
    """Tasks that each note their run in the output, and wait until they are let go; all of them run."""
    go = served.place.workspace / f"owners/{OWNER}/data/{served.data.name}"
    go.mkdir(parents=True)
    tasks = [
        tes.shell(
            "echo run >>/o/runs; while [ ! -e /go/now ]; do sleep 0.1; done",
            inputs=[{"path": "/go", "url": f"{DATA}/{served.data.name}", "type": "DIRECTORY"}],
            outputs=[{"path": "/o/runs", "url": f"{DATA}/{served.data.name}-{number}"}],
            resources=SMALL,
        )
        for number in range(COUNT)
    ]
    for task in tasks:
        tes.wait(task, {"RUNNING"}, seconds=90)
    return tasks


def finish(served: ClusterServer, tes: Tes, tasks: list[str]) -> None:
    """Let them go; each has run once and published once."""
    data = served.place.workspace / f"owners/{OWNER}/data"
    (data / served.data.name / "now").touch()
    for number, task in enumerate(tasks):
        ended: dict[str, Any] = tes.wait(task, seconds=90)
        assert (ended["state"], len(ended["logs"])) == ("COMPLETE", 1), ended["logs"]
        assert (data / f"{served.data.name}-{number}").read_text() == "run\n"


def test_pods_outlive_a_killed_agent_and_are_adopted(served: ClusterServer, tes: Tes) -> None:
    tasks = begin(served, tes)
    served.kill_agent()
    served.start_agent()
    finish(served, tes, tasks)


def test_what_ends_while_the_agent_is_dead_is_told_by_the_next(served: ClusterServer, tes: Tes) -> None:
    tasks = begin(served, tes)
    served.kill_agent()
    (served.place.workspace / f"owners/{OWNER}/data" / served.data.name / "now").touch()
    deadline = Deadline.after(60)
    while "Running" in served.place.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}"):
        assert not deadline.passed
        time.sleep(0.2)
    served.start_agent()
    finish(served, tes, tasks)


def test_pods_outlive_a_killed_server(served: ClusterServer, tes: Tes) -> None:
    tasks = begin(served, tes)
    assert served.process is not None
    served.process.kill()
    served.process.communicate()
    (served.data / "run" / "address").unlink()
    served.start_server()
    finish(served, tes, tasks)


def test_an_agent_killed_at_any_moment_of_many_starts_leaves_nothing(served: ClusterServer, tes: Tes) -> None:
    tasks = [tes.shell("true", resources=SMALL) for _ in range(COUNT)]
    for pause in (0.1, 0.4, 0.8):
        time.sleep(pause)
        served.kill_agent()
        served.start_agent()
    for task in tasks:
        assert tes.wait(task, seconds=120)["state"] == "COMPLETE"
