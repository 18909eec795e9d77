"""Collects what there is to tell of a workload that ends, for its report and its crate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from penstock.clock import Deadline
from penstock.pipelines.models import Pipeline
from penstock.workloads import store
from penstock.workloads.crate import crate
from penstock.workloads.halt import Halt
from penstock.workloads.highlights import look_at
from penstock.workloads.intake import input_digests
from penstock.workloads.interfaces import Tasks
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import Result, State, Workload
from penstock.workloads.places import Places
from penstock.workloads.preparation import Preparation
from penstock.workloads.record import Past, Record, Run, make_record, run_of, tools_of
from penstock.workloads.report import report
from penstock.workloads.results import CRATE, REPORT, Describe


class Provenance:
    """What ran is asked of the queue; on what and with what, of the workload's own folder."""

    def __init__(self, lifecycle: Lifecycle, places: Places, tasks: Tasks, preparation: Preparation) -> None:
        self._lifecycle = lifecycle
        self._places = places
        self._tasks = tasks
        self._preparation = preparation

    async def look(self, workload: str) -> tuple[Workload, Past]:
        """The whole workload with its past. Of each process only figures are kept: there can be ten thousand."""
        runs: list[Run] = []
        tools: frozenset[str] = frozenset()
        after = 0
        while True:
            tasks, after = await self._tasks.changes(workload, after, Deadline.after(0))
            if not tasks:
                break
            runs += [run for run in map(run_of, tasks) if run is not None]
            tools = tools.union(*map(tools_of, tasks))
        events = await self._lifecycle.database.read(lambda c: store.events_of(c, workload))
        return await self._lifecycle.whole(workload), Past(tuple(runs), tools, tuple(events))

    def describe(
        self, workload: Workload, state: State, reason: str, past: Past, halt: Halt
    ) -> list[tuple[str, Describe]]:
        """What makes the files that tell of the results; these block."""

        @cache
        def inputs() -> dict[str, str]:
            return input_digests(self._places, workload, halt)

        @cache
        def ended_us() -> int:
            return self._lifecycle.clock()

        def record(results: Sequence[Result]) -> Record:
            end = state, reason, ended_us()
            return make_record(workload, self._pipeline(workload), end, inputs(), results, past)

        def page(folder: Path, results: Sequence[Result], _name: str) -> bytes:
            pipeline = self._pipeline(workload)
            summary = pipeline.definition.results.summary if pipeline else None
            return report(record(results), look_at(folder, results, summary))

        def metadata(_folder: Path, results: Sequence[Result], name: str) -> bytes:
            return crate(record(results), name)

        return [(REPORT, page), (CRATE, metadata)]

    def _pipeline(self, workload: Workload) -> Pipeline | None:
        try:
            return self._preparation.own_pipeline(workload)
        except FileNotFoundError:  # it failed because its folder is gone: there is still to tell of that
            return None
