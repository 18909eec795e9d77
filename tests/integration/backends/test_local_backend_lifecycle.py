"""Runners outlive the agent, are found again, and end with everything they started."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from pathlib import Path

from tests.integration.backends.conftest import PATIENCE_S, Bench

from penstock.agents.protocol import Work
from penstock.tasks.models import Outcome

LONG = str(1_000_000 + os.getpid())  # seconds that nothing else here sleeps: marks our processes


def processes_of(word: str) -> list[int]:
    """Live processes whose command line holds ``word``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word.encode() in words:
                found.append(int(entry.name))
    return found


def gone(pidfd: int) -> None:
    """Wait until the process is gone."""
    poll = select.poll()  # it is no child of ours
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(1000 * PATIENCE_S)
    os.close(pidfd)


def runner_of(bench: Bench, work: Work) -> int:
    """The process id of the attempt's runner."""
    return int((bench.folder(work) / "runner.lock").read_text())


async def begin(bench: Bench, script: str) -> Work:
    """Start work and wait until its first executor has said something in /begun."""
    work = bench.work(f"echo x >/begun; {script}", volumes=["/v"])
    await bench.backend.start(work)
    await bench.until("started", work)
    begun = bench.folder(work) / "root/begun"
    while not begun.exists():  # noqa: ASYNC110 - the sandbox has no other way to tell
        await asyncio.sleep(0.01)
    return work


async def test_a_running_attempt_is_adopted_by_the_next_agent(bench: Bench) -> None:
    work = await begin(bench, "while [ ! -e /v/go ]; do sleep 0.02; done; echo done")
    await bench.backend.close()
    bench.open()
    assert await bench.backend.found() == [work.attempt]
    await bench.backend.adopt(work)
    await bench.until("started", work)
    (bench.folder(work) / "root/v/go").touch()
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.COMPLETE
    assert report.log.executors[0].stdout == "done\n"


async def test_what_finished_while_nobody_watched_is_told_to_the_next_agent(bench: Bench) -> None:
    work = await begin(bench, "while [ ! -e /v/go ]; do sleep 0.02; done; echo done")
    runner = os.pidfd_open(runner_of(bench, work))
    await bench.backend.close()
    (bench.folder(work) / "root/v/go").touch()
    gone(runner)
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.until("started", work)).at_us > 0
    assert (await bench.until("finished", work)).outcome is Outcome.COMPLETE


async def test_starting_again_adopts_and_runs_nothing_twice(bench: Bench) -> None:
    work = await begin(bench, "echo run >>/v/runs; while [ ! -e /v/go ]; do sleep 0.02; done; cat /v/runs")
    await bench.backend.start(work)
    await bench.backend.close()
    bench.open()
    await bench.backend.start(work)
    (bench.folder(work) / "root/v/go").touch()
    assert (await bench.until("finished", work)).log.executors[0].stdout == "run\n"


async def test_an_attempt_that_nobody_knows_is_lost(bench: Bench) -> None:
    work = bench.work("true")
    await bench.backend.adopt(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    await bench.backend.forget(work.attempt)


async def test_a_runner_killed_with_its_sandbox_is_lost(bench: Bench) -> None:
    work = await begin(bench, f"sleep {LONG} & setsid sleep {LONG}")
    os.kill(runner_of(bench, work), signal.SIGKILL)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    assert report.reason == "The runner died without a result."
    assert processes_of(LONG) == []


async def test_a_runner_killed_while_nobody_watched_is_lost(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    process = runner_of(bench, work)
    runner = os.pidfd_open(process)
    await bench.backend.close()
    os.kill(process, signal.SIGKILL)
    gone(runner)
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.LOST


async def test_a_process_id_that_was_used_again_is_not_taken_for_the_runner(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    await bench.backend.end(work.attempt)
    await bench.backend.close()
    (bench.folder(work) / "result.json").unlink()
    (bench.folder(work) / "runner.lock").write_text(f"{os.getpid()}\n")
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.LOST


async def test_a_torn_result_is_lost(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    await bench.backend.end(work.attempt)
    await bench.backend.close()
    (bench.folder(work) / "result.json").write_text("")
    bench.open()
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.LOST


async def test_a_bug_in_the_runner_is_lost_and_its_words_are_told(bench: Bench) -> None:
    work = bench.work("true")
    bench.backend._site = bench.backend._site.__class__(**{**vars(bench.backend._site), "bwrap": "/nonexistent"})
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    assert "/nonexistent" in report.reason


async def test_end_returns_when_nothing_runs_any_more(bench: Bench) -> None:
    work = await begin(bench, f"(setsid sh -c 'trap \"\" TERM HUP; sleep {LONG}; true' &) ; sleep {LONG}")
    assert processes_of(LONG)
    await bench.backend.end(work.attempt)
    assert processes_of(LONG) == []
    report = await bench.until("finished", work)
    assert (report.outcome, report.reason) == (Outcome.CANCELED, "The attempt was ended.")


async def test_end_can_be_repeated_and_works_for_attempts_of_an_earlier_agent(bench: Bench) -> None:
    work = await begin(bench, f"sleep {LONG}")
    await bench.backend.close()
    bench.open()
    await bench.backend.end(work.attempt)
    assert processes_of(LONG) == []
    await bench.backend.end(work.attempt)
    await bench.backend.end("01hzzzzzzzzzzzzzzzzzzzzzzz-1")


async def test_end_right_after_start_wins(bench: Bench) -> None:
    work = bench.work(f"sleep {LONG}")
    await bench.backend.start(work)
    await bench.backend.end(work.attempt)
    assert processes_of(LONG) == []
    assert (await bench.until("finished", work)).outcome is Outcome.CANCELED


async def test_end_at_any_moment_of_the_start_leaves_nothing(bench: Bench) -> None:
    """The sandbox is put together in a few milliseconds; kills must hit each of them."""
    for milliseconds in range(0, 60, 3):
        work = bench.work(f"sleep {LONG}")
        await bench.backend.start(work)
        await asyncio.sleep(milliseconds / 1000)
        await asyncio.wait_for(bench.backend.end(work.attempt), 8)
        assert processes_of(LONG) == []


async def test_a_runner_killed_at_any_moment_of_the_start_leaves_nothing(bench: Bench) -> None:
    for milliseconds in range(0, 60, 3):
        work = bench.work(f"sleep {LONG}")
        await bench.backend.start(work)
        await asyncio.sleep(milliseconds / 1000)
        pidfd = bench.backend._attempts[work.attempt].folder.runner()
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        await bench.backend.end(work.attempt)
        assert (await bench.until("finished", work)).outcome in (Outcome.LOST, Outcome.CANCELED)
        assert processes_of(LONG) == []


async def test_a_runner_that_hangs_is_killed(bench: Bench, monkeypatch: object) -> None:
    from penstock.backends.local import backend

    work = await begin(bench, f"sleep {LONG}")
    os.kill(runner_of(bench, work), signal.SIGSTOP)
    before, backend.GRACE_S = backend.GRACE_S, 0.1
    try:
        await bench.backend.end(work.attempt)
    finally:
        backend.GRACE_S = before
    assert (await bench.until("finished", work)).outcome is Outcome.CANCELED


async def test_forget_leaves_nothing(bench: Bench) -> None:
    work = await begin(bench, f"sleep {LONG}")
    await bench.backend.forget(work.attempt)
    assert processes_of(LONG) == []
    assert await bench.backend.found() == []
    assert list((bench.workspace / "tasks").iterdir()) == []
    await bench.backend.forget(work.attempt)


async def test_forgetting_one_attempt_leaves_the_others_of_its_task(bench: Bench) -> None:
    first = bench.work("true")
    second = first.model_copy(update={"attempt": first.attempt[:-1] + "2"})
    for work in (first, second):
        await bench.backend.start(work)
        await bench.until("finished", work)
    await bench.backend.forget(first.attempt)
    assert await bench.backend.found() == [second.attempt]
    assert bench.folder(second).is_dir()


async def test_many_attempts_at_once_all_finish(bench: Bench) -> None:
    works = [bench.work(f"echo {number}") for number in range(40)]
    await asyncio.gather(*(bench.backend.start(work) for work in works))
    for number, work in enumerate(works):
        report = await bench.until("finished", work)
        assert report.log.executors[0].stdout == f"{number}\n"


async def test_a_runner_survives_the_end_of_the_agents_process_group(bench: Bench) -> None:
    work = await begin(bench, "sleep 1000")
    assert os.getsid(runner_of(bench, work)) == runner_of(bench, work) != os.getsid(0)


async def test_directories_are_for_the_group_too(bench: Bench) -> None:
    work = bench.work("true")
    await bench.backend.start(work)
    await bench.until("finished", work)
    assert bench.folder(work).stat().st_mode & 0o7777 == 0o2750
    assert (bench.folder(work) / "token").stat().st_mode & 0o777 == 0o400


async def test_a_long_state_path_is_no_obstacle(bench: Bench, tmp_path: Path) -> None:
    bench.settings.agent_state = tmp_path / ("x" * 120)
    await bench.backend.close()
    bench.open()
    work = await begin(bench, "true")
    assert (await bench.until("finished", work)).outcome is Outcome.COMPLETE


async def test_a_full_disk_loses_the_attempt_instead_of_failing_the_task(bench: Bench) -> None:
    (bench.workspace / "tasks").write_text("a file where a directory must be")
    work = bench.work("true")
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.LOST
    assert "cannot be started" in report.reason
    (bench.workspace / "tasks").unlink()


async def test_total_is_what_the_machine_has(bench: Bench) -> None:
    total = bench.backend.total()
    assert 0 < total.cpu_cores <= (os.cpu_count() or 1)
    assert 0 < total.ram_gb < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    assert total.disk_gb > 0
    assert total.slots == bench.settings.slots
