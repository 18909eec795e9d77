"""How a command begins: the server, a way to show progress, an end by signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from penstock.cli.progress import watch
from penstock.client.http import Server
from penstock.client.patience import Patience
from penstock.client.runs import Runs
from penstock.settings import Settings


@contextmanager
def server() -> Iterator[Server]:
    """The server that the settings name."""
    with Server(Settings()) as made:
        yield made


@contextmanager
def runs() -> Iterator[Runs]:
    """Runs at that server, shown on stderr: live on a terminal, as lines elsewhere."""
    with server() as connection, watch() as watcher:
        yield Runs(connection, watcher, Patience(connection.settings.patience_s, watcher.waiting))


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM (a workflow engine ends a step with it) interrupts like Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
