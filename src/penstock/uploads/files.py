"""Bytes of uploads on disk. Everything here blocks: it is called in threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

SYNC_BYTES = 16 << 20  # at most this much of what arrived can be lost to a power failure, ...
SYNC_SECONDS = 1.0  # ... or what arrived in this time, whichever comes first


def durable_size(path: Path) -> int:
    """How many bytes of ``path`` are on disk for certain; 0 if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(descriptor).st_size  # first the size: what is written meanwhile may miss the fsync
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return size


def size(path: Path) -> int:
    """Bytes in the file, durable or not; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write to the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    with suppress(FileNotFoundError):
        path.unlink()


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files that may be gone already."""
    for path in paths:
        remove(path)


def names(folder: Path) -> list[str]:
    """The names of the files in ``folder``."""
    return [path.name for path in folder.iterdir() if path.is_file()]


def link(source: Path, target: Path) -> None:
    """Give a file a second name, durable; nothing happens if it has it."""
    with suppress(FileExistsError):
        os.link(source, target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make ``folder``, 2750, unless it is there."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o2750)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Appender:
    """Appends to a file and makes it durable every 16 MiB or every second; ``position`` is its length."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        self.position = os.fstat(self._descriptor).st_size
        self._synced = self.position
        self._synced_at = clock()
        sync_folder(path.parent)

    def append(self, data: bytes | bytearray) -> None:
        """Write all of ``data`` at the end."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.position)
            self.position += written
            view = view[written:]
        if self.position - self._synced >= SYNC_BYTES or self._clock() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def cut_back(self, position: int) -> None:
        """Forget what was appended after ``position``."""
        os.ftruncate(self._descriptor, position)
        self.position = min(self.position, position)

    def sync(self) -> None:
        """Make what was appended durable."""
        if self.position != self._synced:
            os.fsync(self._descriptor)
        self._synced, self._synced_at = self.position, self._clock()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
