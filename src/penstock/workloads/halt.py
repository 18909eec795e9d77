"""How the event loop stops blocking work that it gave to a thread."""

from __future__ import annotations

import hashlib
import threading
from typing import BinaryIO

PIECE_BYTES = 1 << 20


class Halted(Exception):
    """The workload was canceled, or the server stops. Never reaches a user; what was begun is redone or removed."""


class Halt(threading.Event):
    """Set by the event loop, looked at by the thread between two pieces of its work."""

    def check(self) -> None:
        """Raise Halted if it is set."""
        if self.is_set():
            raise Halted


def digest(source: BinaryIO, halt: Halt, target: BinaryIO | None = None) -> tuple[str, int]:
    """SHA-256 and length of all that ``source`` holds, copied to ``target`` on the way."""
    total, size = hashlib.sha256(), 0
    while piece := source.read(PIECE_BYTES):
        halt.check()
        total.update(piece)
        size += len(piece)
        if target is not None:
            target.write(piece)
    return total.hexdigest(), size
