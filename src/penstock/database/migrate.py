"""Brings a database to the schema of this release, with a backup copy before anything changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from penstock.database.locks import SPACE, Lock, connect
from penstock.database.sqlite import make_engine
from penstock.errors import SetupError

log = structlog.get_logger(__name__)


def migrate(url: str) -> bool:
    """Upgrade the SQLite database at ``url``; False where it is up to date."""
    engine = make_engine(url)
    try:
        newest = ScriptDirectory.from_config(_config()).get_current_head()
        with engine.connect() as connection:
            present = schema_of(connection)
        if present == newest:
            return False
        if present is not None:
            _back_up(url, present)
        _upgrade(engine)
        log.info("migrated", before=present, after=newest)
        return True
    finally:
        engine.dispose()


async def migrate_postgres(url: str) -> bool:
    """Upgrade the PostgreSQL database at ``url``, all or nothing; a second one waits. False where it is up to date."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url, "penstock migrate"), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({SPACE}, {Lock.MIGRATE})"))
            before = await connection.run_sync(schema_of)
            await connection.run_sync(upgrade)
            return await connection.run_sync(schema_of) != before
    finally:
        await engine.dispose()


def check_schema(connection: Connection) -> None:
    """SetupError unless the database has this release's schema or a later one (a release of skew is allowed)."""
    present, newest = schema_of(connection), ScriptDirectory.from_config(_config()).get_current_head()
    if present == newest:
        return
    if present is not None and present not in known_schemas():
        log.warning("the database has a later schema than this release", schema=present, known=newest)
        return
    found = "no schema yet" if present is None else f"schema {present}"
    raise SetupError(
        f"The database has {found}; this release needs {newest}.", hint="Type `penstock admin migrate` first."
    )


def schema_of(connection: Connection) -> str | None:
    """The revision of the database; None where there is no schema."""
    return MigrationContext.configure(connection).get_current_revision()


def known_schemas() -> set[str]:
    """Every revision that this release knows."""
    return {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}


def upgrade(connection: Connection, to: str = "head") -> None:
    """Upgrade inside of the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(engine: Engine) -> None:
    with engine.connect() as connection:
        # A table that is changed is made anew and the old one dropped, which deletes its rows first: with foreign keys
        # on, all rows that refer to them would go, too (https://www.sqlite.org/lang_altertable.html, section 7).
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade(connection)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise SetupError(f"After the migration, {len(broken)} rows refer to rows that do not exist.")
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _back_up(url: str, revision: str) -> None:
    file = make_url(url).database
    if file is None:
        return
    with sqlite3.connect(file) as source, sqlite3.connect(f"{file}.before-{revision}") as target:
        source.backup(target)
