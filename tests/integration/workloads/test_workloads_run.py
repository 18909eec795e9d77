"""Workloads on a real server with its agent and a real engine: they succeed, fail in words, and are canceled."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.clock import Deadline

WAIT_S = 90.0
SNAKEFILE = """
rule all:
    input: "results/total.txt"
rule total:
    input: config["inputs"]["text"]
    output: "results/total.txt"
    shell:
        "if grep -q hang {input}; then sleep 600; fi;"
        " if grep -q bad {input}; then echo 'error: {input} is bad' >&2; exit 3; fi;"
        " cat {input} | wc -l > {output}"
"""


@pytest.fixture
def lines(server: Any, catalogue: Path) -> Any:
    """The server with a pipeline that counts lines."""
    (catalogue / "lines" / "Snakefile").write_text(SNAKEFILE)
    server.stop()
    server.environment["PENSTOCK_CATALOGUE"] = str(catalogue)
    server.start()
    return server


def submit(server: Any, content: bytes) -> dict[str, Any]:
    one = {"role": "text", "name": "a.txt", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    created: dict[str, Any] = httpx.post(
        f"{server.url}/api/v1/workloads", json={"pipeline": "lines", "inputs": [one]}
    ).json()
    kind = "application/offset+octet-stream"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": kind}
    assert httpx.patch(created["uploads"][0]["url"], content=content, headers=headers).status_code == 204
    return created


def follow(server: Any, workload: str, *states: str, running: int = 0) -> dict[str, Any]:
    """The workload once it is in one of the states and that many processes run."""
    after, deadline = 0, Deadline.after(WAIT_S)
    while not deadline.passed:
        asked = {"wait": 20, "after": after}
        answer = httpx.get(f"{server.url}/api/v1/workloads/{workload}", params=asked, timeout=WAIT_S)
        body: dict[str, Any] = answer.json()
        if answer.status_code == 410:
            return body
        if body["state"] in states and body["progress"]["running"] >= running:
            return body
        after = body["sequence"]
    pytest.fail(f"it stays {body['state']}: {body['reason']}\n{server.log()}")


def traces(server: Any, workload: str) -> list[Path]:
    tasks = list((server.data / "workspace" / "tasks").iterdir())
    return [path for path in (server.data / "workspace").rglob("*") if path.name == workload] + tasks


def test_a_workload_succeeds_and_is_removed_without_a_trace(lines: Any) -> None:
    created = submit(lines, b"a\nb\nc\n")
    body = follow(lines, created["id"], "SUCCEEDED", "FAILED")
    assert body["state"] == "SUCCEEDED", body["reason"]
    assert body["progress"]["done"] == 1
    account = (created["account"]["name"], created["account"]["secret"])
    url = next(one["url"] for one in body["results"] if one["name"] not in ("report.html", "ro-crate-metadata.json"))
    assert httpx.get(url, auth=account).text == "3\n"
    httpx.post(f"{lines.url}/api/v1/workloads/{created['id']}:acknowledge")
    assert follow(lines, created["id"])["code"] == "gone"
    assert traces(lines, created["id"]) == []


def test_a_failed_process_is_quoted_and_its_words_can_be_downloaded(lines: Any) -> None:
    created = submit(lines, b"bad\n")
    body = follow(lines, created["id"], "SUCCEEDED", "FAILED")
    path = f"/workspace/workloads/{created['id']}/inputs/text/a.txt"
    assert (body["state"], body["reason"]) == ("FAILED", f"total: error: {path} is bad")
    names = [one["name"] for one in body["results"]]
    assert "logs/engine.txt" in names
    assert any(name.startswith("logs/total.") for name in names)


def test_a_running_workload_is_canceled_and_its_processes_end(lines: Any) -> None:
    created = submit(lines, b"hang\n")
    follow(lines, created["id"], "RUNNING", running=1)
    assert httpx.post(f"{lines.url}/api/v1/workloads/{created['id']}:cancel").status_code == 202
    body = follow(lines, created["id"], "CANCELED")
    assert body["progress"]["running"] == 0
    httpx.post(f"{lines.url}/api/v1/workloads/{created['id']}:acknowledge")
    follow(lines, created["id"])
    assert traces(lines, created["id"]) == []


def test_a_workload_survives_a_kill_of_the_server_while_it_runs(lines: Any) -> None:
    created = submit(lines, b"hang\n")
    follow(lines, created["id"], "RUNNING", running=1)
    lines.kill()
    lines.start()
    body = follow(lines, created["id"], "RUNNING", running=1)
    assert body["progress"]["failed"] == 0
    httpx.post(f"{lines.url}/api/v1/workloads/{created['id']}:cancel")
    follow(lines, created["id"], "CANCELED")
