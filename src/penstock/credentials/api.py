"""``/api/v1/credentials``: an owner's storage credentials. Values go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from penstock.access.api import allow
from penstock.access.models import Principal
from penstock.clock import iso
from penstock.credentials.models import Credential
from penstock.credentials.service import Asked
from penstock.errors import Forbidden
from penstock.services import Services, services

router = APIRouter(prefix="/api/v1/credentials", tags=["credentials"])
Inside = Annotated[Services, Depends(services)]


class AskedBody(BaseModel):
    """``values`` are checked by the service: a validation error would repeat them."""

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    values: dict[str, Any] = Field(repr=False)


class CredentialBody(BaseModel):
    """A credential without its values."""

    name: str
    scheme: str
    bucket: str
    prefix: str
    endpoint: str
    region: str
    created_at: str
    changed_at: str


class CredentialsBody(BaseModel):
    """An owner's, by name."""

    credentials: list[CredentialBody]


async def owner(principal: Annotated[Principal, Depends(allow("workloads", "tasks"))]) -> str:
    """The owner who calls; what runs for an owner may not."""
    if principal.attempt is not None:
        raise Forbidden("A task cannot see or change storage credentials.")
    return principal.owner


As = Annotated[str, Depends(owner)]


@router.get("")
async def list_all(caller: As, inside: Inside) -> CredentialsBody:
    """The caller's."""
    return CredentialsBody(credentials=[_body(one) for one in await inside.credentials.of_owner(caller)])


@router.put("/{name}")
async def put(name: str, body: AskedBody, caller: As, inside: Inside) -> CredentialBody:
    """Store one, in the place of one of the same name."""
    asked = Asked(name, body.scheme, body.bucket, body.prefix, body.endpoint, body.region, body.values)
    return _body(await inside.credentials.put(caller, asked))


@router.delete("/{name}", status_code=204)
async def remove(name: str, caller: As, inside: Inside) -> Response:
    """Remove one."""
    await inside.credentials.remove(caller, name)
    return Response(status_code=204)


def _body(one: Credential) -> CredentialBody:
    return CredentialBody(
        name=one.name, scheme=one.scheme, bucket=one.bucket, prefix=one.prefix, endpoint=one.endpoint,
        region=one.region, created_at=iso(one.created_us), changed_at=iso(one.changed_us),
    )  # fmt: skip
