"""Runners are forked by a parent that is replaced whatever becomes of it; no attempt is started twice or not at all."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import socket
from pathlib import Path

import pytest
from tests.integration.backends.conftest import PATIENCE_S, Bench
from tests.integration.backends.test_local_backend_lifecycle import begin, runner_of

from penstock.agents.protocol import Work
from penstock.backends.local import births
from penstock.backends.local.births import SOCKET, Births
from penstock.backends.local.parent import NAME
from penstock.backends.local.plan import build
from penstock.clock import Deadline
from penstock.names import attempt_id, new_id
from penstock.tasks.models import Outcome

LONG = "while [ ! -e /v/go ]; do sleep 0.02; done; echo done"


def words(process: int) -> list[str]:
    """Its command line."""
    return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")


def parent_of(process: int) -> int:
    """Who forked it."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])


def wait_gone(pidfd: int) -> None:
    """Wait until it is gone."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(1000 * PATIENCE_S)
    os.close(pidfd)


async def parent(bench: Bench) -> int:
    """The parent that this bench's agent uses."""
    process = parent_of(runner_of(bench, await begin(bench, "sleep 1000")))
    assert NAME in words(process)
    return process


async def finish(bench: Bench, work: Work) -> None:
    """Let work that waits for /v/go end, and see that it ends well."""
    (bench.folder(work) / "root/v/go").touch()
    report = await bench.until("finished", work)
    assert (report.outcome, report.log.executors[0].stdout) == (Outcome.COMPLETE, "done\n")


async def test_one_parent_forks_every_runner(bench: Bench) -> None:
    works = [await begin(bench, "sleep 1000") for _ in range(3)]
    (process,) = {parent_of(runner_of(bench, work)) for work in works}
    assert NAME in words(process)
    assert os.getsid(process) == process


async def test_a_runner_is_known_by_its_attempt(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    runner = runner_of(bench, work)
    assert os.getsid(runner) == runner
    assert work.attempt in words(runner)
    environment = Path(f"/proc/{runner}/environ").read_bytes().split(b"\0")
    assert f"PENSTOCK_ATTEMPT={work.attempt}".encode() in environment


async def test_a_runner_has_nothing_of_its_parent_open(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    runner = runner_of(bench, work)
    opened = {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{runner}/fd").iterdir()}
    assert opened[0] == "/dev/null"
    assert opened[1] == opened[2] == str(bench.folder(work) / "runner.log")
    assert opened[3] == str(bench.folder(work) / "runner.lock")
    assert not [target for target in opened.values() if "socket" in target]
    assert Path(f"/proc/{runner}/cwd").readlink() == bench.folder(work)
    status = Path(f"/proc/{runner}/status").read_text()
    assert "SigBlk:\t0000000000000000" in status
    assert "Threads:\t1\n" in status


async def test_the_parent_holds_no_secret(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "hunter2")
    process = await parent(bench)
    assert "hunter2" not in Path(f"/proc/{process}/environ").read_text()
    assert not [fd for fd in Path(f"/proc/{process}/fd").iterdir() if "/workspace/" in str(fd.readlink())]


async def test_runners_go_on_when_their_parent_is_killed(bench: Bench) -> None:
    work = await begin(bench, LONG)
    os.kill(parent_of(runner_of(bench, work)), signal.SIGKILL)
    await finish(bench, work)


async def test_runners_of_a_killed_parent_are_adopted_by_the_next_agent(bench: Bench) -> None:
    work = await begin(bench, LONG)
    process = parent_of(runner_of(bench, work))
    await bench.backend.close()
    os.kill(process, signal.SIGKILL)
    bench.open()
    await bench.backend.adopt(work)
    await finish(bench, work)


async def test_the_next_agent_finds_the_parent(bench: Bench) -> None:
    first = await parent(bench)
    await bench.backend.close()
    bench.open()
    assert await parent(bench) == first


async def test_a_killed_parent_is_replaced(bench: Bench) -> None:
    first = await parent(bench)
    os.kill(first, signal.SIGKILL)
    assert (await bench.run("true")).outcome is Outcome.COMPLETE
    assert await parent(bench) != first


async def test_a_parent_that_does_not_answer_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "ANSWER_S", 0.2)
    first = await parent(bench)
    pidfd = os.pidfd_open(first)
    os.kill(first, signal.SIGSTOP)
    assert (await bench.run("true")).outcome is Outcome.COMPLETE
    wait_gone(pidfd)


async def test_a_new_agent_replaces_a_parent_that_does_not_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(births, "ANSWER_S", 0.2)
    first = await parent(bench)
    pidfd = os.pidfd_open(first)
    await bench.backend.close()
    os.kill(first, signal.SIGSTOP)
    bench.open()
    assert (await bench.run("true")).outcome is Outcome.COMPLETE
    wait_gone(pidfd)


async def test_an_older_releases_parent_is_replaced_and_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "IDLE_MS", 10)
    work = await begin(bench, LONG)
    old = os.pidfd_open(parent_of(runner_of(bench, work)))
    await bench.backend.close()
    monkeypatch.setenv("SSL_CERT_DIR", "/elsewhere")  # as much a part of the identity as the code is
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.run("true")).outcome is Outcome.COMPLETE
    await finish(bench, work)
    wait_gone(old)


async def test_a_socket_that_nobody_listens_on_is_no_obstacle(bench: Bench) -> None:
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stale.bind(str(bench.settings.agent_state_path / SOCKET))
    assert (await bench.run("true")).outcome is Outcome.COMPLETE
    await parent(bench)
    stale.close()


async def test_a_stranger_on_the_socket_is_not_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "ANSWER_S", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.bind(str(bench.settings.agent_state_path / SOCKET))
        silent.listen()  # this very process: killing it would end the tests
        assert (await bench.run("true")).outcome is Outcome.COMPLETE


async def test_without_a_parent_attempts_start_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "_SCRIPT", "raise SystemExit(1)")
    for _ in range(2):
        assert (await bench.run("true")).outcome is Outcome.COMPLETE
    assert bench.backend._births._parent is None


async def test_a_parent_ends_when_nobody_needs_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "IDLE_MS", 10)
    work = await begin(bench, LONG)
    pidfd = os.pidfd_open(parent_of(runner_of(bench, work)))
    await bench.backend.close()
    (bench.folder(work) / "root/v/go").touch()
    wait_gone(pidfd)


async def test_a_parent_killed_at_any_moment_of_a_launch_loses_nothing(bench: Bench) -> None:
    moments = random.Random(7)  # noqa: S311 - moments of a test, no secrets
    (bench.workspace / "workloads/w1").mkdir(parents=True)
    hit = 0
    for _ in range(15):
        process = parent_of(runner_of(bench, await begin(bench, "sleep 1000")))
        works = [bench.work("echo ran >>/v/runs; cat /v/runs", volumes=["/v"]) for _ in range(3)]
        starts = [asyncio.create_task(bench.backend.start(work)) for work in works]
        await asyncio.sleep(moments.uniform(0, 0.02))
        hit += not all(start.done() for start in starts)
        os.kill(process, signal.SIGKILL)
        await asyncio.gather(*starts)
        for work in works:
            report = await bench.until("finished", work)
            assert report.outcome is Outcome.COMPLETE, report
            assert report.log.executors[0].stdout == "ran\n"
        for attempt in await bench.backend.found():
            await bench.backend.forget(attempt)
    assert hit > 3


async def test_a_request_whose_agent_was_killed_is_carried_out_and_adopted(bench: Bench) -> None:
    await parent(bench)
    work = bench.work("echo done")
    folder = bench.backend._folder(work.attempt)

    class Killed(Births):
        def bear(self, attempt: str, directory: str, lock: int) -> int | None:
            connection = bench.backend._births._parent
            assert connection is not None
            socket.send_fds(connection._connection, [f"{attempt}\0{directory}".encode()], [lock])
            connection.close()
            return 0

    folder.launch(build(work, bench.backend._site, str(folder.path)), work, Killed(bench.settings.agent_state_path))
    await bench.backend.close()
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.COMPLETE


def opened(process: int | str) -> int:
    """How many descriptors it has."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def test_a_thousand_births_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(births, "IDLE_MS", 10)
    one = Births(tmp_path)
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert one.bear(attempt_id(new_id(), 1), str(tmp_path), lock) is not None  # without a plan it ends at once
    process = _parent_process(one)
    mine, its = opened("self"), opened(process)
    for _ in range(1000):
        assert one.bear(attempt_id(new_id(), 1), str(tmp_path), lock) is not None
    os.close(lock)
    children = Path(f"/proc/{process}/task/{process}/children")
    deadline = Deadline.after(PATIENCE_S)
    while children.read_text():
        assert not deadline.passed
    assert (opened("self") + 1, opened(process)) == (mine, its)
    pidfd = os.pidfd_open(process)
    one.close()
    wait_gone(pidfd)


def _parent_process(one: Births) -> int:
    assert one._parent is not None
    assert one._parent._pidfd is not None
    fields = Path(f"/proc/self/fdinfo/{one._parent._pidfd}").read_text().split()
    return int(fields[fields.index("Pid:") + 1])
