"""Credentials of a request: ``Depends(allow("workloads"))`` in a handler's signature."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from penstock.access.models import Principal
from penstock.errors import Forbidden
from penstock.services import Services, services

if TYPE_CHECKING:
    from penstock.access.service import AccessService


def credential(request: Request) -> str | None:
    """The token of ``Authorization``: bearer, or the password of basic auth (for clients that know nothing else)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return value
    return None


async def identify(request: Request, access: AccessService) -> Principal:
    """Who calls; the audit log is told, too."""
    principal = await access.principal(credential(request))
    request.state.who = {"owner": principal.owner, "token": principal.attempt or principal.token}
    return principal


def allow(*scopes: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency that answers a caller with one of these scopes, or raises NotAuthenticated or Forbidden."""

    async def caller(request: Request, inside: Annotated[Services, Depends(services)]) -> Principal:
        principal = await identify(request, inside.access)
        if not any(principal.may(scope) for scope in scopes):
            wanted = " or ".join(repr(scope) for scope in scopes)
            raise Forbidden(f"This token does not have the scope {wanted}.", hint="Ask an operator for one that has.")
        return principal

    return caller
