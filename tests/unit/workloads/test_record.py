"""What is told of a workload's processes."""

from __future__ import annotations

from tests.unit.workloads.telling import SECOND, WORKLOAD
from tests.unit.workloads.test_failures import task

from penstock.tasks.models import Attempt, AttemptLog, ExecutorLog
from penstock.workloads.models import Event, State
from penstock.workloads.record import Past, Phase, make_record, run_of, tools_of

EXECUTORS = [
    ExecutorLog(start_us=2 * SECOND, end_us=3 * SECOND, cpu_s=0.5, peak_bytes=10),
    ExecutorLog(start_us=3 * SECOND, end_us=6 * SECOND, cpu_s=1.5, peak_bytes=30),
]


def attempt(number: int, executors: list[ExecutorLog], *lines: str) -> Attempt:
    log = AttemptLog(executors=executors, system_logs=list(lines))
    return Attempt(
        id=f"t-{number}", task="t", number=number, site="far", state="finished", created_us=0, ended_us=9, log=log
    )


def test_a_process_is_told_by_its_last_attempt() -> None:
    done = run_of(task(attempts=[attempt(1, []), attempt(2, EXECUTORS)], state="COMPLETE", created_us=SECOND))
    assert done is not None
    assert (done.name, done.rule, done.attempts, done.site, done.images) == (
        "align[sample=x]",
        "align",
        2,
        "far",
        ("i",),
    )
    assert (done.asked_us, done.start_us, done.end_us) == (SECOND, 2 * SECOND, 6 * SECOND)
    assert (done.seconds, done.cpu_s, done.peak_bytes, done.ram_bytes) == (4.0, 2.0, 30, 10**9)
    assert done.succeeded


def test_a_process_that_never_started_is_not_told() -> None:
    assert run_of(task(attempts=[])) is None
    assert run_of(task(attempts=[attempt(1, [])])) is None


def test_the_machines_programs_are_told_with_their_versions() -> None:
    one = attempt(1, EXECUTORS, "fetched x", "tools: samtools 1.16.1, bwa 0.7.17")
    assert tools_of(task(attempts=[one])) == {"samtools 1.16.1", "bwa 0.7.17"}


def test_phases_last_until_the_next_one_begins() -> None:
    events = (Event(1, State.UPLOADING, ""), Event(4, State.RUNNING, ""))
    record = make_record(WORKLOAD, None, (State.FAILED, "why", 9), {}, [], Past((), frozenset({"b 1", "a 2"}), events))
    assert record.phases == (Phase("UPLOADING", 1, 4), Phase("RUNNING", 4, 9))
    assert (record.title, record.digest, record.tools) == ("variants", "", ("a 2", "b 1"))
    assert not record.succeeded
