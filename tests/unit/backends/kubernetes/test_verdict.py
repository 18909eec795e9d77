"""A pod's state → what became of its attempt: the table of causes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.backends.kubernetes.conftest import SITE, pod_body, work

from penstock.backends.kubernetes.plan import PodPlan, build
from penstock.backends.kubernetes.pods import parse_pod
from penstock.backends.kubernetes.verdict import Progress, judge

GOOD = "1000000 2500000 0 0m0.500s 0m0.250s 4096 0 0"
PLAN = build(work(terms={"ram_gb": 2, "time_limit_s": 60}), SITE)


def ended(message: str = "", code: int = 0, reason: str = "Completed") -> dict[str, Any]:
    """A terminated container."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": "2026-01-01T00:00:00Z"}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A container that does not start."""
    return {"waiting": {"reason": reason, "message": message}}


def judged(containers: dict[str, dict[str, Any]] | None = None, plan: PodPlan = PLAN, **more: Any) -> Progress:
    """The verdict on a pod with containers in these states."""
    return judge(parse_pod(pod_body(containers, **more), "penstock/attempt"), plan)


def told(progress: Progress) -> tuple[str, str]:
    """Outcome and reason of what has ended."""
    assert progress.ended
    return (progress.failure.outcome, progress.failure.reason) if progress.failure else ("COMPLETE", "")


def test_what_the_launcher_told_is_the_executors_log() -> None:
    found = judged({"executor-0": ended(GOOD)})
    assert found.executors == [
        {
            "start_us": 1_000_000, "end_us": 2_500_000, "exit_code": 0, "stdout": "", "stderr": "", "cpu_s": 0.75,
            "peak_bytes": 4096,
        }
    ]  # fmt: skip
    assert (told(found), found.started_us) == (("COMPLETE", ""), 1_000_000)


def test_an_attempt_has_started_when_its_first_executor_runs() -> None:
    found = judged({"executor-0": {"running": {"startedAt": "1970-01-01T00:00:05Z"}}})
    assert (found.started_us, found.ended) == (5_000_000, False)


@pytest.mark.parametrize(
    ("state", "outcome", "reason"),
    [
        (ended("1 2 3 0m0s 0m0s 1 0 0", 3), "EXECUTOR_ERROR", "Executor 1 ended with exit code 3."),
        (ended("1 2 127 0m0s 0m0s 1 0 0", 127), "EXECUTOR_ERROR", "'run' was not found"),
        (ended("1 2 126 0m0s 0m0s 1 0 0", 126), "EXECUTOR_ERROR", "'run' cannot be executed"),
        (ended("1 2 137 0m0s 0m0s 1 1 0", 137), "EXECUTOR_ERROR", "out of memory: limit 2.0 GB"),
        (ended("1 2 137 0m0s 0m0s 1 0 1", 1), "EXECUTOR_ERROR", "time_limit_s is 60"),
        (ended("1 2 137 0m0s 0m0s 1 0 0", 137), "EXECUTOR_ERROR", "exit code 137"),
        (ended("! The stdin /x cannot be opened: not a regular file.", 1), "SYSTEM_ERROR", "The stdin /x"),
        (ended("", 137, "OOMKilled"), "EXECUTOR_ERROR", "out of memory: limit 2.0 GB"),
        (ended("exec format error", 128, "StartError"), "LOST", "StartError: exec format error"),
        (ended("", 143, "Error"), "LOST", "ended without a result"),
        (waiting("InvalidImageName", "no"), "SYSTEM_ERROR", "'registry.example/tools:1' is not a name"),
        (waiting("ErrImageNeverPull"), "SYSTEM_ERROR", "is not on the node"),
        (waiting("ErrImagePull", "registry.example/tools:1: not found"), "SYSTEM_ERROR", "does not exist"),
        (waiting("ImagePullBackOff", "pull access denied"), "SYSTEM_ERROR", "may not be pulled"),
        (waiting("CreateContainerError", "no disk"), "LOST", "CreateContainerError): no disk"),
    ],
)
def test_every_end_has_its_outcome_and_reason(state: dict[str, Any], outcome: str, reason: str) -> None:
    found = told(judged({"executor-0": state}))
    assert found[0] == outcome
    assert reason in found[1]


@pytest.mark.parametrize(
    ("more", "outcome", "reason"),
    [
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "LOST", "Evicted: disk"),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "EXECUTOR_ERROR", "time_limit_s is 60"),
        (
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]},
            "LOST",
            "taken away: DeletionByTaintManager",
        ),
    ],
)
def test_what_the_cluster_takes_away_is_lost(more: dict[str, Any], outcome: str, reason: str) -> None:
    found = told(judged({"executor-0": {"running": {}}}, **more))
    assert found[0] == outcome
    assert reason in found[1]


def test_a_result_counts_also_when_the_pod_is_taken_away_after_it() -> None:
    found = judged({"executor-0": ended(GOOD)}, deleting=True, phase="Failed", reason="Evicted")
    assert told(found) == ("COMPLETE", "")


def test_a_deleted_pod_without_a_result_is_lost() -> None:
    assert told(judged({"executor-0": ended("", 143, "Error")}, deleting=True)) == ("LOST", "The pod was deleted.")


@pytest.mark.parametrize(
    "message", ["dial tcp: lookup registry: no such host", "i/o timeout", "connection refused", "EOF"]
)
def test_a_registry_that_does_not_answer_is_waited_for(message: str) -> None:
    found = judged({"executor-0": waiting("ErrImagePull", message)})
    assert not found.ended
    assert message in found.waits


def test_a_pod_without_a_node_waits_and_says_what_for() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    found = judged(conditions=[condition], phase="Pending")
    assert (found.ended, found.waits) == (False, "no node has room: 0/1 nodes")


def test_a_later_executor_is_skipped_after_a_failure() -> None:
    plan = build(work({}, {}), SITE)
    failed = ended("1 2 4 0m0s 0m0s 1 0 0", 4)
    found = judged({"executor-0": failed, "executor-1": {"running": {}}}, plan)
    assert told(found) == ("EXECUTOR_ERROR", "Executor 1 ended with exit code 4.")
    assert len(found.executors) == 1


def test_an_ignored_error_goes_on_to_the_next() -> None:
    plan = build(work({"ignore_error": True}, {}), SITE)
    failed = ended("1 2 4 0m0s 0m0s 1 0 0")
    assert not judged({"executor-0": failed, "executor-1": {"running": {}}}, plan).ended
    assert told(judged({"executor-0": failed, "executor-1": ended(GOOD)}, plan)) == ("COMPLETE", "")


def test_without_the_workspace_the_end_waits_for_the_outputs() -> None:
    plan = build(work(), replace(SITE, claim=None))
    assert not judged({"executor-0": ended(GOOD), "stage-out": {"running": {}}}, plan).ended
    done = judged({"executor-0": ended(GOOD), "stage-out": ended()}, plan)
    assert told(done) == ("COMPLETE", "")
    told_so = ended('{"outcome": "LOST", "reason": "The server is gone."}', 1, "Error")
    assert told(judged({"executor-0": ended(GOOD), "stage-out": told_so}, plan)) == ("LOST", "The server is gone.")


def test_without_the_workspace_an_attempt_ends_when_nobody_is_left_to_send_its_outputs() -> None:
    plan = build(work(), replace(SITE, claim=None))
    cut = ended('{"outcome": "LOST", "reason": "The disk is full."}', 1, "Error")
    assert told(judged({"executor-0": {"running": {}}, "stage-out": cut}, plan)) == ("LOST", "The disk is full.")


def test_without_the_workspace_nobody_waits_after_a_killed_launcher() -> None:
    plan = build(work(), replace(SITE, claim=None))
    found = judged({"executor-0": ended("", 137, "OOMKilled"), "stage-out": {"running": {}}}, plan)
    assert told(found)[0] == "EXECUTOR_ERROR"


def test_an_input_that_cannot_be_fetched_ends_the_attempt_as_its_transfer_said() -> None:
    failed = [{"name": "stage-in", "state": ended('{"outcome": "SYSTEM_ERROR", "reason": "404"}', 1, "Error")}]
    found = judged({"executor-0": waiting("PodInitializing")}, initContainerStatuses=failed)
    assert told(found) == ("SYSTEM_ERROR", "404")


RUNNING = {"running": {"startedAt": "1970-01-01T00:00:05Z"}}
TWO = build(work({}, {}), SITE)


def heard(containers: dict[str, dict[str, Any]], *messages: str, plan: PodPlan = PLAN, **more: Any) -> Progress:
    """The verdict where launchers have said this in the workspace."""
    return judge(parse_pod(pod_body(containers, **more), "penstock/attempt"), plan, messages)


def test_what_a_launcher_says_in_the_workspace_counts_before_the_kubelet_has_looked() -> None:
    found = heard({"executor-0": RUNNING}, GOOD)
    assert (told(found), found.started_us) == (("COMPLETE", ""), 1_000_000)
    assert found == judged({"executor-0": ended(GOOD)})


@pytest.mark.parametrize("message", ["1 2 3 0m0s 0m0s 1 0 0", "1 2 137 0m0s 0m0s 1 1 0", "1 2 137 0m0s 0m0s 1 0 1"])
def test_it_is_judged_as_the_kubelets_word(message: str) -> None:
    assert told(heard({"executor-0": RUNNING}, message)) == told(judged({"executor-0": ended(message, 1)}))


def test_an_executor_that_is_still_to_come_is_waited_for() -> None:
    both = {"executor-0": RUNNING, "executor-1": RUNNING}
    assert not heard(both, GOOD, plan=TWO).ended
    assert told(heard(both, GOOD, GOOD, plan=TWO)) == ("COMPLETE", "")


def test_the_kubelets_word_stands_where_it_has_come() -> None:
    killed = {"executor-0": ended("", 137, "OOMKilled")}
    assert told(heard(killed, GOOD)) == told(judged(killed))
