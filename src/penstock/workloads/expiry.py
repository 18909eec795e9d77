"""Ends what nobody finishes and what nobody collects, and warns before; sleeps until the next moment for that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from penstock.clock import A_DAY, MICROSECONDS, Deadline
from penstock.settings import Settings
from penstock.workloads import store, store_drops
from penstock.workloads.interfaces import Uploads
from penstock.workloads.lifecycle import EXPIRY_TOPIC, Lifecycle
from penstock.workloads.models import FINISHED, State
from penstock.workloads.notices import Notices

SHORTEST_SLEEP_S, LONGEST_SLEEP_S = 60.0, A_DAY


class Expiry:
    """``follow`` leads an expired workload on to its removal."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        uploads: Uploads,
        settings: Settings,
        notices: Notices,
        follow: Callable[[str], None],
    ) -> None:
        self._lifecycle = lifecycle
        self._uploads = uploads
        self._silence_us = settings.upload_expiry_s * MICROSECONDS
        self._warn_us = settings.warn_before_s * MICROSECONDS
        self._notices = notices
        self._follow = follow

    async def watch(self) -> None:
        """Sweep whenever something is due, until the server drains."""
        signals = self._lifecycle.signals
        while not signals.draining:
            seen = signals.count(EXPIRY_TOPIC)
            await self.sweep()
            await signals.wait(EXPIRY_TOPIC, seen, Deadline.after(await self._sleep_s()))

    async def sweep(self) -> None:
        """Expire what is due now."""
        now = self._lifecycle.clock()
        for workload in await self._lifecycle.database.read(lambda connection: store.due(connection, now)):
            await self._expire(workload, FINISHED, "Nobody acknowledged it in time.")
        await self._lifecycle.database.write(lambda c: store_drops.forget_refused(c, now - self._silence_us))
        await self._warn(now)
        for workload, since_us in (await self._uploads.silent_since()).items():
            if since_us + self._silence_us <= now:
                await self._expire(workload, {State.UPLOADING}, "Its uploads were not finished in time.")

    async def _warn(self, now: int) -> None:
        if not self._warn_us:
            return
        for workload in await self._lifecycle.database.read(lambda c: store.to_warn(c, now + self._warn_us)):
            if await self._notices.send(workload):
                await self._lifecycle.database.write(partial(store.warned, workload=workload.id, at_us=now))

    async def _expire(self, workload: str, sources: frozenset[State] | set[State], reason: str) -> None:
        if await self._lifecycle.move(
            workload, sources, State.EXPIRED, reason, together=lambda c: store.close_account(c, workload)
        ):
            self._follow(workload)

    async def _sleep_s(self) -> float:
        due = await self._lifecycle.database.read(store.next_due)
        silent = [since + self._silence_us for since in (await self._uploads.silent_since()).values()]
        first = await self._lifecycle.database.read(store.next_to_warn) if self._warn_us else None
        warnings = [] if first is None else [first - self._warn_us]
        moments = [*([] if due is None else [due]), *silent, *warnings]
        if not moments:
            return LONGEST_SLEEP_S
        # What was due a moment ago and is still there is being removed: no reason to spin.
        left = (min(moments) - self._lifecycle.clock()) / MICROSECONDS
        return min(max(left, 0.0) or SHORTEST_SLEEP_S, LONGEST_SLEEP_S)
