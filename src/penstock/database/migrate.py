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


def migrate(url: str) -> None:
    """Upgrade the SQLite database at ``url``; does nothing where it is up to date."""
    engine = make_engine(url)
    try:
        config = _config()
        newest = ScriptDirectory.from_config(config).get_current_head()
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        if present == newest:
            return
        if present is not None:
            _back_up(url, present)
        _upgrade(engine, config)
        log.info("migrated", before=present, after=newest)
    finally:
        engine.dispose()


async def migrate_postgres(url: str) -> None:
    """Upgrade the PostgreSQL database at ``url``, all or nothing; a second one waits for the first."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url, "penstock migrate"), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({SPACE}, {Lock.MIGRATE})"))
            await connection.run_sync(_run, _config())
    finally:
        await engine.dispose()


def check_schema(connection: Connection) -> None:
    """SetupError unless the database has this release's schema or a later one (a release of skew is allowed)."""
    script = ScriptDirectory.from_config(_config())
    present, newest = MigrationContext.configure(connection).get_current_revision(), script.get_current_head()
    if present == newest:
        return
    if present is not None and present not in {one.revision for one in script.walk_revisions()}:
        log.warning("the database has a later schema than this release", schema=present, known=newest)
        return
    found = "no schema yet" if present is None else f"schema {present}"
    raise SetupError(
        f"The database has {found}; this release needs {newest}.", hint="Type `penstock admin migrate` first."
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(engine: Engine, config: Config) -> None:
    with engine.connect() as connection:
        # A table that is changed is made anew and the old one dropped, which deletes its rows first: with foreign keys
        # on, all rows that refer to them would go, too (https://www.sqlite.org/lang_altertable.html, section 7).
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _run(connection, config)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise SetupError(f"After the migration, {len(broken)} rows refer to rows that do not exist.")
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _run(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _back_up(url: str, revision: str) -> None:
    file = make_url(url).database
    if file is None:
        return
    with sqlite3.connect(file) as source, sqlite3.connect(f"{file}.before-{revision}") as target:
        source.backup(target)
