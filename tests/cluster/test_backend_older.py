"""Pods as clusters get them that mount no images and know no resources of whole pods: Kubernetes before 1.34."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cluster.conftest import ClusterBench
from tests.integration.backends import test_local_backend_executors as bodies
from tests.integration.backends.conftest import Bench

BODIES = (
    bodies.test_executors_run_in_order_and_stop_at_the_first_failure,
    bodies.test_a_command_that_does_not_exist_leaves_one_log_with_127,
    bodies.test_stdin_may_be_what_an_earlier_executor_wrote,
    bodies.test_executors_share_volumes,
    bodies.test_the_time_limit_ends_the_task_and_is_named,
)


@pytest.fixture
def particular() -> dict[str, Any]:
    return {"image_volumes": "no", "pod_resources": "no"}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
async def test_what_executors_get_is_the_same(body: Any, bench: Bench) -> None:
    await body(bench)


async def test_the_launcher_is_copied_and_the_executors_ask_for_resources(bench: ClusterBench) -> None:
    work = bench.work("sleep 600", "true")
    await bench.backend.start(work)
    await bench.until("started", work)
    spec = json.loads(bench.place.kubectl("get", "pod", f"penstock-{work.attempt}", "-o", "json"))["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["launcher"]
    assert "resources" not in spec
    assert all("image" not in volume for volume in spec["volumes"])
    assert [one["resources"]["requests"]["cpu"] for one in spec["containers"]] == ["20m", "0"]
