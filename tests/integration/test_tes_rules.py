"""Rules of TES 1.1 that clients stumble over, one by one, over real HTTP; the long way through is ``test_tes.py``."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.conftest import TOOLS, Tes

from penstock.names import new_id

NOWHERE = {"backend_parameters": {"priority": "-100"}, "cpu_cores": 0.01, "ram_gb": 0.01}
TRUE = [{"image": TOOLS, "command": ["true"]}]


def _many(tes: Tes, run: str, count: int) -> list[str]:
    """So many tasks of this run, created in one call."""
    task = {"executors": TRUE, "tags": {"run": run}, "resources": NOWHERE}
    url = str(tes.http.base_url.copy_with(path="/api/v1/tasks:batch"))
    answer = tes.http.post(url, json={"tasks": [{"task": task}] * count})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["tasks"]]


def test_a_page_has_256_tasks_unless_more_are_asked_for(tes: Tes) -> None:
    run = new_id()
    ids = _many(tes, run, 257)
    mine: dict[str, Any] = {"tag_key": "run", "tag_value": run}
    page = tes.http.get("/tasks", params=mine).json()
    assert len(page["tasks"]) == 256
    [last] = tes.http.get("/tasks", params={**mine, "page_token": page["next_page_token"]}).json()["tasks"]
    assert last["id"] == min(ids)
    whole = tes.http.get("/tasks", params={**mine, "page_size": 257}).json()
    assert len(whole["tasks"]) == 257
    assert "next_page_token" not in whole  # it is full, and nothing comes after it
    for one in ids:
        tes.cancel(one)


@pytest.mark.parametrize(("size", "status"), [(1, 200), (2047, 200), (2048, 400), (0, 400), (-1, 400), ("x", 400)])
def test_a_page_size_is_below_2048(tes: Tes, size: object, status: int) -> None:
    assert tes.http.get("/tasks", params={"page_size": str(size)}).status_code == status


def test_a_name_prefix_is_no_pattern(tes: Tes) -> None:
    run = new_id()
    wanted, _ = (tes.create(["true"], name=f"{run}{end}") for end in ("5%_x", "55abx"))
    found = tes.http.get("/tasks", params={"name_prefix": f"{run}5%_"}).json()["tasks"]
    assert [one["id"] for one in found] == [wanted]


def test_what_an_input_is_is_filled_in(tes: Tes) -> None:
    task = tes.run("cat /in", inputs=[{"path": "/in", "content": "x"}])
    assert task["inputs"][0]["type"] == "FILE"


def test_content_may_be_longer_than_128_kib_and_wins_over_a_url(tes: Tes) -> None:
    content = "0123456789abcdef" * (16 << 10)
    given = {"path": "/in", "content": content, "url": "file:///workspace/owners/local/data/none"}
    task = tes.run("wc -c </in; tail -c 16 /in", inputs=[given])
    assert task["logs"][0]["logs"][0]["stdout"] == f"{len(content)}\n0123456789abcdef"


def test_canceling_what_has_ended_is_200_and_changes_nothing(tes: Tes) -> None:
    task = tes.run("true")
    answer = tes.cancel(task["id"])
    assert (answer.status_code, answer.json()) == (200, {})
    assert tes.get(task["id"]) == task


def test_a_retry_is_a_further_entry_of_the_logs(tes: Tes) -> None:
    again = {"backend_parameters": {"retry_on_exit": "3", "attempts": "2"}}
    task = tes.run("echo tried; exit 3", resources=again)
    assert task["state"] == "EXECUTOR_ERROR"
    assert [log["logs"][0]["exit_code"] for log in task["logs"]] == [3, 3]
    assert [log["logs"][0]["stdout"] for log in task["logs"]] == ["tried\n"] * 2


def test_a_wildcard_that_matches_nothing_uploads_nothing(tes: Tes) -> None:
    output = {"path": "/out/*.txt", "path_prefix": "/out", "url": "file:///workspace/owners/local/data/nothing"}
    task = tes.run("mkdir -p /out", outputs=[output], volumes=["/out"])
    assert (task["state"], task["logs"][0]["outputs"]) == ("COMPLETE", [])


def test_a_wildcard_needs_a_prefix_to_cut_off(tes: Tes) -> None:
    output = {"path": "/out/*.txt", "url": "file:///workspace/owners/local/data/nothing"}
    answer = tes.http.post("/tasks", json={"executors": TRUE, "outputs": [output]})
    assert answer.status_code == 400
    assert "path_prefix" in answer.json()["msg"]


def test_a_working_directory_that_no_image_has_is_made(tes: Tes) -> None:
    task = tes.create(executors=[{"image": TOOLS, "command": ["pwd"], "workdir": "/nowhere/else"}])
    assert tes.wait(task)["logs"][0]["logs"][0]["stdout"] == "/nowhere/else\n"


def test_a_task_that_is_minimal_has_two_fields(tes: Tes) -> None:
    task = tes.run("true")["id"]
    for query in ({}, {"view": "MINIMAL"}):
        assert tes.http.get(f"/tasks/{task}", params=query).json() == {"id": task, "state": "COMPLETE"}
