"""Something breaks under running tasks: nothing that was acknowledged is lost, no task runs again.

Two faults that a seed (PENSTOCK_SEED) chooses, under 12 tasks; with PENSTOCK_SOAK all of them, under 100.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from tests.cluster.nodes.playbooks import ROOT, Cluster
from tests.cluster.platform.faults.scene import Scene, front_door
from tests.cluster.platform.faults.strikes import FAULTS, Fault

from penstock.names import new_id

SOAK = "PENSTOCK_SOAK" in os.environ
SEED = int(os.environ.get("PENSTOCK_SEED", "4"))
COUNT = 100 if SOAK else 12
CHOSEN = FAULTS if SOAK else random.Random(SEED).sample(FAULTS, 2)  # noqa: S311 - reproducible, not secret
REPORT = ROOT / "build" / "faults.tsv"  # what docs/kubernetes.md says


@pytest.fixture
def scene(cluster: Cluster) -> Iterator[Scene]:
    """Tasks of a name of their own."""
    with front_door() as http:
        one = Scene(cluster, f"faults-{new_id()[-8:]}", http)
        one.open()
        one.probe()  # all works before it breaks
        yield one


@pytest.mark.parametrize("fault", CHOSEN, ids=[fault.name.replace(" ", "-") for fault in CHOSEN])
def test_nothing_is_lost_and_nothing_runs_or_is_published_twice(fault: Fault, scene: Scene) -> None:
    waiting = scene.run(COUNT)
    began = time.monotonic()
    fault.strike(scene.cluster)
    scene.probe()
    for task in waiting:
        scene.wait(task, {"RUNNING"})
    recovered = time.monotonic() - began
    scene.let_go()
    for task, output in scene.tasks.items():
        ended = scene.wait(task)
        assert (ended["state"], [len(log["outputs"]) for log in ended["logs"]]) == ("COMPLETE", [1]), ended
        assert task not in waiting or output.read_text() == f"penstock-{task}-1\nend\n"
    scene.until_nothing_is_left()
    note(fault, recovered)


def note(fault: Fault, recovered: float) -> None:
    """A line of the report."""
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a") as report:
        report.write(f"{fault.name}\t{COUNT}\t{recovered:.1f}\n")
