"""``penstock serve``: the server, and beside a bare one its agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console

import penstock
from penstock import logs
from penstock.app import create_app
from penstock.database.opening import check_database, is_postgres
from penstock.errors import SetupError
from penstock.heads import BoundedHeads
from penstock.locks import FolderLock
from penstock.settings import Settings

LOOPBACK = ("127.", "localhost", "::1")
DRAIN_S = 8
SOCKET_URL = "http://penstock"  # of a server that is reached by its unix socket


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 lets the system choose.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for workspace, database and secrets.")] = None,
    allow_path: Annotated[list[Path] | None, typer.Option(help="Folder that tasks may name by file://.")] = None,
    agent: Annotated[bool, typer.Option(help="Run a local agent beside the server.")] = True,
    tcp: Annotated[bool, typer.Option(help="Listen on a port besides the unix socket.")] = True,
) -> None:
    """Run the server. With no option: on loopback, without tokens, with one local agent."""
    settings = server_settings(port, data, allow_path, bare=agent)
    logs.configure(settings)
    with contextlib.ExitStack() as stack:
        if not is_postgres(settings.store_url()):
            stack.enter_context(FolderLock(settings.data, "server.lock")).acquire()
        asyncio.run(check_database(settings))
        _run_server(settings, agent=agent, tcp=tcp)


def server_settings(port: int | None, data: Path | None, allow_path: list[Path] | None, *, bare: bool) -> Settings:
    """The environment's settings with what the command line says; a bare server needs no tokens."""
    given: dict[str, Any] = {"port": port, "data": data, "allow_path": allow_path}
    changes = {name: value for name, value in given.items() if value}
    if port == 0:
        changes["port"] = 0
    if bare:
        changes.setdefault("authentication", os.environ.get("PENSTOCK_AUTHENTICATION", "none"))
        changes.setdefault("log_format", os.environ.get("PENSTOCK_LOG_FORMAT", "console"))
        changes.setdefault("log_level", os.environ.get("PENSTOCK_LOG_LEVEL", "warning"))
    settings = Settings(**changes)
    settings = settings.model_copy(
        update={
            "data": settings.data.absolute(),
            "allow_path": [path.absolute() for path in settings.allow_path],
        }
    )
    if settings.authentication == "none" and not settings.host.startswith(LOOPBACK):
        raise SetupError(f"Without tokens the server listens on loopback only, not on {settings.host}.")
    return settings


def _run_server(settings: Settings, *, agent: bool, tcp: bool) -> None:
    settings.run_path.mkdir(parents=True, exist_ok=True)
    sockets = [_unix_socket(settings.run_path / "api.sock")]
    url = SOCKET_URL
    if tcp:
        listening = _tcp_socket(settings.host, settings.port)
        url = f"http://{settings.host}:{listening.getsockname()[1]}"
        sockets.append(listening)
    config = uvicorn.Config(
        create_app(settings),
        http=BoundedHeads,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,
    )
    _Server(config, settings, url, with_agent=agent).run(sockets)


class _Server(uvicorn.Server):
    """uvicorn, with the address file that says it is ready, and the agent beside it where one is wanted."""

    def __init__(self, config: uvicorn.Config, settings: Settings, url: str, *, with_agent: bool) -> None:
        super().__init__(config)
        self._settings = settings
        self._url = url
        self._with_agent = with_agent
        self._agent: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self._with_agent:  # it starts while the server does, and connects when that is ready
            self._agent = asyncio.create_task(_keep_agent(self._settings))
        await super().startup(sockets)
        if not self.should_exit:
            _write(self._settings.run_path / "address", self._url)
            if self._url != SOCKET_URL:  # somebody may read it; without a port it is a service whose lines are logs
                _greet(self._url, self._settings)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        (self._settings.run_path / "address").unlink(missing_ok=True)
        if self._agent is not None:
            self._agent.cancel()
            await asyncio.gather(self._agent, return_exceptions=True)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the long-polls first, so that the drain is short."""
        services = getattr(self.config.app.state, "services", None)  # type: ignore[union-attr]
        if services is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(services.signals.drain)
        super().handle_exit(sig, frame)


async def _keep_agent(settings: Settings) -> None:
    """Run the agent as a process of its own; start it again when it ends. It ends with this process."""
    told = {
        "PENSTOCK_DATA": str(settings.data),
        "PENSTOCK_URL": SOCKET_URL,
        "PENSTOCK_SOCKET": str(settings.run_path / "api.sock"),
        "PENSTOCK_ALLOW_PATH": ":".join(str(path) for path in settings.allow_path),
        "PENSTOCK_LOG_LEVEL": settings.log_level,
        "PENSTOCK_LOG_FORMAT": settings.log_format,
    }
    command = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "penstock.cli.main", "agent"]
    while True:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **told})
        try:
            await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            raise
        await asyncio.sleep(1.0)  # one that cannot start must not be started in a tight loop


def _tcp_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SetupError(
            f"Cannot listen on {host}:{port}: {error.strerror}.", hint="Choose another port with --port."
        ) from error
    return listening


def _unix_socket(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o660)
    return listening


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(f"{text}\n")
    beside.rename(path)


def _greet(url: str, settings: Settings) -> None:
    out = Console(highlight=False)
    out.print(f"Penstock {penstock.__version__} listens on [bold]{url}[/bold]; its data are in {settings.data}.")
    out.print("Next, in another terminal:  penstock pipelines list   (Ctrl-C stops the server; nothing is lost)")
