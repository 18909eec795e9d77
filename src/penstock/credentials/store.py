"""Storage credentials in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Row, String, Table, Text, delete, insert, select

from penstock.credentials.models import Credential
from penstock.database.tables import metadata

credentials = Table(
    "storage_credentials",
    metadata,
    Column("owner", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("scheme", String(8), nullable=False),
    Column("bucket", String(255), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("region", String(63), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)


def put(connection: Connection, credential: Credential) -> None:
    """Store it in the place of one of the same name."""
    remove(connection, credential.owner, credential.name)
    connection.execute(insert(credentials).values(vars(credential)))


def of_owner(connection: Connection, owner: str | None) -> list[Credential]:
    """An owner's, or everybody's, by name."""
    query = select(credentials).order_by(credentials.c.owner, credentials.c.name)
    found = query if owner is None else query.where(credentials.c.owner == owner)
    return [_credential(row) for row in connection.execute(found)]


def remove(connection: Connection, owner: str, name: str) -> bool:
    """False if there is none."""
    mine = (credentials.c.owner == owner) & (credentials.c.name == name)
    return connection.execute(delete(credentials).where(mine)).rowcount == 1


def _credential(row: Row[Any]) -> Credential:
    return Credential(**row._mapping)
