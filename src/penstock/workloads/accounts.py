"""Accounts: name and secret that open one workload's downloads and nothing else (design.md, section 7)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable

import structlog

from penstock.database.engine import Database
from penstock.errors import NotAuthenticated
from penstock.workloads import store
from penstock.workloads.models import Account

WRONG_SECRET_S = 0.5  # how long a wrong secret waits for its answer
Pause = Callable[[float], Awaitable[None]]
_NOBODY = Account("", "nobody", bytes(16), bytes(32))
_log = structlog.get_logger(__name__)


def new_account(workload: str) -> tuple[Account, str]:
    """An account to store, and the secret to hand out: the only time that it is shown."""
    # No underscore: the secret is never taken for a token, which has one after its first letters.
    secret, salt = secrets.token_urlsafe(32).replace("_", "-"), os.urandom(16)
    return Account(workload, f"w{workload[-10:]}", salt, _digest(salt, secret)), secret


def matches(account: Account, name: str, secret: str) -> bool:
    """Whether these are the account's, in constant time."""
    same_name = hmac.compare_digest(account.name.encode(), name.encode(errors="replace"))
    return hmac.compare_digest(account.digest, _digest(account.salt, secret)) and same_name


def refused() -> NotAuthenticated:
    """The one answer to everybody who may not see a workload's downloads, whether it exists or not."""
    return NotAuthenticated(
        "This name and secret do not open this download.",
        hint="Use the account that was shown when the workload was created, or its owner's token.",
        headers={"WWW-Authenticate": 'Basic realm="penstock download", charset="UTF-8"'},
    )


class Accounts:
    """Checks names and secrets; ``pause`` is what a wrong one waits with."""

    def __init__(self, database: Database, pause: Pause = asyncio.sleep) -> None:
        self._database = database
        self.pause = pause

    async def check(self, workload: str, name: str, secret: str) -> None:
        """Raise ``refused()`` unless the account is this workload's; an unknown workload costs the same work."""
        found = await self._database.read(lambda connection: store.account(connection, workload))
        right = matches(found or _NOBODY, name, secret)
        if not right or found is None:
            await self.refuse(workload)

    async def refuse(self, workload: str) -> None:
        """Log, slow down and refuse."""
        _log.warning("A download was refused.", workload=workload)
        await self.pause(WRONG_SECRET_S)
        raise refused()


def _digest(salt: bytes, secret: str) -> bytes:
    # A slow hash protects secrets that people choose. Nobody guesses 256 random bits, so one SHA-256 is as safe, and
    # a stranger cannot keep the server busy with it.
    return hashlib.sha256(salt + secret.encode(errors="replace")).digest()
