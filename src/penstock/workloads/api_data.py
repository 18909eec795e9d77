"""``/api/v1/data``: what an owner keeps; ``/api/v1/workloads/{id}:keep`` adds a workload's results to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from penstock.clock import iso
from penstock.workloads.api import As, Inside, Owner
from penstock.workloads.keeping import Kept

router = APIRouter(prefix="/api/v1", tags=["data"])


class KeepBody(BaseModel):
    """``name`` is that of the new folder; default: the workload's id."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str | None, Field(max_length=200)] = None


class KeptBody(BaseModel):
    """A file or folder of an owner's data; ``url`` names it as an input of later workloads."""

    name: str
    bytes: int
    files: int
    modified_at: str
    url: str


def _body(owner: str, kept: Kept) -> KeptBody:
    url = f"file:///workspace/owners/{owner}/data/{kept.name}"
    return KeptBody(name=kept.name, bytes=kept.bytes, files=kept.files, modified_at=iso(kept.modified_us), url=url)


@router.post("/workloads/{workload}:keep", status_code=201)
async def keep(workload: str, owner: As, inside: Inside, body: KeepBody | None = None) -> KeptBody:
    """Let the results outlive the workload, in a folder of the owner's data."""
    name = (body.name if body else None) or workload
    return _body(owner, await inside.workloads.keep(owner, workload, name))


@router.get("/data")
async def list_data(caller: Owner, inside: Inside) -> dict[str, list[KeptBody]]:
    """What the caller keeps here."""
    return {"data": [_body(caller.owner, one) for one in await inside.workloads.kept(caller.owner)]}


@router.delete("/data/{name}", status_code=204)
async def remove(name: str, caller: Owner, inside: Inside) -> Response:
    """Remove one of them; harmless when done again."""
    await inside.workloads.remove_kept(caller.owner, name)
    return Response(status_code=204)
