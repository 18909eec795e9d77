"""From a setting to a store: SQLite in this process, or PostgreSQL for several servers."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from penstock.database.engine import Database
from penstock.database.migrate import migrate, migrate_postgres
from penstock.database.postgres import PostgresDatabase
from penstock.database.sqlite import SqliteDatabase
from penstock.errors import SetupError
from penstock.settings import Settings


def open_database(settings: Settings) -> Database:
    """The store of these settings. SQLite is migrated first; PostgreSQL is checked when it is started."""
    url = settings.store_url()
    if is_postgres(url):
        return PostgresDatabase(url, settings.database_patience_s)
    migrate(url)
    return SqliteDatabase(url)


async def migrate_database(settings: Settings) -> bool:
    """Bring the store of these settings to this release's schema; False where it has that."""
    url = settings.store_url()
    return await migrate_postgres(url) if is_postgres(url) else migrate(url)


async def check_database(settings: Settings) -> None:
    """Before a server starts: SetupError, or StoreAway, where its PostgreSQL cannot be used as it is."""
    if is_postgres(settings.store_url()):
        database = open_database(settings)
        try:
            await database.start()
        finally:
            await database.close()


def is_postgres(url: str) -> bool:
    """Which of the two it is; SetupError for anything else, without showing what may hold a password."""
    try:
        name = make_url(url).get_backend_name()
    except ArgumentError:
        name = "?"
    if name not in ("postgresql", "postgres", "sqlite"):
        raise SetupError(
            "The database's URL is neither of PostgreSQL nor of SQLite.",
            hint="Give postgresql://user@host/name or sqlite:////path.",
        )
    return name != "sqlite"
