"""Tasks for everybody inside the server: create, look, wait, cancel, forget."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from sqlalchemy import Connection

from penstock.allowances import Allowance
from penstock.clock import Deadline
from penstock.database.engine import Database
from penstock.errors import Conflict, NotFound
from penstock.signals import QUEUE, Signals, workload_topic
from penstock.tasks import leases, limits, listing, metrics, store
from penstock.tasks.listing import Brief, Filter
from penstock.tasks.models import FINAL, Created, Kind, NewTask, Progress, State, Task
from penstock.tasks.publish import Publisher
from penstock.tasks.queue import Queue, refuse_what_never_fits, site_topic

log = structlog.get_logger(__name__)
FAILED = (State.EXECUTOR_ERROR, State.SYSTEM_ERROR)


class TaskService:
    """Policy of tasks. ``queue`` is the part that agents talk to."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        publisher: Publisher,
        queue: Queue,
        owners: Mapping[str, Allowance] | None = None,
    ) -> None:
        self._owners = owners or {}
        self._database = database
        self._signals = signals
        self._publisher = publisher
        self.queue = queue

    async def create(self, new: Sequence[NewTask]) -> list[Created]:
        """Durable when this returns. A key that the workload has already answers the task that has it."""
        made = await self._database.write(partial(_create, new=new, owners=self._owners))
        for answer, one in zip(made, new, strict=True):
            if answer.created:
                metrics.CREATED.labels(one.kind.value).inc()
                log.info("task created", task=answer.id, owner=one.owner, workload=one.workload)
        self._signals.notify(QUEUE, *{workload_topic(one.workload) for one in new if one.workload is not None})
        return made

    async def get(self, task: str) -> Task:
        """One task with its attempts; NotFound."""
        found = await self._database.read(lambda connection: store.get(connection, task))
        if found is None:
            raise NotFound(f"There is no task {task!r}.")
        return found

    async def brief(self, task: str) -> Brief:
        """Whose a task is and its state; NotFound."""
        found = await self._database.read(lambda connection: store.brief(connection, [task]))
        if not found:
            raise NotFound(f"There is no task {task!r}.")
        return found[0]

    async def page(self, wanted: Filter) -> list[Task]:
        """The newest tasks that match, with their attempts."""
        return await self._database.read(lambda connection: store.page(connection, wanted))

    async def brief_page(self, wanted: Filter) -> list[Brief]:
        """The states of the newest tasks that match."""
        return await self._database.read(lambda connection: store.brief(connection, listing.page(connection, wanted)))

    async def cancel(self, task: str) -> None:
        """Cancel a task; one that has ended stays as it is."""
        await self.get(task)
        await self._cancel([task])

    async def cancel_workload(self, workload: str) -> None:
        """Cancel all tasks of a workload, its head first so that it creates no more."""
        await self._cancel(await self._database.read(lambda c: store.live_of_workload(c, workload)))

    async def changes(self, workload: str, after: int, deadline: Deadline) -> tuple[list[Task], int]:
        """Processes that changed after this sequence and the new sequence; waits until there are any."""
        topic = workload_topic(workload)
        while True:
            seen = self._signals.count(topic)
            found = await self._database.read(lambda connection: store.changed(connection, workload, after))
            if found or not await self._signals.wait(topic, seen, deadline):
                return found, found[-1].sequence if found else after

    async def progress(self, workload: str) -> Progress:
        """Its processes, counted by rule and state."""
        return await self._database.read(lambda connection: store.progress(connection, workload))

    async def head(self, workload: str) -> Task | None:
        """The workload's head task, if it has been made."""
        query = partial(store.of_workload, workload=workload, kind=Kind.HEAD, states=list(State))
        found = await self._database.read(query)
        return found[-1] if found else None

    async def failures(self, workload: str) -> list[Task]:
        """Processes that failed, oldest first, with their attempts."""
        query = partial(store.of_workload, workload=workload, kind=Kind.PROCESS, states=FAILED)
        return await self._database.read(query)

    async def expect(self, workload: str, total: int) -> None:
        """Note how many processes the workload's engine expects."""
        await self._database.write(lambda connection: store.expect(connection, workload, total))
        self._signals.notify(workload_topic(workload))

    async def forget_workload(self, workload: str) -> None:
        """Remove every trace of a workload's tasks; Conflict while one of them is live."""
        live = await self._database.read(lambda connection: store.live_of_workload(connection, workload))
        if live:
            raise Conflict(f"{len(live)} tasks of workload {workload} have not ended yet.", hint="Cancel it first.")
        ids = await self._database.read(lambda c: [one.id for one in _all_of(c, workload)])
        await asyncio.to_thread(self._remove_folders, ids)
        await self._database.write(lambda connection: store.remove_workload(connection, workload))

    async def owner_of_attempt(self, attempt: str) -> tuple[str, str | None] | None:
        """Owner and workload of an attempt that is live and its task's latest; what its token stands for."""
        found = await self._database.read(lambda connection: leases.current(connection, attempt))
        if found is None or found[1].state not in ("leased", "started") or found[0].state in FINAL:
            return None
        return found[0].owner, found[0].workload

    async def _cancel(self, ids: Sequence[str]) -> None:
        for task, site in await self._database.write(partial(_cancel, ids=ids)):
            topics = [] if task.workload is None else [workload_topic(task.workload)]
            self._signals.notify(*topics, *([site_topic(site)] if site else []))

    def _remove_folders(self, ids: Sequence[str]) -> None:
        for task in ids:
            shutil.rmtree(self._publisher.workspace / "tasks" / task, ignore_errors=True)


def _create(connection: Connection, new: Sequence[NewTask], owners: Mapping[str, Allowance]) -> list[Created]:
    limits.check(connection, new, owners)
    made = [store.create(connection, one) for one in new]
    pairs = zip(made, new, strict=True)
    fresh = [limits.candidate(answer.id, one) for answer, one in pairs if answer.created and one.workload is not None]
    refuse_what_never_fits(connection, fresh)
    return made


def _cancel(connection: Connection, ids: Sequence[str]) -> list[tuple[Task, str | None]]:
    """Cancel what is live; each task that was changed, and the site that has to end its attempt."""
    changed: list[tuple[Task, str | None]] = []
    for one in ids:
        task = store.get(connection, one)
        if task is None:
            continue
        if store.move(connection, one, [State.QUEUED], State.CANCELED, "Canceled before it started."):
            changed.append((task, None))
        elif store.move(connection, one, [State.INITIALIZING, State.RUNNING], State.CANCELING, "Being canceled."):
            changed.append((task, task.attempts[-1].site))
    return changed


def _all_of(connection: Connection, workload: str) -> list[Task]:
    return [task for kind in Kind for task in store.of_workload(connection, workload, kind=kind, states=list(State))]
