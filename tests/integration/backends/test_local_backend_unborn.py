"""An agent that is killed while it starts an attempt, before there is a runner: the next one starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.backends.conftest import Bench

from penstock.tasks.models import Outcome


@pytest.mark.parametrize("came_to", ["entry", "folder", "plan", "token", "lock"])
async def test_what_was_killed_before_the_runners_birth_is_started_by_the_next_agent(
    bench: Bench, came_to: str
) -> None:
    work = bench.work("echo ran >>/v/runs; cat /v/runs", volumes=["/v"])
    folder = bench.backend._folder(work.attempt)
    folder.entry.write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    steps = {"folder": folder.path.mkdir, "plan": (folder.path / "plan.json").touch}
    steps |= {"token": (folder.path / "token").touch, "lock": folder.lock.touch}
    folder.path.parent.mkdir(parents=True)
    for step in list(steps)[: ["entry", *steps].index(came_to)]:
        steps[step]()
    await bench.backend.adopt(work)
    report = await bench.until("finished", work)
    assert (report.outcome, report.log.executors[0].stdout) == (Outcome.COMPLETE, "ran\n")


async def test_an_entry_that_was_not_written_to_its_end_is_none(bench: Bench) -> None:
    unfinished = bench.backend._folder(bench.work("true").attempt).entry.with_name(".01hzzzzzzzzzzzzzzzzzzzzzzz-1")
    unfinished.touch()
    assert await bench.backend.found() == []
    await bench.backend.close()
    bench.open()
    assert not unfinished.exists()


async def test_what_may_have_run_before_the_machine_went_down_is_lost(bench: Bench) -> None:
    work = bench.work("true")
    folder = bench.backend._folder(work.attempt)
    folder.entry.write_text("another boot")
    await bench.backend.adopt(work)
    assert (await bench.until("finished", work)).outcome is Outcome.LOST
