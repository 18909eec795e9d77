"""A folder that only one process may use: server and agent each hold one (design.md, section 4)."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from types import TracebackType

from penstock.clock import Deadline
from penstock.errors import SetupError


class FolderLock:
    """An advisory lock on ``folder/name``, which holds the holder's process id; the kernel frees it at any end."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def acquire(self) -> None:
        """Take it, or raise SetupError with who holds it."""
        if not self._try():
            raise SetupError(
                f"{self._path.parent} is in use by process {self._holder()}.",
                hint="Stop that one first, or use another folder (--data).",
            )

    def take_over(self, deadline: Deadline) -> None:
        """Take it; ask the holder to end (SIGTERM) if there is one. SetupError if it does not in time."""
        while not self._try():
            if deadline.passed:
                raise SetupError(f"Process {self._holder()} does not let go of {self._path}.")
            holder = self._holder()
            if holder is not None:
                _ask_to_end(holder)
            time.sleep(0.05)  # flock has no wait with a deadline

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def _holder(self) -> int | None:
        text = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdecimal() else None


def _ask_to_end(process: int) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:
        return
