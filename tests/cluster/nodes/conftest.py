"""A cluster that the playbooks made on this machine, from a machine without one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.nodes.machine import state
from tests.cluster.nodes.playbooks import Played, bring_up, kubectl, mirror, play

BEFORE = Path.home() / ".cache" / "penstock" / "tests" / "machine-before.json"
PROGRAMS = Path("/opt/penstock-node")


@pytest.fixture(scope="session")
def mirrored() -> Played:
    """The programs and images of this checkout."""
    done = subprocess.run(["scripts/packages"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return mirror()


@pytest.fixture(scope="session")
def brought_up(mirrored: Played) -> Played:
    """The first run, on a machine that has no cluster; how the machine was then is kept for the test of teardown.

    A developer's PENSTOCK_TEST_CLUSTER=up takes the cluster that is there.
    """
    if os.environ.get("PENSTOCK_TEST_CLUSTER") == "up":
        return bring_up()
    play("teardown")  # of an earlier run, which may have been interrupted
    BEFORE.parent.mkdir(parents=True, exist_ok=True)
    BEFORE.write_text(json.dumps(state()))
    return bring_up()


@pytest.fixture
def namespace(brought_up: Played, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of its own."""
    name = request.node.name.replace("_", "-")[:50].strip("-").lower()
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
