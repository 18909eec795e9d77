"""What only pods have: images, memory limits, nodes, a watch; and what becomes of attempts when these fail."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from tests.cluster.conftest import SMALL, ClusterBench

from penstock.agents.protocol import Work
from penstock.backends.kubernetes import cluster as cluster_module
from penstock.clock import now_us
from penstock.errors import NotFound
from penstock.names import new_id
from penstock.tasks.models import Outcome

URL = "file:///workspace/owners/someone/data"
WAIT = "while [ ! -e /v/go ]; do sleep 0.05; done"


async def begin(bench: ClusterBench, script: str, **more: Any) -> Work:
    """Start work and wait until it runs."""
    work = bench.work(script, volumes=["/v"], **more)
    await bench.backend.start(work)
    await bench.until("started", work)
    return work


def let_go(bench: ClusterBench, work: Work) -> None:
    """End the wait of WAIT."""
    (bench.folder(work) / "root/v/go").touch()


def name_of(work: Work) -> str:
    """The pod's name."""
    return f"penstock-{work.attempt}"


async def test_a_pod_has_no_rights_and_no_root(bench: ClusterBench) -> None:
    report = await bench.run(
        "id -u; ls /var/run/secrets/kubernetes.io 2>&1 | wc -l; grep CapEff /proc/self/status; touch /x 2>&1"
    )
    lines = report.log.executors[0].stdout.splitlines()
    assert lines[0] == "10001"
    assert lines[2].split()[1] == "0" * 16
    assert "ermission denied" in lines[3]


async def test_an_image_that_does_not_exist_is_final_and_named(bench: ClusterBench) -> None:
    report = await bench.run("true", executor={"image": "No/Such:Image:"})
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "No/Such:Image:" in report.reason


async def test_an_image_that_cannot_be_pulled_in_time_is_lost(bench: ClusterBench) -> None:
    bench.settings.pending_limit_s = 30
    report = await bench.run("true", executor={"image": "registry.invalid/some/thing:1"})
    assert report.outcome is Outcome.LOST
    assert "registry.invalid/some/thing:1" in report.reason
    assert "did not start within 30 s" in report.reason


async def test_a_task_above_its_memory_is_told_its_limit(bench: ClusterBench) -> None:
    report = await bench.run(
        "echo begun; python3 -c 'x = bytearray(400_000_000); print(len(x))'", terms=SMALL | {"ram_gb": 0.1}
    )
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert report.reason.startswith("out of memory: limit 0.1 GB")
    assert report.log.executors[0].exit_code == 137


async def test_what_was_written_before_memory_ran_out_is_published(bench: ClusterBench) -> None:
    report = await bench.run(
        "echo early >/o/x; python3 -c 'x = bytearray(400_000_000); print(len(x))'",
        outputs=[{"path": "/o/x", "url": f"{URL}/x"}],
        terms=SMALL | {"ram_gb": 0.1},
    )
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert bench.published(report) == {f"{URL}/x": "early\n"}


async def test_executors_share_a_volume_in_memory(bench: ClusterBench) -> None:
    report = await bench.run(
        "stat -f -c %T /fast; echo x >/fast/x", "cat /fast/x", terms=SMALL | {"memory_volumes": ["/fast"]}
    )
    assert [log.stdout for log in report.log.executors] == ["tmpfs\n", "x\n"]


async def test_what_no_node_can_hold_ends_at_once(bench: ClusterBench) -> None:
    report = await bench.run("true", terms=SMALL | {"ram_gb": 5000})
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "can never run here" in report.reason


async def test_going_from_executor_to_executor_costs_less_than_starting_one_pod(bench: ClusterBench) -> None:
    asked = now_us()
    report = await bench.run("true", "true", "true", "true")
    logs = report.log.executors
    between = sum(after.start_us - (before.end_us or 0) for before, after in pairwise(logs))
    assert between < logs[0].start_us - asked


async def test_a_running_pod_is_adopted_by_the_next_agent(bench: ClusterBench) -> None:
    work = await begin(bench, f"echo run >>/v/runs; {WAIT}; cat /v/runs")
    await bench.backend.close()
    bench.open()
    assert await bench.backend.found() == [work.attempt]
    await bench.backend.adopt(work)
    await bench.until("started", work)
    let_go(bench, work)
    report = await bench.until("finished", work)
    assert (report.outcome, report.log.executors[0].stdout) == (Outcome.COMPLETE, "run\n")


async def test_what_finished_while_nobody_watched_is_told_to_the_next_agent(bench: ClusterBench) -> None:
    work = await begin(bench, WAIT)
    await bench.backend.close()
    let_go(bench, work)
    bench.open()
    await bench.backend.found()
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.COMPLETE


async def test_starting_again_runs_nothing_twice(bench: ClusterBench) -> None:
    work = await begin(bench, f"echo run >>/v/runs; {WAIT}; cat /v/runs")
    await bench.backend.start(work)
    let_go(bench, work)
    assert (await bench.until("finished", work)).log.executors[0].stdout == "run\n"


async def test_a_watch_that_is_cut_misses_nothing(bench: ClusterBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "WATCH_S", 1)  # the API server ends each after a second
    works = [bench.work(f"sleep {number % 3}; echo {number}") for number in range(6)]
    await asyncio.gather(*(bench.backend.start(work) for work in works))
    for number, work in enumerate(works):
        report = await bench.until("finished", work)
        assert report.log.executors[0].stdout == f"{number}\n"


async def test_a_pod_that_somebody_deletes_is_lost(bench: ClusterBench) -> None:
    work = await begin(bench, "sleep 1000")
    bench.place.kubectl("delete", "pod", name_of(work), "--wait=false")
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    assert "deleted" in report.reason


async def test_a_pod_that_vanishes_is_lost(bench: ClusterBench) -> None:
    work = await begin(bench, "sleep 1000")
    bench.place.kubectl("delete", "pod", name_of(work), "--grace-period=0", "--force")
    assert (await bench.until("finished", work)).outcome is Outcome.LOST


async def test_an_evicted_pod_is_lost_and_says_why(bench: ClusterBench) -> None:
    work = await begin(bench, "sleep 1000")
    metadata = {"name": name_of(work), "namespace": bench.place.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{bench.place.namespace}/pods/{name_of(work)}/eviction"
    bench.place.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    assert "Evict" in report.reason


async def test_end_returns_when_the_pod_is_gone(bench: ClusterBench) -> None:
    work = await begin(bench, "(sleep 1000 &); echo said; sleep 1000")
    await bench.backend.end(work.attempt)
    with pytest.raises(NotFound):
        await bench.backend._cluster.pod(name_of(work))
    report = await bench.until("finished", work)
    assert (report.outcome, report.reason) == (Outcome.CANCELED, "The attempt was ended.")
    await bench.backend.end(work.attempt)


async def test_end_right_after_start_wins(bench: ClusterBench) -> None:
    work = bench.work("sleep 1000")
    await bench.backend.start(work)
    await bench.backend.end(work.attempt)
    assert (await bench.until("finished", work)).outcome is Outcome.CANCELED


async def test_ending_what_was_never_there_does_nothing(bench: ClusterBench) -> None:
    await asyncio.wait_for(bench.backend.end(f"{new_id()}-1"), 10)


async def test_forget_leaves_nothing(bench: ClusterBench) -> None:
    work = bench.work("echo x >/o", outputs=[{"path": "/o", "url": f"{URL}/o"}])
    await bench.backend.start(work)
    await bench.until("finished", work)
    await bench.backend.forget(work.attempt)
    assert await bench.backend.found() == []
    assert list((bench.workspace / "tasks").iterdir()) == []
    await bench.backend.forget(work.attempt)


async def test_an_attempt_of_which_only_the_folder_is_left_is_found_and_lost(bench: ClusterBench) -> None:
    work = await begin(bench, "sleep 1000")
    await bench.backend.close()
    bench.place.kubectl("delete", "pod", name_of(work), "--grace-period=0", "--force")
    bench.open()
    assert await bench.backend.found() == [work.attempt]
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.LOST


async def test_many_pods_at_once_all_finish(bench: ClusterBench) -> None:
    works = [bench.work(f"echo {number}") for number in range(20)]
    await asyncio.gather(*(bench.backend.start(work) for work in works))
    for number, work in enumerate(works):
        report = await bench.until("finished", work)
        assert report.log.executors[0].stdout == f"{number}\n"
