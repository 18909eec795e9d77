"""Brings a database to the schema of this release, with a backup copy before anything changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, make_url

from penstock.database.engine import make_engine

log = structlog.get_logger(__name__)


def migrate(url: str) -> None:
    """Upgrade the database at ``url``; does nothing where it is up to date."""
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(engine: Engine, config: Config) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _run(connection, config)
        connection.commit()


def _run(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _back_up(url: str, revision: str) -> None:
    file = make_url(url).database
    if file is None:
        return
    with sqlite3.connect(file) as source, sqlite3.connect(f"{file}.before-{revision}") as target:
        source.backup(target)
