"""kill -9 of one of two servers, and of PostgreSQL, under a load: nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import RunningServer, end_runners
from tests.postgres import Postgres

from penstock.client.workloads import new_key
from penstock.clock import Deadline

PIPELINES = Path(__file__).resolve().parents[2] / "data" / "pipelines"
LIMIT_S = 180.0
TASKS = 24


@pytest.fixture
async def servers(tmp_path: Path, own_postgres: Postgres) -> AsyncIterator[list[RunningServer]]:
    """Two, each with an agent of a site of its own; the first one leads."""
    address = tmp_path / "database"
    address.write_text(await own_postgres.create())
    shared = {
        "PENSTOCK_DATABASE_URL_FILE": str(address),
        "PENSTOCK_WORKSPACE": str(tmp_path / "workspace"),
        "PENSTOCK_KEY_FILE": str(tmp_path / "key"),
        "PENSTOCK_CATALOGUE": str(PIPELINES),
        "PENSTOCK_CPU_CORES": "8",
    }
    two = [
        RunningServer(tmp_path / name, environment={**shared, "PENSTOCK_SITE": name}) for name in ("first", "second")
    ]
    for one in two:
        one.start()
    yield two
    for one in two:
        one.stop()
        end_runners(one.data)


def _task(number: int) -> dict[str, Any]:
    script = f"sleep 0.5; echo {number} > /out.txt"
    output = {"path": "/out.txt", "url": f"file:///workspace/owners/local/data/{number}.txt"}
    executors = [{"image": "penstock/tools:1", "command": ["sh", "-c", script]}]
    return {"name": f"n{number}", "executors": executors, "outputs": [output], "resources": {"cpu_cores": 1}}


class Client:
    """Sends to whichever server answers, as a client behind a balancer does."""

    def __init__(self, servers: list[RunningServer]) -> None:
        self._servers = servers
        self.acknowledged: dict[int, str] = {}

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        deadline = Deadline.after(60)
        while True:
            for server in self._servers:
                with (
                    contextlib.suppress(httpx.TransportError),
                    httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http,
                ):
                    answer = http.request(method, path, **more)
                    if answer.status_code != 503:
                        return answer
            assert not deadline.passed, path

    def create(self, numbers: range) -> None:
        for number in numbers:
            self._servers.reverse()
            answer = self.call("POST", "/ga4gh/tes/v1/tasks", json=_task(number))
            assert answer.status_code == 200, answer.text
            self.acknowledged[number] = answer.json()["id"]

    def states(self) -> list[str]:
        return [self.task(one)["state"] for one in self.acknowledged.values()]

    def task(self, task: str, view: str = "MINIMAL") -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/ga4gh/tes/v1/tasks/{task}", params={"view": view}).json()
        return found

    def until_done(self, count: int) -> None:
        deadline = Deadline.after(LIMIT_S)
        while sum(state == "COMPLETE" for state in self.states()) < count:
            assert not deadline.passed, self.states()

    def submit(self) -> str:
        content = b"something"
        told = {"role": "data", "name": "data.bin", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        body = {"pipeline": "endurance", "parameters": {"seconds": 0.2, "files": 3, "processes": 2}, "inputs": [told]}
        key = {"Idempotency-Key": new_key()}  # whichever server a repetition meets
        made = self.call("POST", "/api/v1/workloads", json=body, headers=key).json()
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        path = httpx.URL(made["uploads"][0]["url"]).path
        assert self.call("PATCH", path, content=content, headers=headers).status_code in (204, 409)
        return str(made["id"])

    def until_ended(self, workload: str) -> str:
        deadline, after = Deadline.after(LIMIT_S), 0
        while True:
            told = self.call("GET", f"/api/v1/workloads/{workload}", params={"wait": 5, "after": after}).json()
            if told["state"] in ("SUCCEEDED", "FAILED", "CANCELED"):
                return f"{told['state']} {told['reason']}".strip()
            assert not deadline.passed, told
            after = told["sequence"]


def test_nothing_is_lost_when_a_server_and_the_database_are_killed(
    servers: list[RunningServer], own_postgres: Postgres, tmp_path: Path
) -> None:
    first, second = servers
    client = Client([first, second])
    workloads = [client.submit()]
    client.create(range(TASKS))
    client.until_done(3)

    first.kill()  # the one that leads, and the agent of its site; the runners go on
    client = _without(client, first)
    client.create(range(TASKS, TASKS + 4))
    workloads.append(client.submit())
    first.start()

    own_postgres.kill()
    assert httpx.get(f"{second.url}/livez", trust_env=False).status_code == 200
    own_postgres.start()
    client.create(range(TASKS + 4, TASKS + 8))

    client.until_done(TASKS + 8)
    assert [client.until_ended(one) for one in workloads] == ["SUCCEEDED"] * 2
    for number, task in client.acknowledged.items():
        assert (tmp_path / "workspace" / "owners" / "local" / "data" / f"{number}.txt").read_text() == f"{number}\n"
        attempts = client.task(task, "FULL")["logs"]
        assert len(attempts) == 1, attempts
        assert len(attempts[0]["logs"]) == 1, attempts


def _without(client: Client, dead: RunningServer) -> Client:
    left = Client([one for one in client._servers if one is not dead])
    left.acknowledged = client.acknowledged
    return left


def test_a_server_says_what_to_type_on_a_database_without_a_schema(tmp_path: Path, postgres: Postgres) -> None:
    address = tmp_path / "database"
    address.write_text(asyncio.run(postgres.empty()))
    settings = {"PENSTOCK_DATABASE_URL_FILE": str(address), "PENSTOCK_DATA": str(tmp_path / "data")}
    environment = {**os.environ, **settings}
    command = [sys.executable, "-m", "penstock.cli.main"]
    serving = [*command, "serve", "--port", "0", "--no-agent"]
    ended = subprocess.run(serving, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "penstock admin migrate" in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    for told in ("migrated", "unchanged"):
        done = subprocess.check_output([*command, "admin", "migrate"], env=environment, text=True)
        assert told in done
    subprocess.run([*command, "admin", "token", "list"], env=environment, check=True, timeout=60)
