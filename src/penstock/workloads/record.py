"""What there is to tell of a workload that has ended: what ran, on what, with what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penstock.pipelines.models import Pipeline
from penstock.tasks.models import Task
from penstock.workloads.failures import rule
from penstock.workloads.models import Event, Result, State, Workload

TOOLS = "tools: "  # how a backend's line of versions begins
MICROSECONDS = 1e6


@dataclass(frozen=True)
class Run:
    """A process that ran. Times in microseconds UTC, sizes in bytes; what was used is that of its last attempt."""

    name: str
    rule: str
    state: str
    asked_us: int
    start_us: int
    end_us: int
    cpu_s: float
    peak_bytes: int
    cpu_cores: float
    ram_bytes: int
    attempts: int
    site: str
    images: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end_us - self.start_us) / MICROSECONDS

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was to do."""
        return self.state == "COMPLETE"


@dataclass(frozen=True)
class Phase:
    """How long a workload was in one state."""

    state: str
    start_us: int
    end_us: int

    @property
    def seconds(self) -> float:
        """How long that was."""
        return (self.end_us - self.start_us) / MICROSECONDS


@dataclass(frozen=True)
class Record:
    """All of it. ``inputs`` has the SHA-256 of every input by ``<role>/<name>``, whether it was sent or fetched."""

    workload: Workload
    title: str
    digest: str
    state: str
    reason: str
    ended_us: int
    inputs: Mapping[str, str]
    results: tuple[Result, ...]
    runs: tuple[Run, ...]
    phases: tuple[Phase, ...]
    tools: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        """Whether there are results, not just logs."""
        return self.state == State.SUCCEEDED


@dataclass(frozen=True)
class Past:
    """What the store knows of a workload: its processes, the programs they used, its changes of state."""

    runs: tuple[Run, ...]
    tools: frozenset[str]
    events: tuple[Event, ...]


def make_record(
    workload: Workload,
    pipeline: Pipeline | None,
    end: tuple[State, str, int],
    inputs: Mapping[str, str],
    results: Sequence[Result],
    past: Past,
) -> Record:
    """``end`` is the state that it ends in, why, and when; ``pipeline`` is None where its copy is gone."""
    state, reason, ended_us = end
    return Record(
        workload=workload,
        title=pipeline.definition.title if pipeline else workload.pipeline,
        digest=pipeline.digest if pipeline else "",
        state=state.value,
        reason=reason,
        ended_us=ended_us,
        inputs=inputs,
        results=tuple(results),
        runs=tuple(sorted(past.runs, key=lambda run: (run.start_us, run.name))),
        phases=tuple(_phases(past.events, ended_us)),
        tools=tuple(sorted(past.tools)),
    )


def run_of(task: Task) -> Run | None:
    """What a task did; None if it never started."""
    if not task.attempts or not task.attempts[-1].log.executors:
        return None
    last = task.attempts[-1]
    executors = last.log.executors
    start = executors[0].start_us
    return Run(
        name=task.spec.name or task.id,
        rule=rule(task),
        state=task.state.value,
        asked_us=min(task.created_us, start),
        start_us=start,
        end_us=max(start, executors[-1].end_us or last.ended_us or start),
        cpu_s=sum(one.cpu_s for one in executors),
        peak_bytes=max(one.peak_bytes for one in executors),
        cpu_cores=task.terms.cpu_cores,
        ram_bytes=round(task.terms.ram_gb * 1e9),
        attempts=last.number,
        site=last.site,
        images=tuple(sorted({one.image for one in task.spec.executors})),
    )


def tools_of(task: Task) -> frozenset[str]:
    """The programs of the machine it ran on, with their versions, where its backend tells them."""
    lines = [line for one in task.attempts[-1:] for line in one.log.system_logs if line.startswith(TOOLS)]
    return frozenset(part for line in lines for part in line.removeprefix(TOOLS).split(", "))


def _phases(events: Sequence[Event], ended_us: int) -> Iterable[Phase]:
    ends = [*(event.at_us for event in events[1:]), ended_us]
    for event, end_us in zip(events, ends, strict=True):
        yield Phase(event.state.value, event.at_us, max(event.at_us, end_us))
