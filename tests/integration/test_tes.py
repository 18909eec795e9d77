"""TES over real HTTP, with tasks that really run and side effects that are checked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer
from tests.integration.conftest import TOOLS, Tes

from penstock.clock import Deadline
from penstock.names import new_id

DATA = "file:///workspace/owners/local/data"


def _workspace(server: RunningServer) -> Path:
    return server.data / "workspace"


def _executors(task: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = task["logs"][-1]["logs"]
    return found


def test_a_task_runs_and_tells_what_it_did(tes: Tes) -> None:
    task = tes.run("echo out; echo err >&2")
    assert task["state"] == "COMPLETE"
    (log,) = _executors(task)
    assert (log["stdout"], log["stderr"], log["exit_code"]) == ("out\n", "err\n", 0)
    assert log["start_time"] <= log["end_time"]  # pods tell hundredths of a second
    assert task["logs"][0]["outputs"] == []


@pytest.mark.parametrize("prefix", ["/ga4gh/tes/v1", "/v1"])
def test_both_prefixes_answer_and_others_are_404(shared_server: RunningServer, prefix: str) -> None:
    with httpx.Client(base_url=shared_server.url, trust_env=False) as http:
        for path in ("/service-info", "/tasks/service-info", "/tasks"):
            assert http.get(prefix + path).status_code == 200
        assert http.get("/tes/v1/service-info").status_code == 404
        assert http.get(f"{prefix}/service-info").json()["type"]["artifact"] == "tes"


def test_inputs_appear_at_their_paths_and_outputs_at_their_urls(tes: Tes, shared_server: RunningServer) -> None:
    data = _workspace(shared_server) / "owners/local/data"
    (data / "dir").mkdir(parents=True)
    (data / "in.txt").write_text("from a file")
    (data / "dir" / "x").write_text("from a directory")
    task = tes.run(
        "cat /in/file /in/dir/x /in/text > /out/all; mkdir -p /out/d/e; echo 1 > /out/d/e/f; echo 2 > /out/w.1",
        inputs=[
            {"url": f"{DATA}/in.txt", "path": "/in/file"},
            {"url": f"{DATA}/dir", "path": "/in/dir", "type": "DIRECTORY"},
            {"content": "from the task", "path": "/in/text"},
        ],
        outputs=[
            {"url": f"{DATA}/new/all", "path": "/out/all"},
            {"url": f"{DATA}/new/d", "path": "/out/d", "type": "DIRECTORY"},
            {"url": f"{DATA}/new", "path": "/out/w.*", "path_prefix": "/out"},
        ],
    )
    assert task["state"] == "COMPLETE", task
    assert (data / "new/all").read_text() == "from a filefrom a directoryfrom the task"
    assert (data / "new/d/e/f").read_text() == "1\n"
    assert (data / "new/w.1").read_text() == "2\n"
    urls = sorted(one["url"] for one in task["logs"][0]["outputs"])
    assert urls == [f"{DATA}/new/all", f"{DATA}/new/d/e/f", f"{DATA}/new/w.1"]
    assert all(isinstance(one["size_bytes"], str) for one in task["logs"][0]["outputs"])


def test_nothing_of_an_attempt_is_left_in_the_workspace(tes: Tes, shared_server: RunningServer) -> None:
    task = tes.run("echo x > /o", outputs=[{"url": f"{DATA}/o", "path": "/o"}])
    assert task["state"] == "COMPLETE"
    folder, deadline = _workspace(shared_server) / "tasks" / task["id"], Deadline.after(10)
    while any(folder.glob("*/*")):  # the agent removes it once the server has taken its report
        assert not deadline.passed, sorted(folder.rglob("*"))
        time.sleep(0.02)


def test_executors_run_in_order_and_stop_at_the_first_that_fails(tes: Tes) -> None:
    executors = [
        {"image": TOOLS, "command": ["sh", "-c", "echo 1 >> /v/log"]},
        {"image": TOOLS, "command": ["sh", "-c", "echo 2 >> /v/log; exit 3"], "ignore_error": True},
        {"image": TOOLS, "command": ["sh", "-c", "cat /v/log; exit 4"]},
        {"image": TOOLS, "command": ["sh", "-c", "echo never"]},
    ]
    task = tes.wait(tes.create(executors=executors, volumes=["/v"]))
    assert task["state"] == "EXECUTOR_ERROR"
    assert [one["exit_code"] for one in _executors(task)] == [0, 3, 4]
    assert _executors(task)[2]["stdout"] == "1\n2\n"


def test_a_command_that_cannot_start_is_127_or_126(tes: Tes) -> None:
    missing = tes.wait(tes.create(["no-such-program"]))
    assert (missing["state"], [one["exit_code"] for one in _executors(missing)]) == ("EXECUTOR_ERROR", [127])
    forbidden = tes.wait(tes.create(["/etc/passwd"]))
    assert (forbidden["state"], [one["exit_code"] for one in _executors(forbidden)]) == ("EXECUTOR_ERROR", [126])


def test_outputs_are_published_after_an_executor_failed_too(tes: Tes, shared_server: RunningServer) -> None:
    task = tes.run("echo 5 > /o; exit 5", outputs=[{"url": f"{DATA}/exitcode", "path": "/o"}])
    assert task["state"] == "EXECUTOR_ERROR"
    assert (_workspace(shared_server) / "owners/local/data/exitcode").read_text() == "5\n"


def test_a_missing_input_is_a_system_error_that_names_it(tes: Tes) -> None:
    task = tes.run("true", inputs=[{"url": f"{DATA}/missing.txt", "path": "/in"}])
    assert task["state"] == "SYSTEM_ERROR"
    assert f"{DATA}/missing.txt" in " ".join(task["logs"][-1]["system_logs"])


def test_a_missing_output_is_a_system_error_that_names_it(tes: Tes) -> None:
    task = tes.run("true", outputs=[{"url": f"{DATA}/o", "path": "/never-made"}])
    assert task["state"] == "SYSTEM_ERROR"
    assert "/never-made" in " ".join(task["logs"][-1]["system_logs"])


def test_a_canceled_task_ends_with_its_whole_tree(tes: Tes) -> None:
    task = tes.shell("(sleep 1000 &) ; sleep 1000")
    tes.wait(task, {"RUNNING"})
    assert tes.cancel(task).json() == {}
    ended = tes.wait(task)
    assert ended["state"] == "CANCELED"
    assert tes.cancel(task).status_code == 200


def test_clients_of_tes_1_0_never_hear_of_canceling(tes: Tes, shared_server: RunningServer) -> None:
    task = tes.shell("trap '' TERM; sleep 1000 & wait; sleep 1000")
    tes.wait(task, {"RUNNING"})
    states: set[str] = set()
    tes.cancel(task)
    with httpx.Client(base_url=f"{shared_server.url}/v1", trust_env=False) as http:
        deadline = Deadline.after(30)
        while "CANCELED" not in states:
            assert not deadline.passed
            states.add(http.get(f"/tasks/{task}").json()["state"])
            states |= {one["state"] for one in http.get("/tasks", params={"page_size": 20}).json()["tasks"]}
    assert "CANCELING" not in states
    old = httpx.get(f"{shared_server.url}/v1/tasks/service-info", trust_env=False).json()
    assert set(old) == {"name", "doc", "storage"}


def test_a_cancel_right_after_create_wins(tes: Tes) -> None:
    task = tes.shell("echo quick")
    tes.cancel(task)
    assert tes.wait(task)["state"] == "CANCELED"


def test_a_task_that_can_never_run_is_refused_with_the_reason(tes: Tes) -> None:
    for resources in ({"cpu_cores": 4096}, {"backend_parameters": {"tags": '{"disk": "tape"}'}}):
        body = {"executors": [{"image": TOOLS, "command": ["true"]}], "resources": resources}
        answer = tes.http.post("/tasks", json=body)
        assert answer.status_code == 400, answer.text
        assert "can never run here" in answer.json()["msg"]


def test_a_time_limit_ends_a_task_and_says_so(tes: Tes) -> None:
    task = tes.run("sleep 1000", resources={"backend_parameters": {"time_limit_s": "1"}})
    assert task["state"] == "EXECUTOR_ERROR"
    assert "limit" in " ".join(task["logs"][-1]["system_logs"])


def test_lists_are_paged_newest_first_and_filtered(tes: Tes) -> None:
    run = new_id()
    ids = [tes.create(["true"], name=f"{run}-{n}", tags={"n": str(n % 2), "run": run}) for n in range(5)]
    for one in ids:
        tes.wait(one)
    first = tes.http.get("/tasks", params={"page_size": 2}).json()
    assert [one["id"] for one in first["tasks"]] == ids[:-3:-1]
    mine: dict[str, Any] = {"tag_key": "run", "tag_value": run, "page_size": 3}
    rest = tes.http.get("/tasks", params={**mine, "page_token": first["next_page_token"]}).json()
    assert [one["id"] for one in rest["tasks"]] == ids[2::-1]
    assert "next_page_token" not in rest

    def found(**query: Any) -> set[str]:
        return {one["id"] for one in tes.http.get("/tasks", params=query).json()["tasks"]}

    assert found(name_prefix=f"{run}-3") == {ids[3]}
    assert found(tag_key=["run", "n"], tag_value=[run, "1"]) == {ids[1], ids[3]}
    assert found(tag_key=["run", "n"], tag_value=[run]) == set(ids)
    assert found(state="COMPLETE", name_prefix=run) == set(ids)
    assert found(state="QUEUED", name_prefix=run) == set()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "executors"),
        ({"executors": []}, "executors"),
        ({"executors": [{"image": TOOLS}]}, "command"),
        ({"executors": [{"image": TOOLS, "command": ["true"]}] * 65}, "at most 64"),
        ({"executors": [{"image": TOOLS, "command": ["true"]}], "inputs": [{"path": "in", "content": ""}]}, "'in'"),
        (
            {
                "executors": [{"image": TOOLS, "command": ["true"]}],
                "resources": {"backend_parameters": {"x": "1"}, "backend_parameters_strict": True},
            },
            "'x'",
        ),
    ],
)
def test_a_wrong_request_is_400_with_what_was_wrong(tes: Tes, body: dict[str, Any], told: str) -> None:
    answer = tes.http.post("/tasks", json=body)
    assert answer.status_code == 400
    assert answer.json()["status_code"] == 400
    assert told in answer.json()["msg"]


def test_an_unknown_task_is_404(tes: Tes) -> None:
    for task in ("nothing", "01m7ydb9z7hsnntn32j1ppn3bm"):
        answer = tes.http.get(f"/tasks/{task}")
        assert (answer.status_code, answer.json()["status_code"]) == (404, 404)
        assert tes.cancel(task).status_code == 404


def test_an_executor_sees_nothing_but_what_was_declared(tes: Tes, shared_server: RunningServer) -> None:
    script = (
        f"ls -d {shared_server.data} {Path.home()} /home/* 2>&1; ls /workspace 2>&1; ls /sys/class/net; ps -e | wc -l"
    )
    log = _executors(tes.run(script))[0]["stdout"]
    assert "secrets" not in log
    assert str(shared_server.data) in log.replace("'", "")  # named in ls's complaint only
    assert "eth0" not in log


def test_a_task_uses_what_a_site_allows_by_path(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "in").write_text("allowed")
    one = RunningServer(tmp_path / "server", arguments=("--allow-path", str(shared)))
    one.start()
    try:
        client = Tes(one.url)
        task = client.run(
            "cat /in > /out",
            inputs=[{"url": f"file://{shared}/in", "path": "/in"}],
            outputs=[{"url": f"file://{shared}/out", "path": "/out"}],
        )
        assert task["state"] == "COMPLETE", task
        assert (shared / "out").read_text() == "allowed"
        client.http.close()
    finally:
        one.stop()


def test_other_paths_of_the_machine_are_refused(tes: Tes) -> None:
    task = tes.run("true", inputs=[{"url": "file:///etc/hostname", "path": "/in"}])
    assert task["state"] == "SYSTEM_ERROR"
    assert "file:///etc/hostname" in " ".join(task["logs"][-1]["system_logs"])
