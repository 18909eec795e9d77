"""Servers of tests that are started for as long as somebody needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Server(Protocol):
    """A process that is waited for when it is started."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


@contextmanager
def started(one: S) -> Iterator[S]:
    """Start it, and stop it in the end."""
    one.start()
    try:
        yield one
    finally:
        one.stop()
