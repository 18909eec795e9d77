"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, by a unix socket, as an ordinary user."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TypeVar

import asyncpg

from penstock.clock import Deadline
from penstock.database.migrate import migrate_postgres

T = TypeVar("T")
USER = "postgres"
TEMPLATE = "penstock_template"
START_S = 60.0
# What a killed process has written stays in the page cache; only a power failure would need the disk.
FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200", "listen_addresses=")


def programs() -> Path | None:
    """Where Debian puts initdb and postgres; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@dataclass
class Postgres:
    """A running cluster. ``kill`` is kill -9 of the postmaster; ``start`` recovers what it left."""

    programs: Path
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="penstock-postgres-")))
    process: subprocess.Popen[bytes] | None = None
    _numbers: count[int] = field(default_factory=count)

    def make(self) -> None:
        """Initialise, start, and migrate the template that every test's database is a copy of."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
        made = [str(self.programs / "initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8"]
        self._as_user([*made, "--locale=C.UTF-8", "--no-sync"])
        self.start()
        _run(self._execute(f"CREATE DATABASE {TEMPLATE}"))
        _run(migrate_postgres(self.url(TEMPLATE)))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start the postmaster and wait until it takes connections.

        Again if need be: it refuses while a killed one's processes still hold their memory.
        """
        deadline = Deadline.after(START_S)
        while not self._begin(deadline):
            assert not deadline.passed, (self.folder / "log").read_text()[-2000:]

    def _begin(self, deadline: Deadline) -> bool:
        options = [word for setting in FAST for word in ("-c", setting)]
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-k", str(self.folder), *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(_demoted(command), stdout=log, stderr=log, start_new_session=True)
        return _run(self._until_ready(deadline))

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """End it: fast (SIGINT) by default, at once without a checkpoint (SIGQUIT)."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        """kill -9 of the postmaster and of all of its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def remove(self) -> None:
        self.stop(how=signal.SIGQUIT)
        shutil.rmtree(self.folder)

    async def create(self) -> str:
        """The URL of a new database with this release's schema."""
        name = f"test_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    async def empty(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"test_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    async def drop(self, url: str) -> None:
        name = url.rpartition("?")[0].rpartition("/")[2]
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _until_ready(self, deadline: Deadline) -> bool:
        """Whether it takes connections; False when it has ended."""
        assert self.process is not None
        while self.process.poll() is None:
            try:
                await self._execute("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if deadline.passed:
                    raise
            else:
                return True
            await asyncio.sleep(0.05)
        return False

    def _as_user(self, command: list[str]) -> None:
        subprocess.run(_demoted(command), check=True, capture_output=True)


def _run(job: Coroutine[None, None, T]) -> T:
    """To its end, also where a loop runs already."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, job).result()


def _demoted(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", *command]
