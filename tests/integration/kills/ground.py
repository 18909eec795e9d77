"""What is killed: a server with SQLite or PostgreSQL and an agent, and how the store is looked at from outside.

The store is read by connections of the test's own. After a kill it shows which phase was hit: a dead server changes
nothing, and while PostgreSQL is dead the processes that use it are held still until the test has looked.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
from tests.conftest import RunningServer
from tests.integration.faults.conftest import Agent
from tests.postgres import Postgres

from penstock.clock import Deadline

FINAL = "('COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED')"
LONG_S = 120.0
SIZE = {"PENSTOCK_CPU_CORES": "8", "PENSTOCK_RAM_GB": "16"}


class SqliteLook:
    """Reads a server's SQLite."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._store: sqlite3.Connection | None = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the store says now."""
        if self._store is None:
            self._store = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=10, check_same_thread=False)
        return self._store.execute(query).fetchall()

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


class PostgresLook:
    """Reads a PostgreSQL, which may come and go."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.Runner()
        self._store: asyncpg.Connection | None = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the store says now, or as soon as it is there."""
        deadline = Deadline.after(LONG_S)
        while True:
            try:
                return self._loop.run(self._fetch(query))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self._drop()
                if deadline.passed:
                    raise
            time.sleep(0.02)

    async def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        if self._store is None:
            self._store = await asyncpg.connect(self._url)
        return [tuple(row) for row in await self._store.fetch(query)]

    def close(self) -> None:
        self._drop()
        self._loop.close()

    def _drop(self) -> None:
        if self._store is not None:
            self._loop.run(_end(self._store))
            self._store = None


async def _end(store: asyncpg.Connection) -> None:
    """Without a goodbye, which nobody may be there to hear."""
    store.terminate()
    await asyncio.sleep(0)  # the loop closes the socket in its next turn


class Ground:
    """A server and its agent. ``victims`` by name: kill it, answering what brings it back."""

    server: RunningServer
    victims: dict[str, Callable[[], Callable[[], None]]]

    def look(self) -> SqliteLook | PostgresLook:
        """A new view of the store, for one thread."""
        raise NotImplementedError

    def stop(self) -> None:
        """End everything."""
        raise NotImplementedError

    @property
    def workspace(self) -> Path:
        return self.server.data / "workspace"

    @property
    def register(self) -> Path:
        """Where the agent notes its attempts."""
        raise NotImplementedError

    def kill_server(self) -> Callable[[], None]:
        self.server.kill()
        return self.server.start


class Together(Ground):
    """A bare ``penstock serve``: SQLite, and an agent that ends with it."""

    def __init__(self, folder: Path) -> None:
        self.server = RunningServer(folder / "server", environment=SIZE)
        self.server.start()
        self.victims = {"server": self.kill_server, "agent": self._kill_agent}

    @property
    def register(self) -> Path:
        return self.server.data / "agent" / "attempts"

    def look(self) -> SqliteLook:
        return SqliteLook(self.server.data / "penstock.db")

    def _kill_agent(self) -> Callable[[], None]:
        deadline = Deadline.after(LONG_S)
        while (process := self._agent()) is None:  # it is not up again since the last kill
            assert not deadline.passed, self.server.log()[-5000:]
            time.sleep(0.005)
        os.kill(process, signal.SIGKILL)
        return lambda: None  # the server starts another

    def _agent(self) -> int | None:
        """The process id of the agent that holds the lock, once it has written it there."""
        lock = self.server.data / "agent" / "agent.lock"
        if not _is_held(lock) or not (told := lock.read_text().strip()):
            return None
        with suppress(OSError):
            words = Path(f"/proc/{told}/cmdline").read_bytes().split(b"\0")
            return int(told) if b"agent" in words else None
        return None

    def stop(self) -> None:
        self.server.stop()


class Apart(Ground):
    """PostgreSQL, server and agent, each a service of its own that goes on when another one dies."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._postgres = postgres
        self._url = asyncio.run(postgres.create())
        address = folder / "database"
        address.write_text(self._url)
        told = {**SIZE, "PENSTOCK_AUTHENTICATION": "none", "PENSTOCK_DATABASE_URL_FILE": str(address)}
        self.server = RunningServer(folder / "server", environment=told, arguments=("--no-agent",))
        self.server.start()
        self.agent = Agent(self.server, "field")
        self.agent.start()
        self.victims = {"server": self.kill_server, "agent": self._kill_agent, "database": self._kill_database}

    @property
    def register(self) -> Path:
        return self.server.data.parent / self.agent.site / "attempts"

    def look(self) -> PostgresLook:
        return PostgresLook(self._url)

    def _kill_agent(self) -> Callable[[], None]:
        self.agent.stop()
        return self.agent.start

    def _kill_database(self) -> Callable[[], None]:
        """It is up again when this returns, and what uses it stands still until the test has looked."""
        assert self.server.process is not None
        self._postgres.kill()
        self.server.process.send_signal(signal.SIGSTOP)
        self._postgres.start()
        return lambda: self.server.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]

    def stop(self) -> None:
        if self.server.process is not None:
            self.server.process.send_signal(signal.SIGCONT)  # a test that failed may have left it standing
        self.agent.stop()
        self.server.stop()


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def processes_of(attempts: set[str]) -> list[str]:
    """Command lines of processes that belong to one of these attempts."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            marks = [one.partition(b"=")[2].decode() for one in variables if one.startswith(b"PENSTOCK_ATTEMPT=")]
            if marks and marks[0].strip() in attempts:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found
