"""``/api/v1/workloads``: create, look, wait, list, cancel, acknowledge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from penstock.access.api import allow, credential
from penstock.access.models import Principal
from penstock.clock import Deadline, iso
from penstock.errors import Forbidden, InvalidInput
from penstock.names import is_id
from penstock.services import Services, services
from penstock.workloads.models import State, Submission
from penstock.workloads.views import (
    CreatedBody,
    EventBody,
    PageBody,
    WorkloadBody,
    created_body,
    short_body,
    workload_body,
)

router = APIRouter(prefix="/api/v1/workloads", tags=["workloads"])

Inside = Annotated[Services, Depends(services)]
Owner = Annotated[Principal, Depends(allow("workloads"))]
Caller = Annotated[Principal, Depends(allow("workloads", "admin"))]
LARGEST_PAGE = 500
EVERYBODY = "*"


def base_url(request: Request, inside: Inside) -> str:
    """The address that URLs in answers begin with."""
    return (inside.settings.public_url or str(request.base_url)).rstrip("/")


Base = Annotated[str, Depends(base_url)]


async def acting_as(workload: str, caller: Caller, inside: Inside) -> str:
    """The owner to act as: the caller, or, for an operator, whoever the workload belongs to."""
    if not caller.may("admin"):
        return caller.owner
    return await inside.workloads.owner_of(workload) or caller.owner


As = Annotated[str, Depends(acting_as)]


def listed_owner(caller: Principal, owner: str | None) -> str | None:
    """Whose workloads are listed; None is everybody's. Forbidden unless they are one's own, or one is an operator."""
    if owner == EVERYBODY:
        return None if caller.may("admin") else caller.owner
    if owner not in (None, caller.owner) and not caller.may("admin"):
        raise Forbidden(f"The workloads of {owner!r} are not yours.", hint="An operator's token lists them.")
    return owner or caller.owner


async def _creator(request: Request, inside: Inside) -> Principal | None:
    """Who makes a workload; None is a stranger: somebody without a token, where that is allowed and others have one."""
    settings = inside.settings
    if settings.anonymous_workloads and settings.authentication == "tokens" and credential(request) is None:
        return None
    return await allow("workloads")(request, inside)


Creator = Annotated[Principal | None, Depends(_creator)]


Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Chosen by the client, random: a create that is sent again with the same key and the same body, "
        "because its answer was lost, is answered with the workload that it has made, and a new secret.",
    ),
]
AGAIN: dict[int | str, dict[str, object]] = {
    200: {"model": CreatedBody, "description": "This key has made the workload before; the account is a new one."},
    409: {"description": "What this key has made is past its uploads; the answer names it."},
    422: {"description": "This key came with another submission before; the answer tells what differs."},
}


@router.post("", status_code=201, responses=AGAIN)
async def create(
    submission: Submission, caller: Creator, inside: Inside, base: Base, response: Response, key: Key = None
) -> CreatedBody:
    """Make a workload; send its files to ``uploads``, and it goes on by itself."""
    token = None
    if caller is None:
        made = await inside.workloads.create_anonymous(submission, key)
        token = await inside.access.issue(made.workload.owner, ["workloads"], inside.settings.retention_s * 2)
    else:
        made = await inside.workloads.create(caller.owner, submission, key)
    response.status_code = 200 if made.repeated else 201
    body = created_body(made, base, token)
    response.headers["Location"] = body.url
    return body


@router.get("", response_model_exclude_none=True)
async def list_workloads(
    caller: Caller,
    inside: Inside,
    base: Base,
    state: State | None = None,
    owner: str | None = None,
    page_size: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    page_token: str | None = None,
) -> PageBody:
    """Workloads, newest first, without inputs and results: the caller's; an operator may name an owner, or ``*``."""
    if page_token is not None and not is_id(page_token):
        raise InvalidInput(f"page_token is {page_token!r}.", hint="Use the next_page_token of the page before.")
    whose = listed_owner(caller, owner)
    found = await inside.workloads.page(whose, state, page_token, page_size + 1)
    more = found[page_size - 1].id if len(found) > page_size else None
    return PageBody(workloads=[short_body(one, base) for one in found[:page_size]], next_page_token=more)


@router.get("/{workload}")
async def get(
    workload: str,
    owner: As,
    inside: Inside,
    base: Base,
    wait: Annotated[float, Query(ge=0)] = 0,
    after: int = 0,
) -> WorkloadBody:
    """The workload; with ``wait`` as soon as its sequence is above ``after``, or after that many seconds."""
    deadline = Deadline.after(min(wait, inside.settings.longest_wait_s))
    return workload_body(await inside.workloads.look(owner, workload, after, deadline), base)


@router.get("/{workload}/events")
async def events(workload: str, owner: As, inside: Inside) -> dict[str, list[EventBody]]:
    """Every change of its state."""
    found = await inside.workloads.events(owner, workload)
    return {"events": [EventBody(at=iso(one.at_us), state=one.state, reason=one.reason) for one in found]}


@router.post("/{workload}:cancel", status_code=202)
async def cancel(workload: str, owner: As, inside: Inside, base: Base) -> WorkloadBody:
    """Ask for its end; one that has ended stays as it is."""
    return workload_body(await inside.workloads.cancel(owner, workload), base)


@router.post("/{workload}:acknowledge", status_code=204)
async def acknowledge(workload: str, owner: As, inside: Inside) -> Response:
    """Have everything of a finished workload removed."""
    await inside.workloads.acknowledge(owner, workload)
    return Response(status_code=204)
