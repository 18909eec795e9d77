"""GA4GH TES 1.1 over HTTP, under both prefixes that clients use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse

from penstock.access.api import allow
from penstock.access.models import Principal
from penstock.audit import note
from penstock.services import Services, services
from penstock.tasks.models import State, TaskSpec
from penstock.tes.models import (
    OldServiceInfo,
    TesCreateTaskResponse,
    TesListTasksResponse,
    TesServiceInfo,
    TesState,
    TesTask,
    View,
    Wanted,
)

OLD_PREFIX = "/v1"
PREFIXES = ("/ga4gh/tes/v1", OLD_PREFIX)
router = APIRouter(tags=["TaskService"])
Caller = Annotated[Principal, Depends(allow("tasks"))]
Inside = Annotated[Services, Depends(services)]
Words = Annotated[list[str], Query()]
Task = Annotated[str, Path(alias="id")]


@router.get("/tasks/service-info", include_in_schema=False)
async def old_service_info(request: Request, inside: Inside) -> OldServiceInfo:
    """The same as TES 1.0 told it, for clients that understand nothing else."""
    told = inside.tes.info(str(request.base_url))
    return OldServiceInfo(name=told.name, doc=told.description, storage=told.storage)


@router.get("/service-info", response_model_exclude_none=True)
async def service_info(request: Request, inside: Inside) -> TesServiceInfo:
    """What this server is; needs no token."""
    return inside.tes.info(str(request.base_url))


@router.post("/tasks")
async def create_task(request: Request, body: TaskSpec, caller: Caller, inside: Inside) -> TesCreateTaskResponse:
    """Create a task; durable when answered."""
    made = await inside.tes.create([(None, body)], caller)
    note(request.state, task=made[0].id)
    return TesCreateTaskResponse(id=made[0].id)


@router.get("/tasks", response_model_exclude_none=True)
async def list_tasks(
    request: Request,
    caller: Caller,
    inside: Inside,
    name_prefix: str = "",
    state: TesState | None = None,
    tag_key: Words = [],  # noqa: B006 - FastAPI copies it
    tag_value: Words = [],  # noqa: B006 - FastAPI copies it
    page_size: int = 256,
    page_token: str | None = None,
    view: View = View.MINIMAL,
) -> TesListTasksResponse:
    """The caller's tasks, newest first."""
    wanted = Wanted(name_prefix, state, tag_key, tag_value, page_size, page_token or None)
    page = await inside.tes.page(wanted, view, caller)
    return page.model_copy(update={"tasks": [told(request, one) for one in page.tasks]})


@router.get("/tasks/{id}", response_model_exclude_none=True)
async def get_task(request: Request, task: Task, caller: Caller, inside: Inside, view: View = View.MINIMAL) -> TesTask:
    """One task."""
    return told(request, await inside.tes.get(task, view, caller))


@router.post("/tasks/{id}:cancel")
async def cancel_task(task: Task, caller: Caller, inside: Inside) -> JSONResponse:
    """Cancel a task."""
    await inside.tes.cancel(task, caller)
    return JSONResponse({})


def told(request: Request, task: TesTask) -> TesTask:
    """``task`` in words that the caller knows: TES 1.0 has no CANCELING, and its clients stop at an unknown state."""
    if task.state is State.CANCELING and request.url.path.startswith(f"{OLD_PREFIX}/"):
        return task.model_copy(update={"state": State.RUNNING})
    return task
