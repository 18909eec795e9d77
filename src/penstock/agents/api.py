"""The agents' protocol over HTTP: ``/agent/v1``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from penstock.access.api import identify
from penstock.access.models import AGENT_SCOPE
from penstock.agents.protocol import (
    Caller,
    Hello,
    LeaseAnswer,
    LeaseRequest,
    Orders,
    Renewal,
    Reports,
    ReportsAnswer,
    Welcome,
)
from penstock.errors import Forbidden
from penstock.services import Services, services

router = APIRouter(prefix="/agent/v1", tags=["agents"])
Inside = Annotated[Services, Depends(services)]


async def _check(request: Request, inside: Services, caller: Caller) -> None:
    principal = await identify(request, inside.access)
    if not principal.may(f"{AGENT_SCOPE}{caller.site}") or principal.attempt is not None:
        raise Forbidden(f"This token is not for the agent of site {caller.site!r}.")


@router.post("/hello")
async def hello(body: Hello, request: Request, inside: Inside) -> Welcome:
    """Register; fences the site's earlier agent."""
    await _check(request, inside, body)
    return await inside.agents.hello(body)


@router.post("/lease")
async def lease(body: LeaseRequest, request: Request, inside: Inside) -> LeaseAnswer:
    """Long-poll for work and orders; given up when the agent hangs up, so that nothing is leased to nobody."""
    await _check(request, inside, body)
    leasing, leaving = asyncio.create_task(inside.agents.lease(body)), asyncio.create_task(_left(request))
    try:
        await asyncio.wait({leasing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return leasing.result() if leasing.done() else LeaseAnswer()
    finally:
        for job in (leasing, leaving):
            job.cancel()
        await asyncio.gather(leasing, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@router.post("/renew")
async def renew(body: Renewal, request: Request, inside: Inside) -> Orders:
    """Renew every lease in one call."""
    await _check(request, inside, body)
    return await inside.agents.renew(body)


@router.post("/report")
async def report(body: Reports, request: Request, inside: Inside) -> ReportsAnswer:
    """Report what happened, in one batch."""
    await _check(request, inside, body)
    return await inside.agents.report(body)
