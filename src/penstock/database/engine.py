"""The store as every service sees it: ``read``, ``write``, and who of several servers leads (design.md, section 5).

A *query* or *change* is a synchronous function of a connection. A change may be run more than once before its result
counts, so it does nothing outside of the database, and returns what it found out instead of noting it elsewhere.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, TypeVar

from sqlalchemy import Connection

from penstock.signals import Signals

T = TypeVar("T")


class Database(ABC):
    """One store; ``alone`` says whether this server is the only one that can use it."""

    alone: ClassVar[bool]

    @abstractmethod
    async def start(self, signals: Signals | None = None) -> None:
        """Check that the store has this release's schema; let ``signals`` reach the other servers of this store."""

    @abstractmethod
    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` and return what it returns."""

    async def snapshot(self, query: Callable[[Connection], T]) -> T:
        """Run a ``query`` of many statements that all see one moment."""
        return await self.read(query)

    @abstractmethod
    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run ``change`` as if no other change ran beside it; its result, once that is durable."""

    @abstractmethod
    def lead(self) -> AbstractAsyncContextManager[asyncio.Event]:
        """Wait to be the one server that leads, and be it inside; the event tells that this was lost."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is queued, then close."""
