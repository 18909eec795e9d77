"""Files of attempts over HTTP, for pods at sites that do not mount the workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from penstock.access.api import allow
from penstock.access.models import Principal
from penstock.agents.files import archive
from penstock.services import Services, services
from penstock.tasks.models import FileType

router = APIRouter(tags=["attempts"])
Caller = Annotated[Principal, Depends(allow("tasks"))]
Inside = Annotated[Services, Depends(services)]


@router.get("/api/v1/attempts/{attempt}/inputs/{number}")
async def read_input(attempt: str, number: int, caller: Caller, inside: Inside) -> Response:
    """An input that the task declares: its bytes, a directory as a tar."""
    given, path = await inside.files.input(attempt, number, caller)
    if path is None:
        return Response((given.content or "").encode(), media_type="application/octet-stream")
    if given.type is FileType.DIRECTORY:
        return StreamingResponse(archive(path), media_type="application/x-tar")
    return FileResponse(path, media_type="application/octet-stream")


# Below /uploads, where the file service passes bodies through as they come and sets no limit.
@router.put("/uploads/attempts/{attempt}/{number}", status_code=201)
async def receive_output(attempt: str, number: int, caller: Caller, inside: Inside, request: Request) -> Response:
    """A file that the task has made; published when the attempt's end is durable."""
    body: AsyncIterator[bytes] = request.stream()
    await inside.files.receive(attempt, number, caller, body)
    return Response(status_code=201)
