"""Uploads as everybody inside speaks of them. Sizes are bytes, times integer microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Declared(Protocol):
    """A file that somebody says will be sent; ``sha256`` is what its content must have, in lower-case hex."""

    @property
    def role(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


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
