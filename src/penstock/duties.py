"""What one server does for all that share a store: recovery, the end of leases,
the sending of outputs, the workloads' conductor.

A server that is alone does it from its start on, before the first request. Of several, the one that leads does it; it
stops when it is no longer the one, and does everything anew when it is again.
"""

from __future__ import annotations

import asyncio

import structlog

from penstock.database.again import PAUSE_S, again
from penstock.errors import StoreAway
from penstock.services import Services

log = structlog.get_logger(__name__)


class Duties:
    """``begin`` them when the services are there, ``end`` them before the store is closed."""

    def __init__(self, inside: Services) -> None:
        self._inside = inside
        self._task: asyncio.Task[None] | None = None
        self._led = asyncio.Event()

    async def begin(self) -> None:
        """Return at once where others may lead, and after the reconciliation where nobody else can."""
        self._task = asyncio.create_task(self._run(), name="duties")
        if self._inside.database.alone:
            led = asyncio.create_task(self._led.wait())
            await asyncio.wait({self._task, led}, return_when=asyncio.FIRST_COMPLETED)
            led.cancel()
            if self._task.done():
                self._task.result()

    async def end(self) -> None:
        """Stop; another server leads from now on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._inside.database.lead() as lost:
                    await self._lead(lost)
            except StoreAway as error:
                log.warning("leading was interrupted", reason=error.message)
            except Exception:
                if self._inside.database.alone:
                    raise  # the server does not start
                log.exception("this server could not lead; another may")
            await asyncio.sleep(PAUSE_S)

    async def _lead(self, lost: asyncio.Event) -> None:
        queue, workloads = self._inside.tasks.queue, self._inside.workloads
        await queue.recover()
        watches = [
            asyncio.create_task(again(queue.expire_forever), name="leases' expiry"),
            asyncio.create_task(again(self._inside.retention.watch), name="tasks' retention"),
            asyncio.create_task(again(self._inside.outgoing.send_forever), name="sending of outputs"),
        ]
        try:
            await workloads.start()
            log.info("this server leads")
            self._led.set()
            await lost.wait()
            log.warning("this server does not lead any more")
        finally:
            for watch in watches:
                watch.cancel()
            await workloads.stop()
            await asyncio.gather(*watches, return_exceptions=True)
