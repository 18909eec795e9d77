"""Puts rows from elsewhere into a store: into the schema they were written with, which is then migrated to ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from penstock.database import rows
from penstock.database.locks import SPACE, WRITING, Lock, connect
from penstock.database.migrate import known_schemas, schema_of, upgrade
from penstock.database.sqlite import make_engine
from penstock.database.wire import NAME
from penstock.errors import Conflict, InvalidInput, SetupError

Load = Callable[[Connection], None]
SERVERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, :name)"
).bindparams(name=NAME)


def into_sqlite(url: str, schema: str, load: Load, *, replace: bool) -> None:
    """Make a new file and put it into the place of the old one, which stays beside it."""
    _check_known(schema)
    file = Path(make_url(url).database or "")
    if file.exists() and not replace and _rows_of(url):
        raise _not_empty(_rows_of(url))
    fresh = file.with_name(f"{file.name}.restoring")
    _remove(fresh)
    engine = make_engine(f"sqlite:///{fresh}")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            upgrade(connection, schema)
            load(connection)
            upgrade(connection)
            connection.commit()
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
    if file.exists():
        _fold(url)
        file.replace(file.with_name(f"{file.name}.before-restore"))
    fresh.replace(file)
    _remove(fresh)


async def into_postgres(url: str, schema: str, load: Load, *, replace: bool) -> None:
    """Replace all rows in one transaction, or none."""
    _check_known(schema)
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url, "penstock restore"), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({SPACE}, {Lock.MIGRATE})"))
            await connection.execute(WRITING)
            if (await connection.execute(SERVERS)).scalar_one():
                raise SetupError("A server uses this database.", hint="Stop every server of the deployment first.")
            await connection.run_sync(_replace, schema, load, replace=replace)
    finally:
        await engine.dispose()


def _replace(connection: Connection, schema: str, load: Load, *, replace: bool) -> None:
    present = schema_of(connection)
    if present not in (None, schema):
        raise SetupError(
            f"The database has schema {present}, the backup {schema}.", hint="Restore into an empty database."
        )
    if present is None:
        upgrade(connection, schema)
    elif found := rows.filled(connection):
        if not replace:
            raise _not_empty(found)
        rows.clear(connection)
    load(connection)
    upgrade(connection)


def _rows_of(url: str) -> list[str]:
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return rows.filled(connection)
    finally:
        engine.dispose()


def _fold(url: str) -> None:
    """Bring what is only in the write-ahead log into the file itself."""
    engine = make_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    file = make_url(url).database
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


def _check_known(schema: str) -> None:
    if schema not in known_schemas():
        raise InvalidInput(f"This release does not know schema {schema!r}.", hint="Use the release that wrote it.")


def _not_empty(found: list[str]) -> Conflict:
    return Conflict(f"The store has rows ({', '.join(found)}).", hint="Add --replace to overwrite them.")
