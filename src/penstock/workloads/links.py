"""Signed links: an address that hands one file of a workload to whoever has it, until it expires.

Nothing is stored for a link. It is signed with what the workload's account is at that moment, so that rotating or
revoking the account ends every link that was made before.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from penstock.clock import MICROSECONDS
from penstock.errors import Conflict, NotAuthenticated
from penstock.workloads.accounts import Accounts
from penstock.workloads.models import Account, Link, Workload

LONGEST_LIFETIME_S = 30 * 86_400
Sign = Callable[[str, str], str]  # purpose and text to what proves both


def own_signature() -> Sign:
    """Signatures that nobody else can make or check: with a key of this process."""
    key = os.urandom(32)
    return lambda purpose, text: hmac.new(key, f"{purpose} {text}".encode(), hashlib.sha256).hexdigest()


class Links:
    """Makes and checks signed links."""

    def __init__(self, accounts: Accounts, sign: Sign, clock: Callable[[], int]) -> None:
        self._accounts = accounts
        self._sign = sign
        self._clock = clock

    async def make(self, workload: Workload, path: str, lifetime_s: int) -> Link:
        """A link to ``path``; Conflict where the account is revoked."""
        account = await self._accounts.find(workload.id)
        if account is None:
            raise Conflict(
                "The workload's account is revoked, and with it all links.", hint="Rotate the account first."
            )
        expires_s = self._clock() // MICROSECONDS + lifetime_s
        return Link(path, expires_s, self._signature(account, path, expires_s))

    async def check(self, workload: str, link: Link) -> None:
        """NotAuthenticated unless the link is right and its time is not over."""
        account = await self._accounts.find(workload)
        wanted = self._signature(account or _NOBODY, link.path, link.expires_s)
        if account is None or not hmac.compare_digest(wanted.encode(), link.signature.encode(errors="replace")):
            await self._accounts.refuse(workload)
        if link.expires_s * MICROSECONDS <= self._clock():  # only who had a right link learns this
            raise NotAuthenticated("This link has expired.", hint="Ask who gave it to you for a new one.")

    def _signature(self, account: Account, path: str, expires_s: int) -> str:
        return self._sign("link", f"{account.workload} {account.digest.hex()} {expires_s} {path}")


_NOBODY = Account("", "nobody", bytes(16), bytes(32))
