"""Tasks for pipeline engines: many creates in one call, and changes by long-poll (design.md, section 6)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from penstock.access.api import allow
from penstock.access.models import Principal
from penstock.clock import Deadline
from penstock.errors import Forbidden
from penstock.services import Services, services
from penstock.tasks.models import Created, State, Task, TaskSpec

router = APIRouter(prefix="/api/v1", tags=["engines"])
Caller = Annotated[Principal, Depends(allow("tasks"))]
Inside = Annotated[Services, Depends(services)]
MOST_TASKS = 1000


class KeyedTask(BaseModel):
    """A task with its idempotency key within the workload."""

    key: str | None = Field(None, max_length=128)
    task: TaskSpec


class Batch(BaseModel):
    """Up to 1,000 creates; ``total`` is how many processes the engine expects in all."""

    total: int | None = Field(None, ge=0)
    tasks: list[KeyedTask] = Field(max_length=MOST_TASKS)


class BatchAnswer(BaseModel):
    """One entry for each task, in their order."""

    tasks: list[Created]


class Change(BaseModel):
    """The state of a process; ``exit_code`` and ``stderr`` of its last executor once it has ended."""

    id: str
    key: str | None
    name: str
    state: State
    reason: str
    sequence: int
    exit_code: int | None = None
    stderr: str = ""


class Changes(BaseModel):
    """What changed, in order; ask for what comes ``after`` this sequence next. ``head`` is the head task's id."""

    tasks: list[Change]
    sequence: int
    head: str | None = None


@router.post("/tasks:batch")
async def create_tasks(body: Batch, caller: Caller, inside: Inside) -> BatchAnswer:
    """Create many tasks in one transaction; a key that is known answers its task."""
    if body.total is not None and caller.workload is not None:
        await inside.tasks.expect(caller.workload, body.total)
    return BatchAnswer(tasks=await inside.tes.create([(one.key, one.task) for one in body.tasks], caller))


@router.get("/tasks")
async def changed_tasks(
    parent: str, caller: Caller, inside: Inside, after: int = 0, wait: Annotated[float, Field(ge=0)] = 0.0
) -> Changes:
    """Processes of a workload that changed after this sequence, for engine and owner; waits while there are none."""
    head = None if caller.workload == parent else await _head_of_own(parent, caller, inside)
    deadline = Deadline.after(min(wait, inside.settings.longest_wait_s))
    found, sequence = await inside.tasks.changes(parent, after, deadline)
    return Changes(tasks=[_change(one) for one in found], sequence=sequence, head=head)


async def _head_of_own(parent: str, caller: Principal, inside: Services) -> str | None:
    """The head task's id of a workload that is the caller's own; Forbidden for everybody else's."""
    head = await inside.tasks.head(parent)
    if caller.attempt is not None or head is None or head.owner != caller.owner:
        raise Forbidden(f"This token is neither of an attempt nor of the owner of workload {parent!r}.")
    return head.id


def _change(task: Task) -> Change:
    last = task.attempts[-1].log.executors[-1:] if task.attempts else []
    return Change(
        id=task.id,
        key=task.key,
        name=task.spec.name or "",
        state=task.state,
        reason=task.reason,
        sequence=task.sequence,
        exit_code=last[0].exit_code if last else None,
        stderr=last[0].stderr if last else "",
    )
