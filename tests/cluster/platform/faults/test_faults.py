"""Something breaks under running tasks: nothing that was acknowledged is lost, and each output is published once.

Two faults that a seed (PENSTOCK_SEED) chooses, under 12 tasks; with PENSTOCK_SOAK all of them, under 100.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.nodes.playbooks import ROOT, Cluster, Played
from tests.cluster.platform.faults.scene import Scene, front_door
from tests.cluster.platform.faults.strikes import FAULTS, LOST, Fault, until_node_is
from tests.cluster.platform.test_platform import NAMESPACE

from penstock.names import new_id

SOAK = "PENSTOCK_SOAK" in os.environ
SEED = int(os.environ.get("PENSTOCK_SEED", "4"))
COUNT = 100 if SOAK else 12
CHOSEN = FAULTS if SOAK else random.Random(SEED).sample(FAULTS, 2)  # noqa: S311 - reproducible, not secret
REPORT = ROOT / "build" / "faults.tsv"  # what docs/kubernetes.md says


@pytest.fixture(scope="module")
def apart(site: Played, cluster: Cluster) -> Cluster:
    """The platform is on the node that stays: a lost node takes tasks with it, not the only database."""
    until_node_is(cluster, ready=True)
    cluster.kubectl("drain", LOST, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=170s")
    for component in ("deployment/penstock-server", "deployment/penstock-agent", "statefulset/penstock-database"):
        cluster.kubectl("rollout", "status", component, "--namespace", NAMESPACE, "--timeout=170s")
    cluster.kubectl("uncordon", LOST)
    return cluster


@pytest.fixture
def scene(apart: Cluster) -> Iterator[Scene]:
    """Tasks of a name of their own."""
    with front_door() as http:
        one = Scene(apart, f"faults-{new_id()[-8:]}", http)
        one.open()
        one.probe()  # all works before it breaks
        yield one


def finish(scene: Scene, again: set[str]) -> dict[str, Path]:
    """Let the second attempts end first, so that those that were lost write when all is decided; what was published."""
    scene.let_go(2)
    for task in again:
        scene.wait(task)
    scene.let_go(1)
    published = {}
    for task, output in scene.tasks.items():
        ended = scene.wait(task)
        attempts = [len(log["outputs"]) for log in ended["logs"]]
        assert ended["state"] == "COMPLETE", ended
        assert attempts == ([0, 1] if task in again else [1]), ended
        published[task] = output
    return published


@pytest.mark.parametrize("fault", CHOSEN, ids=[fault.name.replace(" ", "-") for fault in CHOSEN])
def test_nothing_is_lost_and_nothing_is_published_twice(fault: Fault, scene: Scene) -> None:
    waiting = scene.run(COUNT)
    again = scene.tasks_on(fault.loses) if fault.loses else set()
    assert again or not fault.loses
    began = time.monotonic()
    fault.strike(scene.cluster)
    scene.probe()
    for task in waiting:
        scene.wait(task, {"RUNNING"}, attempt=2 if task in again else 1)
    recovered = time.monotonic() - began
    published = finish(scene, again)
    notes = {task: output.read_text() for task, output in published.items()}
    for task in waiting:
        assert notes[task] == f"penstock-{task}-{2 if task in again else 1}\nend\n"
    fault.mend(scene.cluster)
    scene.until_nothing_is_left()
    assert {task: output.read_text() for task, output in published.items()} == notes
    note(fault, recovered, len(again))


def note(fault: Fault, recovered: float, again: int) -> None:
    """A line of the report."""
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a") as report:
        report.write(f"{fault.name}\t{COUNT}\t{again}\t{recovered:.1f}\n")
