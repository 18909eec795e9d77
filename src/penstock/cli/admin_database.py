"""How the commands of ``penstock admin`` reach the server's database."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from penstock import logs
from penstock.audit import AUDIT_LOG, AuditLog
from penstock.clock import MICROSECONDS
from penstock.database.engine import Database
from penstock.database.opening import open_database
from penstock.settings import Settings

T = TypeVar("T")


def on_database(job: Callable[[Database], Awaitable[T]]) -> T:
    """Run ``job`` on the database of the settings; SQLite's is made if it is not there yet."""
    settings = Settings()
    logs.configure(settings)  # to standard error: what is printed may be a token
    settings.data.mkdir(parents=True, exist_ok=True)

    async def run() -> T:
        database = open_database(settings)
        try:
            await database.start()
            return await job(database)
        finally:
            await database.close()

    return asyncio.run(run())


def note(what: str, **more: object) -> None:
    """An operator's deed in the audit log, by the name of the login."""
    log = AuditLog(Settings().data / AUDIT_LOG)
    log.write({"operator": getpass.getuser()}, f"penstock admin {what}", **more)
    log.close()


def day(moment_us: int) -> str:
    """For tables."""
    return datetime.fromtimestamp(moment_us / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M")
