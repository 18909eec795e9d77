"""Uploads as everybody inside speaks of them. Sizes are bytes, times integer microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NewUpload:
    """A file that somebody declares to send; ``sha256`` is what its content must have, in lower-case hex."""

    role: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Upload:
    """A declared file. ``complete`` is durable: all bytes are on disk and the workload was, or will be, told."""

    id: str
    owner: str
    workload: str
    role: str
    name: str
    size: int
    sha256: str
    complete: bool
    created_us: int
    touched_us: int


@dataclass(frozen=True)
class Received:
    """An upload and how many of its bytes are durable."""

    upload: Upload
    offset: int
