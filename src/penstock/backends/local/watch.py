"""Waiting for runners without polling: a pidfd tells of the end, a datagram of everything else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path


class Notices:
    """The socket on which runners say that there is something new. Best effort: the files count."""

    def __init__(self, path: Path, told: Callable[[str], None]) -> None:
        self._path = path
        self._told = told
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen from now on, in the place of an earlier agent."""
        if self._socket is not None:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        folder = os.open(self._path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            self._path.unlink(missing_ok=True)
            listener.bind(f"/proc/self/fd/{folder}/{self._path.name}")  # an address has room for 107 bytes only
        finally:
            os.close(folder)
        self._socket = listener
        asyncio.get_running_loop().add_reader(listener, self._read)

    def close(self) -> None:
        """Stop listening; runners do without."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        while self._socket is not None:
            try:
                message = self._socket.recv(256)
            except BlockingIOError:
                return
            self._told(message.decode(errors="replace"))


class Watched:
    """A live runner: ``ended`` is set when it is gone. Owns the pidfd."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, self._ready)

    def send(self, signal_number: int) -> None:
        """Send the runner a signal; nothing if it is gone."""
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal_number)

    def close(self) -> None:
        """Stop watching."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _ready(self) -> None:
        with contextlib.suppress(ChildProcessError):  # adopted: not a child of ours
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        self.close()
        self.ended.set()
