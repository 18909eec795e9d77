"""A task as TES shows it, compared as a whole."""

from __future__ import annotations

from penstock.tasks.listing import Brief
from penstock.tasks.models import (
    Attempt,
    AttemptLog,
    ExecutorLog,
    Kind,
    Outcome,
    Published,
    State,
    Task,
    TaskSpec,
    Terms,
)
from penstock.tes.models import View
from penstock.tes.views import minimal, view

ID = "01m7ydb9z7hsnntn32j1ppn3bm"
SECOND = 1_000_000


def _task(**changes: object) -> Task:
    spec = TaskSpec.model_validate(
        {
            "name": "hello",
            "inputs": [{"path": "/in", "content": "text"}],
            "outputs": [{"path": "/out", "url": "file:///workspace/owners/ada/o"}],
            "resources": {"cpu_cores": 1, "backend_parameters": {"priority": "1", "queue": "x"}},
            "executors": [{"image": "i", "command": ["cat"]}],
        }
    )
    values: dict[str, object] = {
        "id": ID,
        "owner": "ada",
        "kind": Kind.PROCESS,
        "workload": None,
        "key": None,
        "state": State.COMPLETE,
        "reason": "",
        "sequence": 0,
        "created_us": SECOND,
        "started_us": 2 * SECOND,
        "ended_us": 3 * SECOND,
        "spec": spec,
        "terms": Terms(),
    }
    return Task.model_validate({**values, **changes})


def _attempt(number: int = 1, **changes: object) -> Attempt:
    log = AttemptLog(
        executors=[
            ExecutorLog(start_us=2 * SECOND, end_us=3 * SECOND, stdout="out", stderr="err", cpu_s=0.5, peak_bytes=1024)
        ],
        outputs=[Published(url="file:///workspace/owners/ada/o", path="/out", size_bytes=7)],
        system_logs=["tools: bwa 0.7.17"],
    )
    values: dict[str, object] = {
        "id": f"{ID}-{number}",
        "task": ID,
        "number": number,
        "site": "local",
        "state": "finished",
        "outcome": Outcome.COMPLETE,
        "created_us": SECOND,
        "started_us": 2 * SECOND,
        "ended_us": 3 * SECOND,
        "log": log,
    }
    return Attempt.model_validate({**values, **changes})


def test_minimal_tells_id_and_state_only() -> None:
    shown = minimal(Brief(ID, "ada", None, State.COMPLETE))
    assert shown.model_dump(exclude_none=True) == {"id": ID, "state": State.COMPLETE}


def test_full_tells_everything() -> None:
    shown = view(_task(attempts=[_attempt()]), View.FULL).model_dump(mode="json", exclude_none=True)
    assert shown == {
        "id": ID,
        "state": "COMPLETE",
        "name": "hello",
        "inputs": [{"path": "/in", "type": "FILE", "content": "text"}],
        "outputs": [{"path": "/out", "url": "file:///workspace/owners/ada/o", "type": "FILE"}],
        "resources": {"cpu_cores": 1.0, "backend_parameters": {"priority": "1"}},
        "executors": [{"image": "i", "command": ["cat"]}],
        "creation_time": "1970-01-01T00:00:01.000000Z",
        "logs": [
            {
                "logs": [
                    {
                        "start_time": "1970-01-01T00:00:02.000000Z",
                        "end_time": "1970-01-01T00:00:03.000000Z",
                        "stdout": "out",
                        "stderr": "err",
                        "exit_code": 0,
                    }
                ],
                "metadata": {
                    "attempt": f"{ID}-1",
                    "site": "local",
                    "executor.0.cpu_s": "0.500",
                    "executor.0.peak_bytes": "1024",
                },
                "start_time": "1970-01-01T00:00:02.000000Z",
                "end_time": "1970-01-01T00:00:03.000000Z",
                "outputs": [{"url": "file:///workspace/owners/ada/o", "path": "/out", "size_bytes": "7"}],
                "system_logs": ["tools: bwa 0.7.17"],
            }
        ],
    }


def test_basic_leaves_out_streams_content_and_system_logs() -> None:
    shown = view(_task(attempts=[_attempt()]), View.BASIC).model_dump(mode="json", exclude_none=True)
    assert "content" not in shown["inputs"][0]
    assert "system_logs" not in shown["logs"][0]
    assert {"stdout", "stderr"} & shown["logs"][0]["logs"][0].keys() == set()
    assert shown["logs"][0]["logs"][0]["exit_code"] == 0


def test_every_attempt_has_its_log_and_the_last_tells_the_reason() -> None:
    lost = _attempt(1, state="lost", outcome=Outcome.LOST, reason="the node is gone", log=AttemptLog())
    task = _task(state=State.SYSTEM_ERROR, reason="All 2 attempts were lost.", attempts=[lost, _attempt(2)])
    logs = view(task, View.FULL).logs
    assert logs is not None
    assert logs[0].system_logs == ["the node is gone"]
    assert (logs[1].system_logs or [])[-1] == "All 2 attempts were lost."


def test_a_task_that_never_ran_tells_why() -> None:
    logs = view(_task(state=State.SYSTEM_ERROR, reason="It can never run here."), View.FULL).logs
    assert logs is not None
    assert (logs[0].logs, logs[0].outputs, logs[0].system_logs) == ([], [], ["It can never run here."])


def test_a_queued_task_has_no_logs() -> None:
    assert view(_task(state=State.QUEUED, started_us=None, ended_us=None), View.FULL).logs is None
