"""SHA-256 of local files, read once: remembered by path, size and time of the last change."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from penstock.errors import InputChanged

PIECE = 1 << 20
# A file changed again within the clock's grain keeps its mtime, so a young one is not trusted.
YOUNG_NS = 2_000_000_000


class Digests:
    """Digests of files, kept below ``folder``, one small file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sha256(self, path: Path, read: Callable[[int], None] = lambda _: None) -> str:
        """Digest in hexadecimal; ``read`` is told the bytes of every piece. InputChanged if the file is not at rest."""
        before = path.stat()
        known = self._remembered(path, before)
        if known is not None:
            read(before.st_size)
            return known
        digest = hash_file(path, read, before.st_size)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise InputChanged(f"{path} was changed while it was read.", hint="Wait until it is complete.")
        if time.time_ns() - after.st_mtime_ns > YOUNG_NS:
            self._remember(path, after, digest)
        return digest

    def _entry(self, path: Path) -> Path:
        return self._folder / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:40]

    def _remembered(self, path: Path, status: os.stat_result) -> str | None:
        try:
            entry = json.loads(self._entry(path).read_text())
        except (OSError, ValueError):
            return None
        same = entry.get("size") == status.st_size and entry.get("mtime_ns") == status.st_mtime_ns
        return str(entry["sha256"]) if same else None

    def _remember(self, path: Path, status: os.stat_result, digest: str) -> None:
        entry = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}
        write_private(self._entry(path), json.dumps(entry))


def hash_file(path: Path, read: Callable[[int], None] = lambda _: None, expected: int | None = None) -> str:
    """SHA-256 of a file in hexadecimal, read piece by piece; one that grows beyond ``expected`` is not read on."""
    total, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        while (expected is None or count <= expected) and (piece := file.read(PIECE)):
            total.update(piece)
            count += len(piece)
            read(len(piece))
    return total.hexdigest()


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` as a whole, readable by its owner only (0600), in a folder of 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
