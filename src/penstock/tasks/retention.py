"""Forgets tasks that ended long ago, a few at a time. Those of a workload go with it, when it is acknowledged."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from sqlalchemy import Connection, delete, func, select, text

from penstock.clock import A_DAY, MICROSECONDS, Deadline, now_us
from penstock.database.engine import Database
from penstock.signals import Signals
from penstock.tasks.tables import ALONE_AND_ENDED, tasks

BATCH = 200
SHORTEST_SLEEP_S = 1.0
TOPIC = "tasks:retention"
log = structlog.get_logger(__name__)


class Retention:
    """``keep_s``: how long an ended task is kept; ``workspace`` holds the folders of attempts."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        workspace: Path,
        keep_s: int,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._database = database
        self._signals = signals
        self._folder = workspace / "tasks"
        self._keep_us = keep_s * MICROSECONDS
        self._clock = clock

    async def watch(self) -> None:
        """Sweep whenever something is due, until the server drains."""
        while not self._signals.draining:
            seen = self._signals.count(TOPIC)
            await self.sweep()
            first = await self._database.read(first_end)
            left = A_DAY if first is None else (first + self._keep_us - self._clock()) / MICROSECONDS
            await self._signals.wait(TOPIC, seen, Deadline.after(min(max(left, SHORTEST_SLEEP_S), A_DAY)))

    async def sweep(self) -> int:
        """Forget what is due now; how many tasks that were."""
        count = 0
        while due := await self._database.read(lambda c: ended_before(c, self._clock() - self._keep_us, BATCH)):
            # The folders first: rows without folders are harmless, folders without rows would never be found again.
            await asyncio.to_thread(self._remove_folders, due)
            await self._database.write(lambda c, ids=due: forget(c, ids))  # type: ignore[misc]
            count += len(due)
        if count:
            log.info("old tasks were forgotten", count=count)
        return count

    def _remove_folders(self, ids: Sequence[str]) -> None:
        for task in ids:
            shutil.rmtree(self._folder / task, ignore_errors=True)


def first_end(connection: Connection) -> int | None:
    """When the first of the ended tasks without a workload ended."""
    query = select(func.min(tasks.c.ended_us)).where(text(ALONE_AND_ENDED))
    return connection.execute(query).scalar_one_or_none()


def ended_before(connection: Connection, moment_us: int, limit: int) -> list[str]:
    """The first of the tasks without a workload that ended before this moment."""
    due = select(tasks.c.id).where(text(ALONE_AND_ENDED), tasks.c.ended_us < moment_us)
    return list(connection.execute(due.order_by(tasks.c.ended_us).limit(limit)).scalars())


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Delete these tasks with their attempts and tags."""
    connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
