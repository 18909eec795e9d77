"""`start_service.py` with real processes: one service at a time, whoever started the last one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "service" / "files" / "start_service.py"
TELL = "import os, sys, time; print(os.getpid(), os.environ.get('GREETING'), os.getcwd(), flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + TELL
PARENT = (
    "import subprocess, sys, time;"
    "children = [subprocess.Popen(['sleep', '60']), subprocess.Popen(['sleep', '60'], start_new_session=True)];"
    "print(*(child.pid for child in children), flush=True); time.sleep(60)"
)


class Services:
    """Starts services as supervisord does, and ends what is left at the end of the test."""

    def __init__(self, record: Path) -> None:
        self.record = record
        self._started: list[subprocess.Popen[str]] = []
        self.pids: list[int] = []

    def start(self, code: str, *options: str) -> tuple[subprocess.Popen[str], list[str]]:
        """The process, and what it printed when it had started."""
        command = [sys.executable, str(PROGRAM), "--record", str(self.record), *options, sys.executable, "-c", code]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
        self._started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().split()

    def end(self, *options: str) -> None:
        """As teardown does."""
        subprocess.run([sys.executable, str(PROGRAM), "--record", str(self.record), *options], check=True, timeout=30)

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    one = Services(tmp_path / "record")
    yield one
    one.close()


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_it_becomes_the_service(services: Services) -> None:
    process, told = services.start(TELL)
    assert told[0] == str(process.pid)


def test_the_service_gets_its_environment(services: Services, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("GREETING='Good-day'\n")
    assert services.start(TELL, "--environment", str(tmp_path / "env"))[1][1] == "Good-day"


def test_the_second_start_ends_the_first(services: Services) -> None:
    first, _ = services.start(TELL)
    second, _ = services.start(TELL)
    assert first.wait(timeout=10) == -signal.SIGTERM
    assert second.poll() is None


def test_one_that_does_not_listen_is_killed(services: Services) -> None:
    first, _ = services.start(STUBBORN)
    services.start(TELL, "--wait", "0.3")
    assert first.wait(timeout=10) == -signal.SIGKILL


def test_what_a_killed_service_left_in_its_group_is_ended_and_no_more(services: Services) -> None:
    first, told = services.start(PARENT)
    inside, outside = map(int, told)
    services.pids += [inside, outside]
    first.kill()
    first.wait()
    assert runs(inside)
    services.start(TELL, "--group")
    assert not runs(inside)
    assert runs(outside)


def test_without_group_only_the_service_itself_is_ended(services: Services) -> None:
    first, told = services.start(PARENT)
    services.pids += map(int, told)
    services.start(TELL)
    assert first.wait(timeout=10) == -signal.SIGTERM
    assert all(runs(int(pid)) for pid in told)


def test_without_a_command_it_only_ends(services: Services) -> None:
    first, _ = services.start(TELL)
    services.end("--group")
    assert first.wait(timeout=10) == -signal.SIGTERM
    assert not services.record.exists()
    services.end()
