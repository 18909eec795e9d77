"""Real TES clients, each in an environment of its own, against a server that wants tokens."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer, end_runners

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path.home() / ".cache" / "penstock" / "clients"
DRIVE_S = 240


def environment(name: str) -> Path:
    """The Python of the client's environment, made once for each content of its lock file.

    It is made beside its place and renamed into it: one that was interrupted half-made is never used.
    """
    lock = ROOT / "requirements" / "clients" / f"{name}.txt"
    place = CACHE / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(place, lock)
            (place / "complete").touch()
    return place / "bin" / "python"


def _make(place: Path, lock: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
    sync = [*uv, "pip", "sync", "--quiet", "--python", str(place / "bin" / "python"), "--require-hashes", str(lock)]
    subprocess.run(sync, check=True, env={**os.environ, "UV_SYSTEM_CERTS": "true"})


@dataclass
class Client:
    """One client: its Python, and a driver script beside this file that uses the client's library."""

    python: Path
    url: str
    token: str
    folder: Path

    def drive(self, script: str, *words: str, text: str = "", **variables: str) -> Any:
        """Run the driver; what it prints last, as JSON."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PENSTOCK_", "PYTHON"))}
        told = {"TES_URL": self.url, "TES_TOKEN": self.token, "TES_FOLDER": str(self.folder), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [str(self.python), str(Path(__file__).with_name(script)), *words],
            env={**clean, **told, **variables},
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=DRIVE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@dataclass
class Deployment:
    """A server with tokens, and a folder that its tasks may name."""

    server: RunningServer
    token: str
    shared: Path


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server that knows its callers."""
    folder = tmp_path_factory.mktemp("clients")
    shared = folder / "shared"
    shared.mkdir()
    server = RunningServer(folder / "server", {"PENSTOCK_AUTHENTICATION": "tokens"}, ("--allow-path", str(shared)))
    _admin(server, "ensure", "--owner", "agents", "--scope", "agent:local", "--file", str(server.data / "token"))
    token = _admin(server, "create", "--owner", "ada", "--scope", "tasks")
    server.start()
    yield Deployment(server, token, shared)
    server.stop()
    end_runners(server.data)


def _admin(server: RunningServer, *words: str) -> str:
    command = [sys.executable, "-m", "penstock.cli.main", "admin", "token", *words]
    variables = {**server.variables(), "PENSTOCK_DATA": str(server.data)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def client(request: pytest.FixtureRequest, deployment: Deployment) -> Client:
    """The client that a test names by ``@pytest.mark.parametrize("client", […], indirect=True)``."""
    folder = deployment.shared / request.node.name.replace("/", "_")
    folder.mkdir()
    return Client(environment(request.param), deployment.server.url, deployment.token, folder)
