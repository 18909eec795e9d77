"""One writer for each upload in all servers of a workspace; within a server, ``sessions`` sees to that.

Each holds a lock on a byte of one file of the workspace: the kernel frees it at any end of the process, and NFS carries
it between machines. A request that finds the byte taken asks the holder, by a signal, to give way if it is silent.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from penstock.clock import A_DAY, Deadline
from penstock.signals import Signals
from penstock.uploads.sessions import Session, Sessions, being_sent

NAME = ".uploads.lock"
MARGIN_S = 1.0  # how long a request waits for one in another server beyond the time in which that gives way


class Writers:
    """``folder`` is where uploads arrive; the lock lies beside it."""

    def __init__(self, folder: Path, sessions: Sessions, signals: Signals) -> None:
        self._path = folder.parent / NAME
        self._sessions = sessions
        self._signals = signals
        self._descriptor: int | None = None

    @asynccontextmanager
    async def sole(self, upload: str) -> AsyncIterator[Session]:
        """Be the only writer of ``upload``; Locked if another one is alive, here or in another server."""
        async with self._sessions.sole(upload) as session:
            await self._take(upload)
            giving_way = asyncio.create_task(self._give_way(upload))
            try:
                yield session
            finally:
                giving_way.cancel()
                self._lock(upload, fcntl.F_UNLCK)

    def close(self) -> None:
        """Let go of everything."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def _take(self, upload: str) -> None:
        deadline = Deadline.after(self._sessions.stale_s + MARGIN_S)
        while not self._lock(upload, fcntl.F_WRLCK):
            if deadline.passed:
                raise being_sent()
            self._signals.notify(_topic(upload))
            await asyncio.sleep(0.1)  # a lock of a file cannot be waited for in the event loop

    async def _give_way(self, upload: str) -> None:
        topic, seen = _topic(upload), self._signals.count(_topic(upload))
        while await self._signals.wait(topic, seen, Deadline.after(A_DAY)) or not self._signals.draining:
            await self._sessions.give_way(upload)
            seen = self._signals.count(topic)

    def _lock(self, upload: str, kind: int) -> bool:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        byte = int.from_bytes(hashlib.sha256(upload.encode()).digest()[:8]) >> 2
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another open file has it (fcntl(2))
            return False
        return True


def _topic(upload: str) -> str:
    return f"upload:{upload}"
