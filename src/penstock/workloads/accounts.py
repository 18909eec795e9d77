"""Accounts: name and secret that open one workload's downloads and nothing else (design.md, section 7)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog
from sqlalchemy import Connection

from penstock.clock import now_us
from penstock.database.engine import Database
from penstock.errors import NotAuthenticated
from penstock.workloads import crypt, store
from penstock.workloads.models import REMOVING, Account

WRONG_SECRET_S = 0.5  # how long the first wrong secret waits for its answer; each further one twice as long, ...
LONGEST_PAUSE_S = 8.0  # ... up to this
FORGIVEN_S = 60.0  # after so long without a wrong secret the first one counts as the first again
MOST_REMEMBERED = 10_000
Pause = Callable[[float], Awaitable[None]]
_NOBODY = Account("", "nobody", bytes(16), bytes(32))
_log = structlog.get_logger(__name__)


def new_account(workload: str, at_us: int = 0) -> tuple[Account, str]:
    """An account to store, and the secret to hand out: the only time that it is shown."""
    # No underscore: the secret is never taken for a token, which has one after its first letters.
    secret, salt = secrets.token_urlsafe(32).replace("_", "-"), os.urandom(16)
    return Account(workload, f"w{workload[-10:]}", salt, _digest(salt, secret), at_us), secret


def chosen_account(workload: str, name: str, hashed: str, at_us: int) -> Account:
    """An account whose name and crypt(3) hash somebody chose; both were checked."""
    salt = os.urandom(16)
    return Account(workload, name, salt, _digest(salt, hashed), at_us, hashed)


def matches(account: Account, name: str, secret: str) -> bool:
    """Whether these are the account's, in constant time. Some milliseconds of work for a chosen secret."""
    same_name = hmac.compare_digest(account.name.encode(), name.encode(errors="replace"))
    if account.crypt:
        return crypt.matches(account.crypt, secret) and same_name
    return hmac.compare_digest(account.digest, _digest(account.salt, secret)) and same_name


def refused() -> NotAuthenticated:
    """The one answer to everybody who may not see a workload's downloads, whether it exists or not."""
    return NotAuthenticated(
        "This name and secret do not open this download.",
        hint="Use the account that was shown when the workload was created, or its owner's token.",
        headers={"WWW-Authenticate": 'Basic realm="penstock download", charset="UTF-8"'},
    )


class Slowness:
    """How long a wrong secret waits, by what it was tried on: the more of them lately, the longer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def next_s(self, tried: str) -> float:
        """Count one more wrong secret; seconds that its answer waits."""
        now = self._clock()
        count, last = self._wrong.pop(tried, (0, now))
        count = 0 if now - last > FORGIVEN_S else count
        self._wrong[tried] = count + 1, now
        while len(self._wrong) > MOST_REMEMBERED:
            self._wrong.popitem(last=False)
        return float(min(WRONG_SECRET_S * 2**count, LONGEST_PAUSE_S))


class Accounts:
    """Checks, exchanges and closes accounts; ``pause`` is what a wrong secret waits with."""

    def __init__(self, database: Database, pause: Pause = asyncio.sleep, clock: Callable[[], int] = now_us) -> None:
        self._database = database
        self.pause = pause
        self._clock = clock
        self._slowness = Slowness()

    async def find(self, workload: str) -> Account | None:
        """The account of a workload; None where it was revoked, or there is no workload."""
        return await self._database.read(lambda connection: store.account(connection, workload))

    async def check(self, workload: str, name: str, secret: str) -> None:
        """Raise ``refused()`` unless the account is this workload's; an unknown workload takes as long."""
        began = time.monotonic()
        found = await self.find(workload)
        right = await asyncio.to_thread(matches, found or _NOBODY, name, secret)
        if not right or found is None:
            await self.refuse(workload, began)

    async def refuse(self, workload: str, began: float | None = None) -> NoReturn:
        """Log, slow down and refuse; what was done since ``began`` counts as waiting, so that it shows nothing."""
        _log.warning("A download was refused.", workload=workload[:64])
        spent = 0.0 if began is None else time.monotonic() - began
        await self.pause(max(0.0, self._slowness.next_s(workload[:64]) - spent))
        raise refused()

    async def rotate(self, workload: str) -> tuple[Account, str] | None:
        """A new secret; the old one, and links that were signed under it, end at once. None: it is being removed."""
        account, secret = new_account(workload, self._clock())

        def change(connection: Connection) -> bool:
            found = store.find_short(connection, workload)
            if found is None or found.state in REMOVING:
                return False
            store.set_account(connection, account)
            return True

        return (account, secret) if await self._database.write(change) else None

    async def revoke(self, workload: str) -> None:
        """Close the account at once; nothing happens if it is closed."""
        await self._database.write(lambda connection: store.close_account(connection, workload))


def _digest(salt: bytes, secret: str) -> bytes:
    # A slow hash protects secrets that people choose. Nobody guesses 256 random bits, so one SHA-256 is as safe, and
    # a stranger cannot keep the server busy with it.
    return hashlib.sha256(salt + secret.encode(errors="replace")).digest()
