"""Who calls, and what they may do (design.md, section 7)."""

from __future__ import annotations

from dataclasses import dataclass, field

SCOPES = ("workloads", "tasks", "admin")
AGENT_SCOPE = "agent:"


@dataclass(frozen=True)
class Principal:
    """An authenticated caller. ``workload`` and ``attempt`` are set for the token of an attempt only."""

    owner: str
    scopes: frozenset[str]
    workload: str | None = None
    attempt: str | None = None
    token: str | None = None  # the public id of a bearer token

    def may(self, scope: str) -> bool:
        """Whether the scope was granted; ``*`` grants all (authentication 'none')."""
        return "*" in self.scopes or scope in self.scopes


@dataclass(frozen=True)
class StoredToken:
    """A token as stored: a salted hash, never the secret."""

    id: str
    owner: str
    scopes: frozenset[str]
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    created_us: int
    expires_us: int | None
    revoked_us: int | None
