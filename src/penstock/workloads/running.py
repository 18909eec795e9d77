"""QUEUED, RUNNING and PACKING: from a head task to results."""

from __future__ import annotations

from penstock.tasks import models as tasks_models
from penstock.tasks.models import Progress, Task
from penstock.workloads.delivery import Delivery
from penstock.workloads.failures import failure_reason, logs
from penstock.workloads.globs import find_results
from penstock.workloads.halt import Halt
from penstock.workloads.interfaces import Tasks
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import WORKING, Result, State, Workload
from penstock.workloads.places import Places, remove_tree
from penstock.workloads.preparation import Preparation
from penstock.workloads.provenance import Provenance
from penstock.workloads.record import Past
from penstock.workloads.results import publish, read_published
from penstock.workloads.threads import Threads

WAITING = frozenset({tasks_models.State.QUEUED, tasks_models.State.INITIALIZING})


class Running:
    """Follows the head task; packs what it made, or what its processes said."""

    def __init__(
        self, lifecycle: Lifecycle, places: Places, threads: Threads, tasks: Tasks, preparation: Preparation
    ) -> None:
        self._lifecycle = lifecycle
        self._places = places
        self._threads = threads
        self._tasks = tasks
        self._preparation = preparation
        self._delivery = Delivery(lifecycle, tasks)
        self._provenance = Provenance(lifecycle, places, tasks, preparation)
        self._told: dict[str, Progress] = {}

    async def queued(self, workload: Workload, _halt: Halt) -> None:
        """Wait until the head task runs."""
        head = await self._tasks.head(workload.id)
        if head is None:
            await self._preparation.create_head(workload)
        elif head.state not in WAITING:
            await self._lifecycle.move(workload.id, [State.QUEUED], State.RUNNING)

    async def running(self, workload: Workload, halt: Halt) -> None:
        """Wait until the head task ends; tell who watches how far it is."""
        head = await self._tasks.head(workload.id)
        if head is not None and head.state is tasks_models.State.COMPLETE:
            self._told.pop(workload.id, None)
            await self._lifecycle.move(workload.id, [State.RUNNING], State.PACKING)
        elif head is None or head.state.final:
            self._told.pop(workload.id, None)
            await self._failed(workload, head, halt)
        else:
            await self._tell_progress(workload.id)

    async def pack(self, workload: Workload, halt: Halt) -> None:
        """Publish the files that the pipeline calls its results, and send them where that is wanted."""
        results = await self._threads.run(self._packed, workload)
        if results is None:
            whole, past = await self._provenance.look(workload.id)
            results = await self._threads.run(self._pack, whole, past, halt)
        if workload.results_to is not None:
            await self._delivery.go_on(workload, results)
        else:
            await self._lifecycle.move(workload.id, [State.PACKING], State.SUCCEEDED, results=tuple(results))

    async def fail(self, workload: Workload, reason: str) -> None:
        """End a workload that cannot go on, and all its tasks."""
        await self._tasks.cancel_workload(workload.id)
        await self._lifecycle.move(workload.id, WORKING, State.FAILED, reason)

    async def _failed(self, workload: Workload, head: Task | None, halt: Halt) -> None:
        await self._tasks.cancel_workload(workload.id)
        failed = await self._tasks.failures(workload.id)
        whole, past = await self._provenance.look(workload.id)
        reason = failure_reason(head, failed)
        results = await self._threads.run(self._publish_logs, whole, past, logs(head, failed), reason, halt)
        await self._lifecycle.move(workload.id, [State.RUNNING], State.FAILED, reason, results=tuple(results))

    def _packed(self, workload: Workload) -> list[Result] | None:
        """What was published before a kill, or is being sent; the workload's folder may be gone by now, or partly."""
        published = self._places.results(workload.owner, workload.id)
        if not published.is_dir():
            return None
        remove_tree(self._places.workload(workload.id))
        return read_published(published)

    def _pack(self, workload: Workload, past: Past, halt: Halt) -> list[Result]:
        wanted = self._preparation.own_pipeline(workload).definition.results
        folder = self._places.work(workload.id) / wanted.folder
        names = find_results(folder, wanted.files) if folder.is_dir() else []
        described = self._provenance.describe(workload, State.SUCCEEDED, "", past, halt)
        results = publish(self._places, workload.owner, workload.id, folder, names, halt, described)
        remove_tree(self._places.workload(workload.id))
        return results

    def _publish_logs(
        self, workload: Workload, past: Past, texts: dict[str, str], reason: str, halt: Halt
    ) -> list[Result]:
        folder = self._places.make(self._places.logs(workload.id))
        for name, text in texts.items():
            (folder / name).write_text(text)
        names = [f"logs/{name}" for name in texts]
        described = self._provenance.describe(workload, State.FAILED, reason, past, halt)
        return publish(self._places, workload.owner, workload.id, folder.parent, names, halt, described)

    async def _tell_progress(self, workload: str) -> None:
        progress = await self._tasks.progress(workload)
        if self._told.get(workload) != progress:
            self._told[workload] = progress
            await self._lifecycle.count_up(workload)
