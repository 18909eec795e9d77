"""Fixtures that several kinds of tests share: a database, and a real server with its agent as processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
from pydantic import SecretStr
from tests.postgres import Postgres, programs

from penstock.clock import Deadline
from penstock.database.engine import Database
from penstock.database.opening import open_database
from penstock.settings import Settings

START_S = 120.0

# What a test sees does not depend on the terminal, or the lack of one, that the tests were started from. At import,
# because libraries look at these once.
os.environ["TERM"] = "xterm-256color"
for _name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "COLUMNS", "LINES"):
    os.environ.pop(_name, None)

# Nor on whether they were started in the background, where a shell has interrupts ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


@contextlib.contextmanager
def _running_postgres() -> Iterator[Postgres]:
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed: `make packages`")
    one = Postgres(found)
    one.make()
    yield one
    one.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests."""
    with _running_postgres() as one:
        yield one


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that the test may kill."""
    with _running_postgres() as one:
        yield one


@pytest.fixture
async def postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    """The URL of a PostgreSQL database of the test's own, with this release's schema."""
    url = await postgres.create()
    yield url
    await postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of the test's own: every test that asks for it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'penstock.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    """A real database with this release's schema, SQLite and PostgreSQL in turn."""
    one = open_database(Settings(database_url=SecretStr(store_url), database_patience_s=5))
    await one.start()
    yield one
    await one.close()


@dataclass
class RunningServer:
    """A ``penstock serve`` of its own: server and agent as processes, on a port the system chose."""

    data: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    url: str = ""
    process: subprocess.Popen[str] | None = None
    prefix: tuple[str, ...] = ()

    def start(self) -> None:
        """Start it and wait until it is ready; it takes the port it had before."""
        port = self.url.rpartition(":")[2] or "0"
        command = [*self.prefix, sys.executable, "-m", "penstock.cli.main", "serve", "--port", port]
        command += ["--data", str(self.data)]
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "run" / "address").unlink(missing_ok=True)  # of a server that was killed
        with (self.data.parent / f"{self.data.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments],
                env=self.variables(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.url = self._address()

    def variables(self) -> dict[str, str]:
        """The environment of this server and of its clients: nothing of the user's own settings."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        state = {"PENSTOCK_STATE": str(self.data / "client"), "PENSTOCK_TOKEN_FILE": str(self.data / "token")}
        return {
            **clean,
            **state,
            "PENSTOCK_URL": self.url or "http://unset",
            "PENSTOCK_LOG_LEVEL": "info",
            **self.environment,
        }

    def kill(self) -> None:
        """kill -9 of the server; its agent ends, its runners go on."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        self.process = None

    def restart(self) -> None:
        """Stop it in an orderly way and start it again."""
        self.stop()
        self.start()

    def log(self) -> str:
        """What server and agent have logged so far."""
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def _address(self) -> str:
        assert self.process is not None
        deadline, address = Deadline.after(START_S), self.data / "run" / "address"
        while self.process.poll() is None and not deadline.passed:
            if address.exists():  # it appears whole
                return address.read_text().strip()
            time.sleep(0.01)
        pytest.fail(f"the server did not start:\n{self.log()}")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for every test that leaves it as it found it: starting one costs seconds."""
    one = RunningServer(tmp_path_factory.mktemp("shared") / "server")
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A fresh server with its agent."""
    one = RunningServer(tmp_path / "server")
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


def end_runners(data: Path) -> None:
    """End what a test left running below ``data``: runners outlive their agent, which is their point."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if str(data).encode() in command and int(folder.name) != os.getpid():
            try:
                os.kill(int(folder.name), signal.SIGKILL)
            except ProcessLookupError:
                continue
