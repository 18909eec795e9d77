"""A real NGINX with the configuration of the role ``file_service``, before a server of a test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import jinja2
import yaml

from penstock.clock import Deadline

ROLE = Path(__file__).resolve().parents[2] / "roles" / "file_service"
START_S = 20.0


class Nginx:
    """``data`` is the server's folder: its socket and its workspace."""

    def __init__(self, folder: Path, data: Path, **variables: object) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._configuration = folder / "nginx.conf"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self._configuration.write_text(_render(folder, data, self.port, variables))

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["/usr/sbin/nginx", "-p", str(self.folder), "-e", "stderr", "-c", str(self._configuration)]
        with (self.folder / "stderr.log").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, start_new_session=True)
        deadline = Deadline.after(START_S)
        while not self._answers():
            assert not deadline.passed, (self.folder / "stderr.log").read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9 of the master and its workers at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _render(folder: Path, data: Path, port: int, variables: dict[str, object]) -> str:
    """The role's template with its defaults, at places of the test's own."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    environment.filters["comment"] = lambda text: f"# {text}"
    values = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    values |= {
        "ansible_managed": "made by a test",
        "file_service_runs_as": "root" if os.geteuid() == 0 else "tester",
        "file_service_user": "root",
        "file_service_tls": False,
        "file_service_bracketed": "127.0.0.1",
        "file_service_port": port,
        "file_service_socket": str(data / "run" / "api.sock"),
        "file_service_workspace": str(data / "workspace"),
        "file_service_prefix": str(folder),
        "file_service_error_log": str(folder / "error.log"),
        "file_service_access_log": str(folder / "access.log"),
        **variables,
    }
    return environment.from_string((ROLE / "templates" / "nginx.conf.j2").read_text()).render(values)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
