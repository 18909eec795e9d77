"""The queue: hands out leases, fences, renews, expires, takes reports, publishes (design.md, sections 2 and 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog
from sqlalchemy import Connection

from penstock.allowances import Allowance
from penstock.clock import MICROSECONDS, Deadline
from penstock.database.engine import Database
from penstock.database.moment import Steady, moment
from penstock.errors import InvalidInput
from penstock.signals import QUEUE, Signals, workload_topic
from penstock.tasks import ends, leases, metrics, sites, store
from penstock.tasks.admission import never_fits
from penstock.tasks.ends import End, Settled
from penstock.tasks.handout import Handout, Holder, Known, Orders, check
from penstock.tasks.models import Attempt, State, Task
from penstock.tasks.publish import OUTGOING, Publisher
from penstock.tasks.retry import GIVEN_BACK
from penstock.tasks.room import Room
from penstock.tasks.turns import Candidate

log = structlog.get_logger(__name__)
LEASES = "leases"


def site_topic(site: str) -> str:
    """The topic under which a site's agent is told what to end."""
    return f"site:{site}"


class Queue:
    """``lease_s``: period of a lease in seconds; ``backoff_s``: wait before a second attempt."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        publisher: Publisher,
        lease_s: float,
        backoff_s: float,
        owners: Mapping[str, Allowance] | None = None,
    ) -> None:
        self._database = database
        self._signals = signals
        self._publisher = publisher
        self._lease_us = int(lease_s * MICROSECONDS)
        self._handout = Handout(self._lease_us, owners or {})
        self._backoff_s = backoff_s
        self._steady = Steady(self._lease_us / 3)

    async def register(
        self, holder: Holder, total: Room, tags: dict[str, str], running: Iterable[str], *, mounts: bool
    ) -> Orders:
        """Enter an agent; it fences the site's earlier incarnation. Live attempts it does not have are lost."""

        def change(connection: Connection) -> tuple[list[Attempt], list[str], list[Settled]]:
            sites.register(connection, holder.site, holder.incarnation, total, tags, mounts=mounts)
            return self._sort_out(connection, holder, set(running))

        kept, end, lost = await self._database.write(change)
        for one in lost:
            self._tell(one)
        # Read afterwards: thousands of them would keep everybody else's changes waiting.
        found = await self._database.read(lambda connection: store.many(connection, [one.task for one in kept]))
        orders = Orders(leased=[(found[one.task], one) for one in kept if one.task in found], end=end)
        await self._refuse_what_never_fits()
        self._signals.notify(QUEUE, site_topic(holder.site), LEASES)
        return orders

    async def lease(self, holder: Holder, known: Known, deadline: Deadline) -> Orders:
        """Attempts to run and orders, as soon as there are any; empty when the deadline came first."""
        while True:
            seen = self._signals.count(QUEUE), self._signals.count(site_topic(holder.site))
            orders = await self._database.write(lambda c: self._handout.orders(c, holder, known))
            if orders or deadline.passed or self._signals.draining:
                for task, attempt in orders.leased:
                    log.info("leased", task=task.id, attempt=attempt.id, site=holder.site, owner=task.owner)
                    self._announce(task)
                self._signals.notify(LEASES)
                return orders
            await self._wait_for_work(holder.site, seen, deadline)

    async def renew(self, holder: Holder, held: set[str]) -> Orders:
        """A fresh period for the attempts the agent holds; it is told which are not its own any more."""

        def change(connection: Connection) -> Orders:
            check(connection, holder)
            mine = leases.renew(connection, holder.site, held, moment(connection) + self._lease_us)
            return Orders(end=sorted(held - mine), cancel=leases.canceling(connection, holder.site))

        return await self._database.write(change)

    async def started(self, holder: Holder, attempt: str, at_us: int) -> bool:
        """The first executor runs; False if the attempt is fenced."""

        def change(connection: Connection) -> Task | None:
            check(connection, holder)
            found = leases.current(connection, attempt)
            if found is None or found[1].state not in ("leased", "started"):
                return None
            task, one = found
            if leases.set_attempt(connection, attempt, ["leased"], state="started", started_us=at_us):
                first = {} if task.started_us else {"started_us": at_us}
                store.move(connection, task.id, [State.INITIALIZING], State.RUNNING, "", attempt=one.number, **first)
            return task

        task = await self._database.write(change)
        if task is not None:
            metrics.started(task, at_us)
            self._announce(task)
        return task is not None

    async def finished(self, holder: Holder, attempt: str, end: End) -> bool:
        """The attempt has ended: publish its outputs and move its task on; False if the attempt is fenced."""

        def change(connection: Connection) -> tuple[Task, Settled | None] | None:
            check(connection, holder)
            found = leases.current(connection, attempt)
            if found is None or found[1].state == "lost":
                return None
            task, one = found
            if one.state == "finished":  # it is told again
                return task, None
            return task, ends.note(connection, task, one, end, self._backoff_s)

        noted = await self._database.write(change)
        if noted is None:
            return False
        task, settled = noted
        if settled is None:
            await self._publish(attempt)
        else:
            settled.tell()
        await asyncio.to_thread(self._publisher.discard, attempt)
        if end.started_us is not None:
            metrics.started(task, end.started_us)
        self._announce(task)
        self._signals.notify(QUEUE)
        return True

    async def largest_site(self) -> Room:
        """The most that one task can have; one core and one gigabyte while no site has registered."""
        rooms = [site.room.of_one_task() for site in await self._database.read(sites.everyone)] or [
            Room(cpu_cores=1, ram_gb=1, disk_gb=1, slots=1)
        ]
        return max(rooms, key=lambda room: room.size)

    async def recover(self) -> None:
        """On start: a fresh period for every lease, and what was being published is published."""

        def change(connection: Connection) -> None:
            now = moment(connection)
            self._steady.jumped(now)  # from here on
            leases.start_anew(connection, now, self._lease_us)

        await self._database.write(change)
        for attempt in await self._database.read(leases.publishing):
            await self._publish(attempt)

    async def expire_forever(self) -> None:
        """Take back leases that run out; sleeps until the first one does."""
        while True:
            seen = self._signals.count(LEASES)
            left = await self._database.read(leases.first_expiry_in)
            # Not longer than a lease, however far away the first end seems: the database's clock may have jumped.
            wait = 3600.0 if left is None else max(0.05, min(left, self._lease_us) / MICROSECONDS)
            if not await self._signals.wait(LEASES, seen, Deadline.after(wait)):
                if self._signals.draining:
                    return
                await self.expire()

    async def expire(self) -> None:
        """Take back every lease that has run out by now."""

        def change(connection: Connection) -> list[Settled]:
            now = moment(connection)
            if self._steady.jumped(now):
                log.warning("the database's clock has jumped: every lease gets a fresh period")
                leases.start_anew(connection, now, self._lease_us)
            gone = leases.expired(connection, now)
            return [self._lose(connection, one, "the site's agent was not heard of in time") for one in gone]

        for lost in await self._database.write(change):
            log.warning("lease expired", task=lost.task.id, attempt=lost.attempt.id)
            await asyncio.to_thread(self._publisher.discard, lost.attempt.id)
            metrics.EXPIRED.labels(lost.attempt.site).inc()
            self._tell(lost)
        self._signals.notify(QUEUE)

    def _sort_out(
        self, connection: Connection, holder: Holder, running: set[str]
    ) -> tuple[list[Attempt], list[str], list[Settled]]:
        """The attempts that the agent goes on with, those it has to end, and those it does not have: lost."""
        kept, lost = [], []
        for attempt in leases.live(connection, holder.site):
            if attempt.id in running:
                kept.append(attempt)
            else:
                gone = "its runner was gone when the agent came back"
                lost.append(self._lose(connection, attempt, GIVEN_BACK if attempt.state == "leased" else gone))
        names = {attempt.id for attempt in kept}
        leases.renew(connection, holder.site, names, moment(connection) + self._lease_us)
        return kept, sorted(running - names), lost

    def _lose(self, connection: Connection, attempt: Attempt, reason: str) -> Settled:
        leases.set_attempt(connection, attempt.id, ["leased", "started"], state="finished", reason=f"LOST {reason}")
        lost = ends.settle_noted(connection, attempt.id, self._backoff_s)
        assert lost is not None  # noqa: S101 - it was noted in this transaction
        return lost

    async def _publish(self, attempt: str) -> None:
        found = await self._database.read(lambda connection: leases.current(connection, attempt))
        if found is None or found[1].outcome is not None:
            return  # another server, or this one before a kill, has done it
        trouble = ""
        try:
            await asyncio.to_thread(self._publisher.publish, attempt, found[1].log.outputs)
        except (OSError, InvalidInput) as error:
            trouble = f"An output cannot be written: {error}"
            log.warning("publishing failed", task=found[0].id, attempt=attempt, reason=trouble)
        if not trouble and self._publisher.sendings(attempt, found[1].log.outputs):
            self._signals.notify(OUTGOING)  # the server that leads sends them, and settles then
        else:
            await self.settle(attempt, trouble)
            if trouble:
                await asyncio.to_thread(self._publisher.clear, attempt)

    async def settle(self, attempt: str, trouble: str) -> None:
        """The end of a published attempt; ``trouble`` is why an output is not where it should be."""
        settled = await self._database.write(lambda c: ends.settle_noted(c, attempt, self._backoff_s, trouble))
        if settled is not None:
            settled.tell()

    async def _refuse_what_never_fits(self) -> None:
        def change(connection: Connection) -> list[str]:
            known = sites.everyone(connection)
            # Those that ask for tags which no site has yet were created before any was known: theirs may still come.
            waiting = [one for one in leases.all_queued(connection) if any(site.has(one.tags) for site in known)]
            return refuse_what_never_fits(connection, waiting)

        for workload in await self._database.write(change):
            self._signals.notify(workload_topic(workload))

    async def _wait_for_work(self, site: str, seen: tuple[int, int], deadline: Deadline) -> None:
        left = await self._database.read(leases.next_due_in)
        if left is not None:
            deadline = Deadline(min(deadline.at, Deadline.after(max(0.01, left / MICROSECONDS)).at))
        waits = [
            asyncio.ensure_future(self._signals.wait(topic, count, deadline))
            for topic, count in zip((QUEUE, site_topic(site)), seen, strict=True)
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _tell(self, settled: Settled) -> None:
        settled.tell()
        self._announce(settled.task)

    def _announce(self, task: Task) -> None:
        if task.workload is not None:
            self._signals.notify(workload_topic(task.workload))


def refuse_what_never_fits(connection: Connection, queued: Sequence[Candidate]) -> list[str]:
    """End those of the queued tasks that no site can ever run; the workloads they belong to."""
    known = sites.everyone(connection) if queued else []
    touched = []
    for candidate in queued if known else ():
        why = never_fits(candidate, known)
        if why and store.move(connection, candidate.task, [State.QUEUED], State.SYSTEM_ERROR, why):
            task = store.get(connection, candidate.task, with_attempts=False)
            if task is not None and task.workload is not None:
                touched.append(task.workload)
    return touched
