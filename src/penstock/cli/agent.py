"""``penstock agent``: a program of its own, which loads none of the server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import uvloop
from rich.console import Console

from penstock import logs
from penstock.agents.connection import Connection
from penstock.agents.loop import Agent
from penstock.backends.interface import Backend
from penstock.client.http import Server
from penstock.clock import Deadline
from penstock.locks import FolderLock
from penstock.settings import Settings

TAKE_OVER_S = 15.0


def agent() -> None:
    """Run an agent: lease tasks from the server and run them on this machine."""
    settings = Settings()
    logs.configure(settings)
    with FolderLock(settings.agent_state_path, "agent.lock") as lock:
        lock.take_over(Deadline.after(TAKE_OVER_S))
        uvloop.run(_until_stopped(settings))


async def _run(settings: Settings) -> None:
    await Agent(settings, await _backend(settings), Connection(Server(settings))).run()


async def _backend(settings: Settings) -> Backend:
    """The backend that the settings name; the other one's modules are not loaded."""
    if settings.backend == "kubernetes":
        from penstock.backends.kubernetes.connect import connect

        return await connect(settings)
    from penstock.backends.local.backend import LocalBackend

    return LocalBackend(settings)


async def _until_stopped(settings: Settings) -> None:
    running = asyncio.create_task(_run(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    await asyncio.gather(running, return_exceptions=True)
    sys.stderr.flush()
    failed = not running.cancelled() and running.exception() is not None
    if failed:
        Console(stderr=True).print(f"error: {running.exception()}", style="red", markup=False)
    os._exit(1 if failed else 0)  # a thread may still hold a long-poll that nobody waits for any more
