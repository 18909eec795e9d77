"""Credentials of a request: ``Depends(allow("workloads"))`` in a handler's signature."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from penstock.access.models import Principal
from penstock.errors import Forbidden
from penstock.services import Services, services


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


def allow(*scopes: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency that answers a caller with one of these scopes, or raises NotAuthenticated or Forbidden."""

    async def caller(request: Request, inside: Annotated[Services, Depends(services)]) -> Principal:
        principal = await inside.access.principal(credential(request))
        if not any(principal.may(scope) for scope in scopes):
            wanted = " or ".join(repr(scope) for scope in scopes)
            raise Forbidden(f"This token does not have the scope {wanted}.", hint="Ask an operator for one that has.")
        return principal

    return caller
