"""Sends a workload's packed results to where their owner wants them: by a task of the workload, like everything else.

So the owner's storage credentials, the limits on addresses, retries, the deadline, and that everything is sent once are
those of any task's outputs. What cannot be sent is on the server all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import Forbidden, InvalidInput, LimitReached
from penstock.names import TOOLS_IMAGE
from penstock.staging.storage import find
from penstock.staging.urls import OBJECT_STORES, remote, scheme_of, shown
from penstock.tasks import models as tasks_models
from penstock.tasks.models import Executor, FileType, Input, NewTask, Output, Resources, Task, TaskSpec, Terms
from penstock.tasks.sending import FindStorage
from penstock.workloads.failures import said
from penstock.workloads.interfaces import Tasks
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import Result, State, Workload
from penstock.workloads.results import FILES, MANIFEST

KEY, RULE = "delivery", "send results"  # no engine's rule has a name with a space in it
CPU_CORES, RAM_GB = 0.1, 0.2
SEEN, SENT = "/results", "/out/sent"


def check_destination(url: str) -> None:
    """InvalidInput unless results may be sent there."""
    hint = f"Use {' or '.join(f'{scheme}://bucket/folder/' for scheme in OBJECT_STORES)}."
    if scheme_of(url) not in OBJECT_STORES:
        raise InvalidInput(f"Results cannot be sent to {shown(url)!r}.", hint=hint)
    remote(url)


async def check_opened(find_storage: FindStorage | None, owner: str, url: str) -> None:
    """InvalidInput where the owner has no credentials for it: better now than after the run."""
    storage = [] if find_storage is None else await find_storage(owner, [], [url])
    if find(url, storage) is None:
        told = f"There are no storage credentials that open {url!r}, where the results are to be sent."
        raise InvalidInput(told, hint="Store them with `penstock credentials set`.")


def delivery_task(workload: Workload) -> NewTask:
    """The task that sends the results of ``workload``. Its key makes creating it again harmless."""
    if workload.results_to is None:
        raise ValueError(f"The results of {workload.id} are not to be sent.")
    published = f"file:///workspace/owners/{workload.owner}/results/{workload.id}"
    # Outputs are taken from what a task has written itself, so it copies what it is shown.
    script = f"mkdir -p {SENT} && cp -R {SEEN}/{FILES}/. {SEEN}/{MANIFEST} {SENT}/"
    return NewTask(
        owner=workload.owner,
        workload=workload.id,
        key=KEY,
        terms=Terms(cpu_cores=CPU_CORES, ram_gb=RAM_GB),
        spec=TaskSpec(
            name=RULE,
            inputs=[
                Input(url=f"{published}/{FILES}", path=f"{SEEN}/{FILES}", type=FileType.DIRECTORY),
                Input(url=f"{published}/{MANIFEST}", path=f"{SEEN}/{MANIFEST}"),
            ],
            outputs=[Output(url=workload.results_to, path=SENT, type=FileType.DIRECTORY)],
            resources=Resources(cpu_cores=CPU_CORES, ram_gb=RAM_GB),
            executors=[Executor(image=TOOLS_IMAGE, command=["sh", "-c", script])],
            tags={"rule": RULE},
        ),
    )


class Delivery:
    """Makes the task once, follows it, and ends the workload with what came of it."""

    def __init__(self, lifecycle: Lifecycle, tasks: Tasks) -> None:
        self._lifecycle = lifecycle
        self._tasks = tasks

    async def go_on(self, workload: Workload, results: Sequence[Result]) -> None:
        """From packed results to SUCCEEDED; returns before that while they are being sent."""
        wanted = delivery_task(workload)
        try:
            (made,) = await self._tasks.create([wanted])
        except (InvalidInput, Forbidden, LimitReached) as error:
            return await self._unsent(workload, results, str(error))
        task = await self._tasks.get(made.id)
        if task.spec != wanted.spec:  # whoever runs in the workload can take any key
            return await self._unsent(workload, results, "the pipeline has made a task that stands in for the sending.")
        if not task.state.final:
            return await self._tell(workload)
        if task.state is not tasks_models.State.COMPLETE:
            return await self._unsent(workload, results, _why(task))
        moment = task.ended_us or self._lifecycle.clock()
        await self._lifecycle.move(
            workload.id, [State.PACKING], State.SUCCEEDED, results=tuple(results), sent_us=moment
        )
        return None

    async def _tell(self, workload: Workload) -> None:
        reason = f"Sending the results to {workload.results_to}."
        if workload.reason != reason:
            await self._lifecycle.move(workload.id, [State.PACKING], State.PACKING, reason)

    async def _unsent(self, workload: Workload, results: Sequence[Result], why: str) -> None:
        reason = f"The results are here, but could not be sent to {workload.results_to}: {why}"
        await self._lifecycle.move(workload.id, [State.PACKING], State.SUCCEEDED, reason, results=tuple(results))


def _why(task: Task) -> str:
    if task.state is tasks_models.State.EXECUTOR_ERROR:
        return said(task)
    return task.reason or f"its task ended as {task.state.value}."
