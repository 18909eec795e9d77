"""kill -9 of the server in the middle of an upload, and while it prepares: the same workload goes on."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.clock import Deadline

WAIT_S = 40.0
CONTENT = bytes(range(256)) * 4096 * 48  # 48 MiB
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def lines(server: Any, catalogue: Path) -> Any:
    """The server with the small pipeline in its catalogue."""
    server.stop()
    server.environment["PENSTOCK_CATALOGUE"] = str(catalogue)
    server.start()
    return server


def create(server: Any, content: bytes) -> dict[str, Any]:
    one = {"role": "text", "name": "a.txt", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    answer = httpx.post(f"{server.url}/api/v1/workloads", json={"pipeline": "lines", "inputs": [one]})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def offset(server: Any, created: dict[str, Any]) -> int:
    answer = httpx.head(f"{server.url}/uploads/{upload_id(created)}", headers={"Tus-Resumable": "1.0.0"})
    return int(answer.headers["Upload-Offset"])


def upload_id(created: dict[str, Any]) -> str:
    identifier: str = created["uploads"][0]["url"].rpartition("/")[2]
    return identifier


def send(server: Any, created: dict[str, Any], at: int, body: bytes | Iterator[bytes]) -> httpx.Response:
    headers = {**TUS, "Upload-Offset": str(at)}
    return httpx.patch(f"{server.url}/uploads/{upload_id(created)}", content=body, headers=headers, timeout=WAIT_S)


def state_on_disk(server: Any, workload: str) -> str:
    """What a kill left in the database."""
    with sqlite3.connect(server.data / "penstock.db") as database:
        (state,) = database.execute("SELECT state FROM workloads WHERE id = ?", (workload,)).fetchone()
    return str(state)


def until_past(server: Any, workload: str, *states: str) -> dict[str, Any]:
    after, deadline = 0, Deadline.after(WAIT_S)
    while not deadline.passed:
        asked = {"wait": 10, "after": after}
        body = httpx.get(f"{server.url}/api/v1/workloads/{workload}", params=asked, timeout=WAIT_S).json()
        if body["state"] not in states:
            return dict(body)
        after = body["sequence"]
    pytest.fail(f"it stays {body['state']}: {body['reason']}")


def states(server: Any, workload: str) -> list[str]:
    events = httpx.get(f"{server.url}/api/v1/workloads/{workload}/events").json()["events"]
    return [event["state"] for event in events]


def test_a_kill_in_the_middle_of_an_upload_loses_nothing_that_was_acknowledged(lines: Any) -> None:
    created = create(lines, CONTENT)
    path = lines.data / "workspace" / "incoming" / upload_id(created)
    first = 1 << 20
    assert send(lines, created, 0, CONTENT[:first]).status_code == 204

    def until_killed() -> Iterator[bytes]:
        for start in range(first, len(CONTENT), 65536):
            if path.stat().st_size > 20 << 20:
                lines.kill()
            yield CONTENT[start : start + 65536]

    with pytest.raises(httpx.TransportError):
        send(lines, created, first, until_killed())
    arrived = path.stat().st_size
    assert 20 << 20 < arrived < len(CONTENT)
    assert state_on_disk(lines, created["id"]) == "UPLOADING"
    lines.start()
    assert offset(lines, created) == arrived
    assert send(lines, created, arrived, CONTENT[arrived:]).status_code == 204
    body = until_past(lines, created["id"], "UPLOADING", "PREPARING")
    assert "SHA-256" not in body["reason"]
    assert states(lines, created["id"])[:3] == ["UPLOADING", "PREPARING", "QUEUED"]


def kill_while_preparing(server: Any) -> dict[str, Any]:
    """Send a file, and kill the server as soon as the database says that it prepares the workload."""
    created = create(server, CONTENT)

    def watch() -> None:
        query = "SELECT state FROM workloads WHERE id = ?"
        deadline = Deadline.after(WAIT_S)
        with sqlite3.connect(server.data / "penstock.db") as reader:
            while reader.execute(query, (created["id"],)).fetchone() == ("UPLOADING",) and not deadline.passed:
                pass
        server.process.kill()

    watcher = threading.Thread(target=watch)
    watcher.start()
    with suppress(httpx.TransportError):  # the kill may come before the answer: the bytes were durable before that
        send(server, created, 0, CONTENT)
    watcher.join()
    server.kill()
    return created


def test_a_kill_while_preparing_prepares_again(lines: Any) -> None:
    for _ in range(5):  # on a busy machine the kill can come late
        created = kill_while_preparing(lines)
        hit = state_on_disk(lines, created["id"]) == "PREPARING"
        lines.start()
        if hit:
            break
    assert hit
    body = until_past(lines, created["id"], "UPLOADING", "PREPARING")
    assert "SHA-256" not in body["reason"]
    assert body["inputs"][0]["received"] == len(CONTENT)
    assert states(lines, created["id"])[:3] == ["UPLOADING", "PREPARING", "QUEUED"]
    assert list((lines.data / "workspace" / "incoming").iterdir()) == []
