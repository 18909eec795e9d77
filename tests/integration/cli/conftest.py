"""The command line as a user has it: a program of its own, a folder to work in, and a server to talk to."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, end_runners

from penstock.clock import Deadline

PIPELINES = Path(__file__).resolve().parents[2] / "data" / "pipelines"
LONG_S = 120.0
Done = subprocess.CompletedProcess[str]


@dataclass
class Shell:
    """A user at a terminal (or not) in a folder of theirs."""

    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *words: str, stdin: str | None = None) -> Done:
        """``penstock`` with these words, to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LONG_S,
            check=False,
        )

    def ok(self, *words: str, stdin: str | None = None) -> str:
        """What it says on stdout; it must succeed."""
        done = self(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        """What it says with ``--json``; it must succeed."""
        return json.loads(self.ok(*words, "--json"))

    def wrong(self, *words: str, code: int) -> str:
        """What it says on stderr; it must end with ``code``, in words and not in a traceback."""
        done = self(*words)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert any(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr
        return done.stderr

    def start(self, *words: str) -> subprocess.Popen[str]:
        """``penstock`` with these words, to be watched."""
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def on_terminal(self, *words: str) -> tuple[int, str]:
        """Exit code and screen of ``penstock`` on a terminal of 100 columns."""
        master, slave = pty.openpty()
        environment = {**self.environment, "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
        process = subprocess.Popen(
            self.command(*words), cwd=self.folder, env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        screen, deadline = b"", Deadline.after(LONG_S)
        while select.select([master], [], [], deadline.remaining)[0]:
            try:
                screen += os.read(master, 65536)
            except OSError:  # the other end was closed
                break
        os.close(master)
        return process.wait(), screen.decode()

    def file(self, name: str, content: str | bytes) -> str:
        """A file in the folder; its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    @staticmethod
    def command(*words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "penstock.cli.main", *words]

    def close(self) -> None:
        """End what was started."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def until(process: subprocess.Popen[str], words: str) -> str:
    """Read what a process says until it says ``words``."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    pytest.fail(f"it never said {words!r}: {said}")


class Line:
    """A line to the server that can be cut: forwards bytes until ``room`` for the server's side is used up.

    With ``stays_cut`` nobody gets through again before ``passing`` is set.
    """

    def __init__(self, url: str) -> None:
        self._target = int(url.rpartition(":")[2])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.sent = 0
        self.room: int | None = None
        self.full = threading.Event()
        self.stays_cut, self.passing = False, threading.Event()
        self.passing.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        self.passing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self.passing.wait()
            server = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, server]
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if counted and self.room is not None:
                    data = data[: self.room]
                    self.room -= len(data)
                target.sendall(data)
                self.sent += len(data) if counted else 0
                if counted and self.room == 0:
                    self.room = None
                    if self.stays_cut:
                        self.passing.clear()
                    self.full.set()
                    break
        except OSError:
            pass
        for one in (source, target):
            with contextlib.suppress(OSError):  # the other direction's thread was first
                one.shutdown(socket.SHUT_RDWR)
            one.close()  # without it a sender would wait for room that never comes, instead of meeting a reset


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose catalogue has the pipelines of tests."""
    one = RunningServer(tmp_path_factory.mktemp("lab") / "server", environment={"PENSTOCK_CATALOGUE": str(PIPELINES)})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RunningServer]:
    """The same for one test alone, which may restart it."""
    one = RunningServer(tmp_path / "server", environment={"PENSTOCK_CATALOGUE": str(PIPELINES)})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


def shell_at(server: RunningServer, folder: Path, **environment: str) -> Shell:
    """A user of ``server``."""
    folder.mkdir(exist_ok=True)
    return Shell(folder, {**server.variables(), "PENSTOCK_STATE": str(folder / "state"), **environment})


@pytest.fixture
def shell(lab: RunningServer, tmp_path: Path) -> Iterator[Shell]:
    """A user of the shared server."""
    one = shell_at(lab, tmp_path / "home")
    yield one
    one.close()


@pytest.fixture
def own_shell(own_lab: RunningServer, tmp_path: Path) -> Iterator[Shell]:
    """A user of the server that belongs to this test."""
    one = shell_at(own_lab, tmp_path / "home")
    yield one
    one.close()


@pytest.fixture
def line(lab: RunningServer) -> Iterator[Line]:
    """A line to the shared server that can be cut."""
    one = Line(lab.url)
    yield one
    one.close()
