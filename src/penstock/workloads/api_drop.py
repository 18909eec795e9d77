"""``PUT /upload/{random}/{name}.tar``: the drop box, for who has nothing but curl."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import PlainTextResponse

from penstock.workloads.api import Base, Inside

router = APIRouter(prefix="/upload", tags=["drop box"])


@router.put("/{key}/{name}", status_code=201)
async def put(
    key: str,
    name: str,
    request: Request,
    inside: Inside,
    base: Base,
    content_length: Annotated[int | None, Header()] = None,
) -> PlainTextResponse:
    """Take a tar with a workload.yml; what becomes of it is told at ``/download/{random}/``."""
    await inside.workloads.drops.receive(key, name, content_length, request.stream())
    return PlainTextResponse(f"Received. Its results: {base}/download/{key}/\n", status_code=201)
