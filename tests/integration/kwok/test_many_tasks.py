"""Thousands of tasks over nodes that do not exist: 200 here where kwok was built, 50,000 with PENSTOCK_SOAK."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.integration.kwok.plane import MISSING, control_plane, programs
from tests.integration.kwok.run import left_behind, platform

TASKS, NODES, SLOTS = (50_000, 1000, 600) if "PENSTOCK_SOAK" in os.environ else (200, 40, 120)
MOST_GROWTH = 64 << 20


@pytest.mark.skipif(programs() is None, reason=MISSING)
def test_each_of_many_tasks_ends_once_leaves_nothing_and_costs_no_memory_that_stays(tmp_path: Path) -> None:
    with control_plane(tmp_path / "plane", NODES) as plane, platform(tmp_path, plane, SLOTS) as run:
        run.go(TASKS, 1.0)  # it counts ended attempts, and takes no end but COMPLETE
        assert left_behind(plane) == 0
    early, late = run.samples[len(run.samples) // 5], run.samples[-1]
    assert late.done == TASKS
    assert late.agent_bytes - early.agent_bytes < MOST_GROWTH
    assert late.server_bytes - early.server_bytes < MOST_GROWTH


@pytest.mark.skipif(programs() is None, reason=MISSING)
def test_a_flood_over_one_node_makes_no_pod_that_has_no_room(tmp_path: Path) -> None:
    with control_plane(tmp_path / "plane", 1) as plane, platform(tmp_path, plane, 120) as run:
        run.go(200, 1.0)
        assert left_behind(plane) == 0
        assert plane.events("FailedScheduling") == []
