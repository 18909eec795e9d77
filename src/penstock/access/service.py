"""Issues and checks tokens.

A bearer token is ``pst_<public id>_<secret>``: the id finds the row, the secret (256 random bits) is compared as a
salted SHA-256. A slow hash would only slow requests down: nobody guesses 256 random bits. An attempt's token is
``psa_<attempt>_<HMAC>``: nothing is stored for it, and it dies with the attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path

from penstock.access import store
from penstock.access.models import AGENT_SCOPE, SCOPES, Principal, StoredToken
from penstock.clock import MICROSECONDS, now_us
from penstock.database.engine import Database
from penstock.errors import InvalidInput, NotAuthenticated
from penstock.names import check_owner, is_id, new_id

BEARER, ATTEMPT = "pst", "psa"
SHORTEST_SECRET = 43  # 256 bits in letters and digits
EVERYTHING = frozenset({"*"})
FindAttempt = Callable[[str], Awaitable[tuple[str, str | None] | None]]


class AccessService:
    """``find_attempt`` tells owner and workload of a live attempt; it is set when the services are put together."""

    def __init__(self, database: Database, key: bytes, anonymous_owner: str | None) -> None:
        self._database = database
        self._key = key
        self._anonymous_owner = anonymous_owner
        self.find_attempt: FindAttempt = _no_attempts

    async def issue(self, owner: str, scopes: Iterable[str], lifetime_s: int | None = None) -> str:
        """Make a token; the answer is the only time its secret is shown."""
        token, secret = new_token(owner, scopes, lifetime_s)
        await self._database.write(lambda connection: store.add(connection, token))
        return secret

    async def enter(self, text: str, owner: str, scopes: Iterable[str], lifetime_s: int | None = None) -> None:
        """Make a token valid that was chosen elsewhere, e.g. for a cluster's secret; InvalidInput if it is no token."""
        kind, _, rest = text.partition("_")
        public, _, secret = rest.rpartition("_")
        if kind != BEARER or not is_id(public) or len(secret) < SHORTEST_SECRET:
            raise InvalidInput(
                "This is no token.",
                hint=f"A token is {BEARER}_<26 letters and digits>_<{SHORTEST_SECRET} or more of them>.",
            )
        token = _stored(public, secret, owner, scopes, lifetime_s)
        await self._database.write(lambda connection: store.add(connection, token))

    async def principal(self, credential: str | None) -> Principal:
        """Who sent this credential; NotAuthenticated if nobody that is known."""
        kind, _, rest = (credential or "").partition("_")
        name, _, secret = rest.rpartition("_")
        if kind == ATTEMPT:
            return await self._attempt(name, secret)
        if self._anonymous_owner is not None:
            return Principal(self._anonymous_owner, EVERYTHING)
        if kind == BEARER and name:
            return await self._bearer(name, secret)
        raise NotAuthenticated("A token is missing." if not credential else "The token is not valid.", hint=_HINT)

    def attempt_token(self, attempt: str) -> str:
        """The token that an attempt's own calls carry."""
        return f"{ATTEMPT}_{attempt}_{self._sign(attempt)}"

    def sign(self, purpose: str, text: str) -> str:
        """What proves that this server, and no other, wrote ``text`` for ``purpose`` (one word)."""
        return hmac.new(self._key, f"{purpose} {text}".encode(), hashlib.sha256).hexdigest()

    async def _bearer(self, name: str, secret: str) -> Principal:
        token = await self._database.read(lambda connection: store.find(connection, name))
        if token is None or not matches(token, secret) or not alive(token):
            raise NotAuthenticated("The token is not valid.", hint=_HINT)
        return Principal(token.owner, token.scopes, token=token.id)

    async def _attempt(self, attempt: str, signature: str) -> Principal:
        if hmac.compare_digest(signature.encode(), self._sign(attempt).encode()):
            found = await self.find_attempt(attempt)
            if found is not None:
                owner, workload = found
                return Principal(owner, frozenset({"tasks"}), workload, attempt)
        raise NotAuthenticated("The attempt's token is not valid, or its attempt has ended.")

    def _sign(self, attempt: str) -> str:
        return self.sign("attempt", attempt)


_HINT = "Send `Authorization: Bearer <token>`; an operator makes one with `penstock admin token create`."


def new_token(owner: str, scopes: Iterable[str], lifetime_s: int | None) -> tuple[StoredToken, str]:
    """A token to store, and the secret to hand out."""
    public, secret = new_id(), secrets.token_urlsafe(32).replace("_", "-")
    return _stored(public, secret, owner, scopes, lifetime_s), f"{BEARER}_{public}_{secret}"


def _stored(public: str, secret: str, owner: str, scopes: Iterable[str], lifetime_s: int | None) -> StoredToken:
    granted = frozenset(scopes)
    for scope in sorted(granted):
        if scope not in SCOPES and not scope.startswith(AGENT_SCOPE):
            raise InvalidInput(f"{scope!r} is not a scope.", hint=f"Use {', '.join(SCOPES)} or agent:<site>.")
    salt, created = os.urandom(16), now_us()
    expires = None if lifetime_s is None else created + lifetime_s * MICROSECONDS
    return StoredToken(public, check_owner(owner), granted, salt, _digest(salt, secret), created, expires, None)


def matches(token: StoredToken, secret: str) -> bool:
    """Whether ``secret`` is this token's, in constant time."""
    return hmac.compare_digest(token.digest, _digest(token.salt, secret))


def alive(token: StoredToken) -> bool:
    """Whether it is neither revoked nor expired."""
    return token.revoked_us is None and (token.expires_us is None or token.expires_us > now_us())


def load_key(path: Path) -> bytes:
    """The server's own 256-bit key; made once, 0600."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{new_id()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(32))
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another server of this deployment was faster: its key is everybody's
            os.link(fresh, path)
        fresh.unlink()
        return path.read_bytes()


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


async def _no_attempts(_attempt: str) -> tuple[str, str | None] | None:
    return None
