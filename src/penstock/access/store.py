"""Tokens in the database."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from penstock.access.models import StoredToken
from penstock.database.tables import metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner", String(63), nullable=False, index=True),
    Column("scopes", String, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
)


_TOKEN = select(tokens).where(tokens.c.id == bindparam("wanted"))  # put together once: each request runs it


def add(connection: Connection, token: StoredToken) -> None:
    """Store a new token."""
    values = {**vars(token), "scopes": " ".join(sorted(token.scopes))}
    connection.execute(insert(tokens).values(values))


def find(connection: Connection, token: str) -> StoredToken | None:
    """The token with this public id."""
    row = connection.execute(_TOKEN, {"wanted": token}).one_or_none()
    return None if row is None else _token(row)


def of_owner(connection: Connection, owner: str | None) -> list[StoredToken]:
    """All tokens of an owner, or of everybody, oldest first."""
    query = select(tokens).order_by(tokens.c.id)
    return [_token(row) for row in connection.execute(query if owner is None else query.where(tokens.c.owner == owner))]


def expire(connection: Connection, token: str, at_us: int) -> bool:
    """Let a token end at this moment, unless it ends before; False if there is no such live token."""
    live = (tokens.c.id == token) & tokens.c.revoked_us.is_(None)
    sooner = live & (tokens.c.expires_us.is_(None) | (tokens.c.expires_us > at_us))
    connection.execute(update(tokens).where(sooner).values(expires_us=at_us))
    return connection.execute(select(tokens.c.id).where(live)).one_or_none() is not None


def revoke(connection: Connection, token: str, at_us: int) -> bool:
    """Revoke at once; False if there is no such live token."""
    live = (tokens.c.id == token) & tokens.c.revoked_us.is_(None)
    return connection.execute(update(tokens).where(live).values(revoked_us=at_us)).rowcount == 1


def _token(row: Row[tuple[object, ...]]) -> StoredToken:
    values = dict(row._mapping)
    return StoredToken(**{**values, "scopes": frozenset(str(values["scopes"]).split())})
