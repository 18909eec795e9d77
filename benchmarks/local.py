"""The `true` tasks that the local backend completes in a second, how long one takes, and what each process spends.

Beside it, in the same run, the bare limit: bubblewrap with the same arguments, started in a loop by posix_spawn. Prints
the table of docs/performance.md in less than a minute. The load is an engine's: a batch of processes of one workload,
watched by one long-poll; and one task at a time, watched by long-poll and by a look each 50 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import RunningServer, end_runners  # noqa: E402 - the path comes first

from penstock.access.service import AccessService, load_key  # noqa: E402
from penstock.agents.protocol import Work  # noqa: E402
from penstock.backends.attempt.stage import stage  # noqa: E402
from penstock.backends.local.plan import build  # noqa: E402
from penstock.backends.local.site import survey  # noqa: E402
from penstock.clock import MICROSECONDS, now_us  # noqa: E402
from penstock.database.migrate import migrate  # noqa: E402
from penstock.database.sqlite import SqliteDatabase  # noqa: E402
from penstock.names import TOOLS_IMAGE, attempt_id, new_id  # noqa: E402
from penstock.settings import Settings  # noqa: E402
from penstock.tasks import leases, sites, store  # noqa: E402
from penstock.tasks.models import Kind, NewTask, TaskSpec, Terms  # noqa: E402
from penstock.tasks.room import Room  # noqa: E402

TASKS, SINGLE = int(os.environ.get("BENCH_TASKS", "500")), int(os.environ.get("BENCH_SINGLE", "100"))
PATIENCE_S = 60.0
LOOK_S = 0.05
WORKLOAD = new_id()
TRUE = {"executors": [{"image": TOOLS_IMAGE, "command": ["true"]}], "resources": {"cpu_cores": 1}}
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        bare, bare_cpu = bare_limit(Path(name) / "bare")
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name, house(Path(name)) as (server, engine):
        engine.run(20)  # what is loaded on first use is no part of the figures
        before, began = spent(server.data), time.monotonic()
        engine.run(TASKS)
        took = time.monotonic() - began
        costs = {who: 1000 * (ticks - before[who]) / _TICKS / TASKS for who, ticks in spent(server.data).items()}
        executed = sandboxes(server.data)
        waiting = sorted(engine.one_by_long_poll() for _ in range(SINGLE))
        looking = sorted(engine.one_by_looking() for _ in range(SINGLE))
    print(f"| {TASKS} `true` tasks on the local backend, {os.cpu_count()} cores | figure |\n|---|---|")
    print(f"| completed a second | {TASKS / took:.0f} |")
    print(f"| bubblewrap alone, same arguments, started by posix_spawn | {bare:.0f} a second |")
    for what, times in (("a client that waits by long-poll", waiting), ("a client that looks each 50 ms", looking)):
        print(f"| submit → COMPLETE for {what}, p50 / p99 | {quantiles(times)} ms |")
    costs["runners"] -= executed
    for who, cost in costs.items():
        print(f"| CPU of a task in {who} | {cost:.1f} ms |")
    print(f"| CPU of a task in its sandbox (bubblewrap alone: {bare_cpu:.1f} ms) | {executed:.1f} ms |")


class Engine:
    """What a head task's engine does, from outside: creates processes and waits for their ends by long-poll."""

    def __init__(self, url: str, token: str) -> None:
        address = url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
        self._connection.connect()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._after = 0

    def run(self, number: int) -> None:
        """That many tasks, all at once, to their ends."""
        body = {"tasks": [{"task": TRUE} for _ in range(number)]}
        waiting = {one["id"] for one in self._call("POST", "/api/v1/tasks:batch", body)["tasks"]}
        while waiting:
            answer = self._call("GET", f"/api/v1/tasks?parent={WORKLOAD}&after={self._after}&wait=30")
            self._after = answer["sequence"]
            ended = [one for one in answer["tasks"] if one["state"] not in ("QUEUED", "INITIALIZING", "RUNNING")]
            assert all(one["state"] == "COMPLETE" for one in ended), ended
            waiting.difference_update(one["id"] for one in ended)

    def one_by_long_poll(self) -> float:
        """Seconds from the create to COMPLETE."""
        began = time.monotonic()
        self.run(1)
        return time.monotonic() - began

    def one_by_looking(self) -> float:
        """As a plain TES client does it."""
        began = time.monotonic()
        task = self._call("POST", "/ga4gh/tes/v1/tasks", TRUE)["id"]
        while self._call("GET", f"/ga4gh/tes/v1/tasks/{task}")["state"] != "COMPLETE":
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said
        return json.loads(said)


@contextlib.contextmanager
def house(folder: Path) -> Iterator[tuple[RunningServer, Engine]]:
    """A server with its agent, and an engine with the token of a head task that runs elsewhere."""
    server = RunningServer(folder / "server", environment={"PENSTOCK_LEASE_S": "600", "PENSTOCK_LOG_LEVEL": "warning"})
    server.data.mkdir()
    token = head_token(server.data)
    server.start()
    try:
        yield server, Engine(server.url, token)
    finally:
        server.stop()
        end_runners(server.data)


def head_token(data: Path) -> str:
    """The token of a head task that is noted as running at another site."""
    url = f"sqlite:///{data / 'penstock.db'}"
    migrate(url)
    database = SqliteDatabase(url)
    spec = TaskSpec.model_validate(TRUE)
    with database.engine.begin() as connection:
        new = NewTask(owner="local", spec=spec, terms=Terms(), workload=WORKLOAD, kind=Kind.HEAD)
        sites.register(connection, "elsewhere", "1", Room(cpu_cores=1, ram_gb=1, disk_gb=1, slots=1), {}, mounts=True)
        until = now_us() + 600 * MICROSECONDS
        leased = leases.lease(connection, store.create(connection, new).id, "elsewhere", "1", until)
    assert leased is not None
    token = AccessService(database, load_key(data / "secrets" / "key"), None).attempt_token(leased[1].id)
    asyncio.run(database.close())
    return token


def spent(data: Path) -> dict[str, int]:
    """Clock ticks that the processes of this server have used; runners with their sandboxes, as far as they ended."""
    found = {"the server": 0, "the agent": 0, "runners": 0}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not entry.name.isdecimal() or str(os.getpid()) == entry.name:
                continue
            words = f"{(entry / 'cmdline').read_bytes()!r} {(entry / 'environ').read_bytes()!r}"
            if str(data) not in words:
                continue
            own, children = ticks(entry)
            if "main\\x00serve" in words:
                found["the server"] += own
            elif "main\\x00agent" in words:
                found["the agent"] += own
                found["runners"] += children
            else:
                found["runners"] += own + children
    return found


def ticks(entry: Path) -> tuple[int, int]:
    """A process's own time and that of its children that have ended, in clock ticks (proc(5))."""
    fields = (entry / "stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def sandboxes(data: Path) -> float:
    """Milliseconds of processor time that a sandbox took, as the runners measured it."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'penstock.db'}?mode=ro", uri=True)) as stored:
        logs = [json.loads(log) for (log,) in stored.execute("SELECT log FROM attempts WHERE state = 'finished'")]
    return 1000 * statistics.fmean(one["cpu_s"] for log in logs for one in log["executors"])


def bare_limit(folder: Path) -> tuple[float, float]:
    """Sandboxes a second, as many at once as there are processors, and the milliseconds of CPU that each took."""
    settings = Settings(data=folder / "data")
    work = Work(
        attempt=attempt_id(new_id(), 1), kind=Kind.PROCESS, owner="x", spec=TaskSpec.model_validate(TRUE),
        terms=Terms(), token="",
    )  # fmt: skip
    folder.mkdir()
    os.chdir(folder)
    stage(build(work, survey(settings), str(folder)))
    words = [*build(work, survey(settings), str(folder))["sandbox"], "--", "nice", "-n", "5", "--", "true"]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # as a runner: what bubblewrap leaves is ours
    began, before, running = time.monotonic(), os.times(), set[int]()
    for _ in range(TASKS):
        while len(running) == os.cpu_count():
            running.discard(os.wait()[0])
        running.add(os.posix_spawn(words[0], words, {"PATH": "/usr/bin:/bin"}))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = os.times()
    cpu = used.children_user + used.children_system - before.children_user - before.children_system
    os.chdir("/")
    return TASKS / (time.monotonic() - began), 1000 * cpu / TASKS


def quantiles(times: list[float]) -> str:
    """The middle and the 99th of a hundred, in milliseconds."""
    return f"{1000 * times[len(times) // 2]:.0f} / {1000 * times[int(len(times) * 0.99)]:.0f}"


if __name__ == "__main__":
    main()
