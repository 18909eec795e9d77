"""kill -9 of server, agent, NGINX and runners, all at one moment, again and again over the life of many workloads.

A sample in `make test`; with PENSTOCK_SOAK 100 seeded moments, with twenty workloads under way at each.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import end_runners
from tests.integration.kills.scene import PHASE_S, Scene

from penstock.client.digests import hash_file
from penstock.client.http import Server
from penstock.client.inputs import look_at
from penstock.client.patience import Patience
from penstock.client.quiet import Quiet
from penstock.client.runs import Order, Runs
from penstock.client.workloads import State
from penstock.clock import Deadline
from penstock.errors import PenstockError
from penstock.settings import Settings

SOAK = "PENSTOCK_SOAK" in os.environ
MOMENTS, AT_ONCE = (int(os.environ.get("PENSTOCK_KILLS", "100")), 20) if SOAK else (3, 4)
LONGEST_PAUSE_S = 3.0 if SOAK else 1.5
LIMIT_S = 900.0
SEED = 6
# An attempt that is lost is made again, three in all: who always kills all runners tests that limit, and nothing else.
RUNNERS_EVERY = 25 if SOAK else 3
PARAMETERS = {"seconds": 0.5, "files": 20, "processes": 2}


class Everything:
    """What runs, its clients, and how often it was killed."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.over = threading.Event()
        self.ended: list[str] = []
        self.lost_runners = 0
        self.files = 0
        self._lock = threading.Lock()

    def kill(self, *, runners: bool) -> None:
        """Everything at one moment, and everything back."""
        victims: list[int] = []
        deadline = Deadline.after(PHASE_S)
        while runners and not victims and not deadline.passed:
            victims = list(_runners(self.scene.server.data / "workspace"))
        self.lost_runners += len(victims)
        victims += _agents(self.scene.server.data)
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self.scene.nginx.kill()
        self.scene.server.kill()
        self.scene.server.start()
        self.scene.nginx.start()

    def keep_running(self, number: int) -> None:
        """One workload after the other, as long as there are moments to come; at least one."""
        while True:
            self._run(number)
            if self.over.is_set():
                return

    def _run(self, number: int) -> None:
        with self._lock:
            self.files += 1
            file = self.scene.folder / f"input-{self.files}.bin"
        file.write_bytes(random.Random(str(file)).randbytes(1 << 16))  # noqa: S311 - content of a test
        settings = Settings(
            url=self.scene.nginx.url, state=self.scene.folder / f"state-{number}", token_file=self.scene.folder / "none"
        )
        with Server(settings) as server:
            runs = Runs(server, Quiet(), Patience(LIMIT_S, _ignore, first_pause_s=0.1))
            order = runs.read(Order("endurance", "1", PARAMETERS, [look_at("data", file)]))
            ticket = runs.start(order, runs.key(order))
            runs.upload(order, ticket)
            ended = runs.wait(ticket.record.workload)
            assert ended.state == State.SUCCEEDED, f"{ended.id}: {ended.reason}"
            self._check_once(ended.id)
            output = self.scene.folder / f"output-{ended.id}"
            runs.download(ended, output, ticket.record.account)
            assert hash_file(output / "results" / "data.bin") == hash_file(file)
            assert len((output / "results" / "waits").read_text().split()) == PARAMETERS["processes"]
            assert len(list((output / "results" / "small").iterdir())) == PARAMETERS["files"]
            assert (output / "report.html").stat().st_size > 0
            runs.acknowledge(ended.id)
            runs.finish(ticket, kept=False)
        self.ended.append(ended.id)

    def _check_once(self, workload: str) -> None:
        """Every task of a workload that succeeded has one attempt that counts, and the workload one success."""
        rows = self.scene.rows(
            "SELECT tasks.workload, tasks.name, SUM(attempts.outcome = 'COMPLETE') FROM tasks"
            " JOIN attempts ON attempts.task = tasks.id GROUP BY tasks.id"
        )
        counts = {name: count for of, name, count in rows if of == workload}
        assert counts
        assert {name: count for name, count in counts.items() if count != 1} == {}
        events = self.scene.rows("SELECT workload, state FROM workload_events")
        assert events.count((workload, "SUCCEEDED")) == 1


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Everything]:
    settings = {"PENSTOCK_SLOTS": "16", "PENSTOCK_CPU_CORES": "8", "PENSTOCK_RAM_GB": "8"}
    scene = Scene(tmp_path / "scene", SEED, megabytes=0, environment=settings)
    yield Everything(scene)
    scene.close()
    end_runners(scene.server.data)


def test_all_workloads_end_and_nothing_is_left(everything: Everything) -> None:
    scene = everything.scene
    with ThreadPoolExecutor(AT_ONCE) as threads:
        running = [threads.submit(everything.keep_running, number) for number in range(AT_ONCE)]
        try:
            for moment in range(MOMENTS):
                everything.over.wait(scene.random.uniform(0.05, LONGEST_PAUSE_S))
                everything.kill(runners=moment % RUNNERS_EVERY == RUNNERS_EVERY - 2)
                print(f"kill {moment + 1}: {len(everything.ended)} have ended", flush=True)  # noqa: T201 - progress
        finally:
            everything.over.set()
        for one in running:
            one.result()
    scene.check_all_gone()  # so each create whose answer a kill took away was found again by its client
    assert _orphans(scene) == []
    made = {workload for (workload,) in scene.rows("SELECT id FROM tombstones")}
    assert made == set(everything.ended), "workloads that nobody knew of"
    assert len(everything.ended) >= AT_ONCE
    print(  # noqa: T201 - figures
        f"{MOMENTS} kills, of {everything.lost_runners} runners, too: {len(everything.ended)} workloads succeeded once,"
        f" and there was no other"
    )


def _orphans(scene: Scene) -> Any:
    command = [sys.executable, "-m", "penstock.cli.main", "admin", "collect", "--json", "--dry-run"]
    variables = {**scene.server.variables(), "PENSTOCK_DATA": str(scene.server.data)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)["orphans"]


def _runners(workspace: Path) -> Iterator[int]:
    """The live runners, which hold the locks of their attempts."""
    for path in workspace.glob("tasks/*/*/runner.lock"):
        with suppress(OSError, ValueError), path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield int(lock.read())


def _agents(data: Path) -> Iterator[int]:
    """The agent, if it lives: the number that a dead one has left behind may be somebody else's by now."""
    with suppress(OSError, ValueError):
        agent = int((data / "agent" / "agent.lock").read_text())
        if b"penstock" in Path(f"/proc/{agent}/cmdline").read_bytes():
            yield agent


def _ignore(_error: PenstockError, _left: float) -> None:
    return None
