"""Twenty workloads at once on a small machine: head tasks never starve the processes they wait for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.conftest import RunningServer

from penstock.clock import Deadline

PIPELINES = Path(__file__).resolve().parents[1] / "data" / "pipelines"
MANY = 20
LIMIT_S = 300.0


@pytest.fixture
def busy_server(tmp_path: Path, store_url: str) -> Iterator[RunningServer]:
    """A site of 16 slots: eight for head tasks, so that most of the workloads have to wait for one."""
    (tmp_path / "database").write_text(store_url)
    environment = {
        "PENSTOCK_CATALOGUE": str(PIPELINES),
        "PENSTOCK_SLOTS": "16",
        "PENSTOCK_CPU_CORES": "2",
        "PENSTOCK_DATABASE_URL_FILE": str(tmp_path / "database"),
    }
    one = RunningServer(tmp_path / "server", environment=environment)
    one.start()
    yield one
    one.stop()


def _submit(http: httpx.Client, number: int) -> str:
    content = f"input {number}".encode()
    made = http.post(
        "/api/v1/workloads",
        json={
            "pipeline": "endurance",
            "parameters": {"seconds": 0.2, "files": 3, "processes": 3},
            "inputs": [
                {
                    "role": "data",
                    "name": "data.bin",
                    "size": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            ],
        },
    )
    assert made.status_code == 201, made.text
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    sent = http.patch(httpx.URL(made.json()["uploads"][0]["url"]).path, content=content, headers=headers)
    assert sent.status_code == 204, sent.text
    return str(made.json()["id"])


def _finish(http: httpx.Client, workload: str, deadline: Deadline) -> str:
    after = 0
    while not deadline.passed:
        told = http.get(f"/api/v1/workloads/{workload}", params={"wait": 20, "after": after}).json()
        after = told["sequence"]
        if told["state"] in ("SUCCEEDED", "FAILED", "CANCELED"):
            return f"{told['state']} {told['reason']}".strip()
    return "not in time"


async def _rows(url: str, query: str) -> list[tuple[int, int]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


def _heads_at_once(url: str) -> int:
    """The most head tasks that ran at the same time, from the store's own times."""
    query = """SELECT attempts.created_us, attempts.ended_us FROM attempts JOIN tasks ON tasks.id = attempts.task
               WHERE tasks.kind = 'head'"""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
            spans = store.execute(query).fetchall()
    else:
        spans = asyncio.run(_rows(url, query))
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most


def test_twenty_workloads_at_once_all_finish(busy_server: RunningServer, store_url: str) -> None:
    deadline = Deadline.after(LIMIT_S)
    with httpx.Client(base_url=busy_server.url, trust_env=False, timeout=60) as http:
        workloads = [_submit(http, number) for number in range(MANY)]
        ended = [_finish(http, workload, deadline) for workload in workloads]
        assert [one.partition(" ")[0] for one in ended] == ["SUCCEEDED"] * MANY, ended
        assert 2 <= _heads_at_once(store_url) <= 8
        for workload, number in zip(workloads, range(MANY), strict=True):
            result = http.get(f"/download/{workload}/files/results/data.bin")
            assert result.content == f"input {number}".encode()
