"""Why a workload failed."""

from __future__ import annotations

from penstock.tasks.models import Attempt, AttemptLog, Executor, ExecutorLog, Kind, State, Task, TaskSpec, Terms
from penstock.workloads.failures import failure_reason, logs, rule, said


def task(stderr: str = "", reason: str = "", name: str = "align[sample=x]", **more: object) -> Task:
    executors = [
        ExecutorLog(start_us=0, exit_code=0, stderr="fine"),
        ExecutorLog(start_us=0, exit_code=1, stderr=stderr),
    ]
    attempt = Attempt(
        id="t-1", task="t", number=1, site="local", state="finished", created_us=0, log=AttemptLog(executors=executors)
    )
    values: dict[str, object] = {
        "id": "t",
        "owner": "ada",
        "kind": Kind.PROCESS,
        "workload": "w",
        "key": "k",
        "state": State.EXECUTOR_ERROR,
        "reason": reason,
        "sequence": 1,
        "created_us": 0,
        "started_us": 0,
        "ended_us": 0,
        "spec": TaskSpec(name=name, executors=[Executor(image="i", command=["x"])]),
        "terms": Terms(),
        "attempts": [attempt],
    }
    return Task.model_validate({**values, **more})


def test_the_last_error_line_of_the_failed_process_is_quoted() -> None:
    failed = task("warming up\nerror: early\nerror: reads.fq is truncated\ntraceback\n")
    assert failure_reason(task(), [failed]) == "align: error: reads.fq is truncated"


def test_without_an_error_line_the_last_line_is_quoted() -> None:
    assert failure_reason(None, [task("one\ntwo\n\n")]) == "align: two"


def test_a_process_that_said_nothing_is_told_by_its_tasks_reason() -> None:
    assert failure_reason(None, [task("", "It used more than 2 GB of memory.")]) == (
        "align: It used more than 2 GB of memory."
    )


def test_only_the_first_failure_is_quoted_and_the_others_are_counted() -> None:
    reason = failure_reason(None, [task("error: a"), task("error: b"), task("error: c")])
    assert reason == "align: error: a (2 more processes failed.)"


def test_an_engine_that_failed_by_itself_is_told_by_its_head_task() -> None:
    head = task("error: no such rule", "exit code 1", name="variants 1")
    assert failure_reason(head, []) == "The engine failed: exit code 1 error: no such rule"
    assert failure_reason(None, []) == "The workload's head task is gone."


def test_a_rule_is_the_tag_or_the_first_part_of_the_name() -> None:
    spec = TaskSpec(name="x[y]", executors=[Executor(image="i", command=["x"])], tags={"rule": "call"})
    assert rule(task(spec=spec)) == "call"
    assert rule(task(name="sort[sample=a]")) == "sort"


def test_a_task_without_attempts_has_only_its_reason() -> None:
    assert said(task(reason="It can never fit.", attempts=[])) == "It can never fit."


def test_a_line_without_end_is_cut() -> None:
    assert len(said(task("error: " + "x" * 5000))) == 1000


def test_logs_have_a_safe_name_and_everything_that_was_said() -> None:
    written = logs(task("head words", name="variants 1"), [task("process words", name="a/b c[x]")])
    assert sorted(written) == ["a_b_c.t.txt", "engine.txt"]
    assert "process words" in written["a_b_c.t.txt"]
    assert "exited with 1" in written["engine.txt"]
