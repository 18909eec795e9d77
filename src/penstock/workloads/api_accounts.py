"""``/api/v1/workloads/{id}/account`` and ``/links``: what opens a workload's downloads, made and ended by its owner."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from penstock.clock import MICROSECONDS, iso
from penstock.workloads.api import As, Base, Inside
from penstock.workloads.links import LONGEST_LIFETIME_S
from penstock.workloads.views import AccountBody

router = APIRouter(prefix="/api/v1/workloads/{workload}", tags=["workloads"])


class AccountStateBody(BaseModel):
    """An account without its secret; ``rotated_at`` is when the secret was made."""

    state: str
    name: str | None = None
    rotated_at: str | None = None


class AskedLink(BaseModel):
    """``path`` is below ``/download/<id>/``, as in ``files/calls.vcf.gz``."""

    model_config = ConfigDict(extra="forbid")

    path: str
    lifetime_s: Annotated[int, Field(ge=1, le=LONGEST_LIFETIME_S)] = 86_400


class LinkBody(BaseModel):
    """An address that opens one file without any other credentials."""

    url: str
    expires_at: str


@router.get("/account")
async def account(workload: str, owner: As, inside: Inside) -> AccountStateBody:
    """Whether there is an account, and how old its secret is."""
    found = await inside.workloads.account(owner, workload)
    if found is None:
        return AccountStateBody(state="revoked")
    return AccountStateBody(state="active", name=found.name, rotated_at=iso(found.created_us))


@router.post("/account:rotate")
async def rotate(workload: str, owner: As, inside: Inside, response: Response) -> AccountBody:
    """A new secret, shown once; the old one ends at once. Also opens an account again that was revoked."""
    made, secret = await inside.workloads.rotate_account(owner, workload)
    response.headers["Cache-Control"] = "no-store"
    return AccountBody(name=made.name, secret=secret)


@router.delete("/account", status_code=204)
async def revoke(workload: str, owner: As, inside: Inside) -> Response:
    """Close the account, and every link, at once; harmless when done again."""
    await inside.workloads.revoke_account(owner, workload)
    return Response(status_code=204)


@router.post("/links", status_code=201)
async def link(workload: str, asked: AskedLink, owner: As, inside: Inside, base: Base) -> LinkBody:
    """An address that hands one file to whoever has it, until it expires or the account is rotated."""
    made = await inside.workloads.link(owner, workload, asked.path, asked.lifetime_s)
    url = f"{base}/download/{workload}/{quote(made.path)}?expires={made.expires_s}&signature={made.signature}"
    return LinkBody(url=url, expires_at=iso(made.expires_s * MICROSECONDS))
