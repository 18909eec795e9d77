"""Sends published outputs to their remote URLs, in the background, after the fenced finish (design.md, section 4).

An attempt's work is done by then, so a store that cannot be reached costs no second run: sending goes on until it works
or its time is over, and again after a restart. A cancel ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from penstock.clock import Deadline
from penstock.database.again import again
from penstock.database.engine import Database
from penstock.signals import QUEUE, Signals, workload_topic
from penstock.tasks import leases, store
from penstock.tasks.models import Attempt, Outcome, State, Task
from penstock.tasks.publish import OUTGOING, Publisher
from penstock.tasks.queue import site_topic

log = structlog.get_logger(__name__)
AT_ONCE = 4
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 120.0
_LONG_S = 3600.0
Settle = Callable[[str, str], Awaitable[None]]


class Send(Protocol):
    """Sends files for an owner; an outcome (empty: all were sent) and why."""

    async def __call__(
        self, owner: str, names: Sequence[str], sendings: Sequence[tuple[Path, str]], deadline: Deadline
    ) -> tuple[str, str]: ...


class Outgoing:
    """``settle`` is told how sending an attempt's outputs ended; ``limit_s`` is how long it may take."""

    def __init__(
        self, database: Database, signals: Signals, publisher: Publisher, send: Send, settle: Settle, limit_s: float
    ) -> None:
        self._database = database
        self._signals = signals
        self._publisher = publisher
        self._send = send
        self._settle = settle
        self._limit_s = limit_s
        self._room = asyncio.Semaphore(AT_ONCE)
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def send_forever(self) -> None:
        """Send what there is and what comes; the end of this ends it, and the next start goes on."""
        try:
            await self._drop_strays()
            while not self._signals.draining:
                seen = self._signals.count(OUTGOING)
                for attempt in await self._database.read(leases.publishing):
                    await self._begin(attempt)
                await self._signals.wait(OUTGOING, seen, Deadline.after(_LONG_S))
        finally:
            jobs = list(self._jobs.values())
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    async def _drop_strays(self) -> None:
        """What a kill left behind after an attempt was settled."""
        live = set(await self._database.read(leases.publishing))
        for attempt in self._publisher.waiting():
            if attempt not in live:
                await asyncio.to_thread(self._publisher.clear, attempt)

    async def _begin(self, attempt: str) -> None:
        found = await self._database.read(lambda connection: leases.current(connection, attempt))
        if found is None or attempt in self._jobs:
            return
        sendings = self._publisher.sendings(attempt, found[1].log.outputs)
        if sendings:
            job = self._jobs[attempt] = asyncio.create_task(self._run(*found, sendings), name=f"sending {attempt}")
            job.add_done_callback(lambda _: self._jobs.pop(attempt, None))

    async def _run(self, task: Task, attempt: Attempt, sendings: Sequence[tuple[Path, str]]) -> None:
        sending = asyncio.create_task(self._insist(task, sendings, Deadline.after(self._limit_s)))
        canceled = asyncio.create_task(self._canceled(task.id, site_topic(attempt.site)))
        try:
            await asyncio.wait({sending, canceled}, return_when=asyncio.FIRST_COMPLETED)
            trouble = sending.result() if sending.done() else ""
        finally:
            for one in (sending, canceled):
                one.cancel()
            await asyncio.gather(sending, canceled, return_exceptions=True)
        if trouble:
            log.warning("sending failed", task=task.id, attempt=attempt.id, reason=trouble)
        await again(lambda: self._settle(attempt.id, trouble))
        await asyncio.to_thread(self._publisher.clear, attempt.id)
        self._signals.notify(QUEUE, *([workload_topic(task.workload)] if task.workload else []))

    async def _insist(self, task: Task, sendings: Sequence[tuple[Path, str]], deadline: Deadline) -> str:
        """Send until it works, cannot work, or the time is over; what went wrong."""
        pause = _FIRST_PAUSE_S
        while True:
            async with self._room:
                outcome, reason = await self._send(task.owner, task.terms.credentials, sendings, deadline)
            if not outcome:
                return ""
            if outcome != Outcome.LOST.value or deadline.remaining <= pause:
                return f"An output cannot be sent: {reason}"
            log.info("sending goes on later", task=task.id, reason=reason, pause_s=pause)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * 2)

    async def _canceled(self, task: str, topic: str) -> None:
        """Returns when the task is canceled."""
        while not self._signals.draining:
            seen = self._signals.count(topic)
            found = await self._database.read(lambda connection: store.brief(connection, [task]))
            if not found or found[0].state is State.CANCELING:
                return
            await self._signals.wait(topic, seen, Deadline.after(_LONG_S))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
