"""A real S3 gateway and a real FTP server, and a server of Penstock that may speak to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration.conftest import Tes
from tests.integration.transfers.gateway import Gateway
from tests.started import started

from penstock.client.credentials import Credentials
from penstock.client.http import Server
from penstock.settings import Settings

PROGRAM = Path(__file__).with_name("ftp_server.py")
FTP_USER, FTP_PASSWORD = "reader", "an-ftp-password-that-must-not-be-seen"


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests; each has buckets of its own."""
    with started(Gateway(tmp_path_factory.mktemp("s3"))) as one:
        yield one


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that a test may kill."""
    with started(Gateway(tmp_path / "fragile")) as one:
        yield one


class Ftp:
    """An FTP server over a folder, for one user and for anonymous reading. It takes the port it had before."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._port = "0"
        self._process: subprocess.Popen[str] | None = None

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"ftp://{self.place}/{path}"

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        words = [sys.executable, str(PROGRAM), str(self.root), FTP_USER, FTP_PASSWORD, self._port]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().strip()

    def stop(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture
def ftp(tmp_path: Path) -> Iterator[Ftp]:
    """A server of its own."""
    root = tmp_path / "ftp"
    root.mkdir()
    with started(Ftp(root)) as one:
        yield one


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose tasks may speak to this machine."""
    one = RunningServer(tmp_path_factory.mktemp("open") / "server", {"PENSTOCK_ALLOW_PRIVATE_URLS": "true"})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


@pytest.fixture
def tasks(open_server: RunningServer) -> Iterator[Tes]:
    """A TES client of that server."""
    client = Tes(open_server.url)
    yield client
    client.http.close()


@pytest.fixture
def credentials(open_server: RunningServer) -> Iterator[Credentials]:
    """The owner's storage credentials there; none are left."""
    with Server(Settings(url=open_server.url, token_file=open_server.data / "none")) as server:
        mine = Credentials(server)
        yield mine
        for one in mine.list():
            mine.remove(one.name)
