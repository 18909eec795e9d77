"""The life of a workload: every change of state goes through here, is durable, and then wakes who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from sqlalchemy import Connection

from penstock.clock import MICROSECONDS, now_us
from penstock.database.engine import Database
from penstock.errors import Gone, NotFound
from penstock.signals import Signals, workload_topic
from penstock.workloads import store
from penstock.workloads.models import FINISHED, Result, State, Workload

EXPIRY_TOPIC = "workloads:expiry"  # counted up when a deadline was set


class Lifecycle:
    """Reads and moves workloads. ``retention_s`` is how long a finished one is kept."""

    def __init__(
        self, database: Database, signals: Signals, retention_s: int, clock: Callable[[], int] = now_us
    ) -> None:
        self.database = database
        self.signals = signals
        self.clock = clock
        self._retention_us = retention_s * MICROSECONDS

    async def find(self, workload: str) -> Workload | None:
        """The workload without inputs and results; None once it is removed."""
        return await self.database.read(lambda connection: store.find_short(connection, workload))

    async def whole(self, workload: str) -> Workload:
        """The workload with all that is stored of it; NotFound or Gone."""
        found = await self.database.read(lambda connection: store.find(connection, workload))
        if found is None:
            await self._raise_missing(None, workload)
            raise NotFound(f"There is no workload {workload!r}.")
        return found

    async def owned(self, owner: str, workload: str) -> Workload:
        """The owner's workload, whole; Gone once it is removed, NotFound if it is somebody else's."""
        found = await self.database.read(lambda connection: store.find(connection, workload))
        if found is None:
            await self._raise_missing(owner, workload)
        if found is None or found.owner != owner:
            raise NotFound(f"There is no workload {workload!r}.")
        return found

    async def move(
        self,
        workload: str,
        sources: Iterable[State],
        target: State,
        reason: str = "",
        *,
        results: tuple[Result, ...] | None = None,
        sent_us: int | None = None,
        together: Callable[[Connection], None] | None = None,
    ) -> bool:
        """Change the state, in one transaction with ``together``; False if it was in none of ``sources``."""
        now = self.clock()
        expires_us = now + self._retention_us if target in FINISHED else None
        change = partial(
            store.move,
            workload=workload,
            sources=list(sources),
            target=target,
            reason=reason,
            at_us=now,
            expires_us=expires_us,
            results=results,
            sent_us=sent_us,
        )

        def apply(connection: Connection) -> bool:
            moved = change(connection)
            if moved and together is not None:
                together(connection)
            return moved

        moved = await self.database.write(apply)
        if moved:
            self.signals.notify(workload_topic(workload), *([EXPIRY_TOPIC] if expires_us else []))
        return moved

    async def count_up(self, workload: str) -> None:
        """Tell who waits that something besides the state changed."""
        now = self.clock()
        await self.database.write(lambda connection: store.count_up(connection, workload, now))
        self.signals.notify(workload_topic(workload))

    async def bury(self, workload: str, together: Callable[[Connection], None]) -> None:
        """Leave nothing of a workload but its tombstone, in one transaction with ``together``."""
        now = self.clock()

        def change(connection: Connection) -> None:
            together(connection)
            store.bury(connection, workload, now)

        await self.database.write(change)
        self.signals.notify(workload_topic(workload))

    async def _raise_missing(self, owner: str | None, workload: str) -> None:
        stone = await self.database.read(lambda connection: store.tombstone(connection, workload))
        if stone is not None and owner in (None, stone.owner):
            raise Gone(f"The workload {workload!r} was removed.")
